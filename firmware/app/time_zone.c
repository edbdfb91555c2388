#include "app/time_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo"

const char *kg_time_zone_expected(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    char path[128], magic[4] = "";
    if (name[0] == '\0' || name[0] == '/' || name[strspn(name, letters)] != '\0' ||
        snprintf(path, sizeof path, ZONES "/%s", name) >= (int)sizeof path)
        return "the name of a time zone such as Asia/Tokyo";
    FILE *file = fopen(path, "rbe");
    bool good = file && fread(magic, 1, sizeof magic, file) == sizeof magic &&
                memcmp(magic, "TZif", sizeof magic) == 0;
    if (file)
        fclose(file);
    return good ? NULL : "a time zone that stands in " ZONES " (package tzdata), such as Asia/Tokyo";
}

void kg_time_zone_apply(const char *name)
{
    unsetenv("TZDIR"); /* would take zones from elsewhere than the check above */
    setenv("TZ", name, 1);
    tzset();
}
