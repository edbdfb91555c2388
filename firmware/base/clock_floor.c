#include "base/clock_floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* 9999-12-31: later is no time, but a damaged file. */
static const int64_t last_s = INT64_C(253402300799);

int64_t kg_clock_floor_build_s(void)
{
    return (int64_t)KAIGI_BUILD_TIME_S;
}

/* A whole decimal number and a line's end, and nothing else. false: it holds something else. */
static bool parse(const char *text, int64_t *time_s)
{
    int64_t value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        value = value * 10 + (*c - '0');
        if (value > last_s)
            return false;
    }
    if (c == text || strcmp(c, "\n") != 0)
        return false;
    *time_s = value;
    return true;
}

void kg_clock_floor_open(struct kg_clock_floor *floor, const char *path, int64_t build_s)
{
    char text[64] = "";
    *floor = (struct kg_clock_floor){.floor_s = build_s};
    snprintf(floor->path, sizeof floor->path, "%s", path);
    if (!*path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            kg_log(KG_LOG_WARN, "base", "clock.floor", "cannot read %s: %s", path, strerror(errno));
        return;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    if (!parse(text, &floor->stored_s)) {
        kg_log(KG_LOG_WARN, "base", "clock.floor", "%s holds no time; going by the program's own date", path);
        return;
    }
    if (floor->stored_s > floor->floor_s)
        floor->floor_s = floor->stored_s;
}

bool kg_clock_floor_believes(const struct kg_clock_floor *floor, int64_t now_s)
{
    return now_s >= floor->floor_s;
}

/* Beside its place, then renamed: a power cut leaves the old time or the new. */
static bool store(const struct kg_clock_floor *floor)
{
    char temporary[sizeof floor->path + 8], text[32];
    snprintf(temporary, sizeof temporary, "%s.new", floor->path);
    int size = snprintf(text, sizeof text, "%lld\n", (long long)floor->floor_s);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    return ok && rename(temporary, floor->path) == 0;
}

void kg_clock_floor_raise(struct kg_clock_floor *floor, int64_t now_s)
{
    if (now_s < floor->floor_s || now_s > last_s)
        return;
    floor->floor_s = now_s;
    if (floor->stored_s && now_s - floor->stored_s < KG_CLOCK_FLOOR_STORE_S)
        return;
    if (*floor->path && !store(floor))
        kg_log(KG_LOG_WARN, "base", "clock.floor", "cannot write %s: %s", floor->path, strerror(errno));
    floor->stored_s = now_s; /* also when it failed: the next try is in an hour */
}
