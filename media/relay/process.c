#include "relay/process.h"

#include <stdio.h>
#include <unistd.h>

int64_t kg_process_rss_kb(void)
{
    FILE *in = fopen("/proc/self/statm", "re");
    long long total, resident = 0;
    if (!in)
        return 0;
    if (fscanf(in, "%lld %lld", &total, &resident) != 2)
        resident = 0;
    fclose(in);
    return resident * sysconf(_SC_PAGESIZE) / 1024;
}
