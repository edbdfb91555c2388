#include "tools/usage.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* User and system time are fields 14 and 15, counted after the name, which may hold anything. */
static bool read_cpu(const char *path, double *seconds)
{
    char line[1024] = "";
    unsigned long user, system;
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool ok = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    const char *after = strrchr(line, ')');
    ok = ok && after &&
         sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2;
    if (ok)
        *seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    return ok;
}

bool kg_usage_read(pid_t pid, struct kg_usage *out)
{
    char path[64], line[256];
    *out = (struct kg_usage){0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_cpu(path, &out->cpu_s))
        return false;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)pid);
    (void)!read_cpu(path, &out->cpu_main_s);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    out->at_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        (void)!sscanf(line, "VmRSS: %ld", &out->rss_kb);
        (void)!sscanf(line, "VmHWM: %ld", &out->rss_peak_kb);
    }
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        (void)!sscanf(line, "Pss: %ld", &out->pss_kb);
    if (f)
        fclose(f);
    return true;
}
