#include "core/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "core/i18n.h"

enum { WORDS_SIZE = 1024 };

static struct tm local(int64_t wall_us)
{
    time_t t = (time_t)(wall_us / 1000000);
    struct tm tm = {0};
    localtime_r(&t, &tm);
    return tm;
}

KG_PRINTF(3, 4) static void put(char *text, size_t size, const char *format, ...)
{
    char whole[WORDS_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(whole, sizeof(whole), format, args);
    va_end(args);
    kg_room_text_set(text, size, whole);
}

void kg_words_clock(char *text, size_t size, int64_t wall_us)
{
    struct tm tm = local(wall_us);
    put(text, size, "%d:%02d", tm.tm_hour, tm.tm_min);
}

void kg_words_moment(char *text, size_t size, int64_t wall_us, int64_t now_us)
{
    struct tm tm = local(wall_us), now = local(now_us);
    if (tm.tm_year == now.tm_year && tm.tm_yday == now.tm_yday)
        kg_words_clock(text, size, wall_us);
    else
        put(text, size, kg_tr("%d月%d日 %d:%02d"), tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

void kg_words_range(char *text, size_t size, int64_t start_us, int64_t end_us)
{
    struct tm a = local(start_us), b = local(end_us);
    put(text, size, "%d:%02d – %d:%02d", a.tm_hour, a.tm_min, b.tm_hour, b.tm_min);
}

static const char *const japanese_days[] = {"日", "月", "火", "水", "木", "金", "土"};

static void japanese_date(char *text, size_t size, const struct tm *tm)
{
    const char *const *days = japanese_days;
    int era_year = tm->tm_year + 1900 - 2018; /* 令和1年 is 2019; earlier dates come from a wrong clock */
    if (era_year < 1)
        put(text, size, "%d年%d月%d日(%s)", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday,
            days[tm->tm_wday]);
    else if (era_year == 1)
        put(text, size, "令和元年%d月%d日(%s)", tm->tm_mon + 1, tm->tm_mday, days[tm->tm_wday]);
    else
        put(text, size, "令和%d年%d月%d日(%s)", era_year, tm->tm_mon + 1, tm->tm_mday, days[tm->tm_wday]);
}

void kg_words_date(char *text, size_t size, int64_t wall_us)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct tm tm = local(wall_us);
    if (kg_i18n_language() == KG_UI_JAPANESE)
        japanese_date(text, size, &tm);
    else
        put(text, size, "%s, %d %s %d", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900);
}

void kg_words_day(char *text, size_t size, int64_t wall_us)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = local(wall_us);
    if (kg_i18n_language() == KG_UI_JAPANESE)
        put(text, size, "%d月%d日(%s)", tm.tm_mon + 1, tm.tm_mday, japanese_days[tm.tm_wday]);
    else
        put(text, size, "%s %d %s", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon]);
}

void kg_words_duration(char *text, size_t size, int64_t duration_us)
{
    int minutes = (int)(duration_us / 60000000);
    if (minutes < 1)
        put(text, size, "%s", kg_tr("1分未満"));
    else if (minutes < 60)
        put(text, size, kg_tr("%d分"), minutes);
    else
        put(text, size, kg_tr("%d時間%d分"), minutes / 60, minutes % 60);
}

void kg_words_remaining(char *text, size_t size, int64_t now_us, int64_t end_us)
{
    if (end_us <= 0) {
        put(text, size, "%s", "");
        return;
    }
    int64_t minutes = (end_us - now_us + 59999999) / 60000000;
    if (minutes <= 0)
        put(text, size, "%s", kg_tr("終了時刻を過ぎました"));
    else if (minutes < 60)
        put(text, size, kg_tr("残り %d分"), (int)minutes);
    else
        put(text, size, kg_tr("残り %d時間%d分"), (int)(minutes / 60), (int)(minutes % 60));
}

void kg_words_office(char *text, size_t size, const struct kg_room_name *name)
{
    put(text, size, name->department[0] ? "%s %s" : "%s%s", name->organization, name->department);
}

void kg_words_place(char *text, size_t size, const struct kg_room_name *name)
{
    char office[WORDS_SIZE / 2];
    kg_words_office(office, sizeof(office), name);
    put(text, size, "%s %s", office, name->name);
}

void kg_words_site(char *text, size_t size, const struct kg_room_name *name)
{
    put(text, size, name->organization[0] && name->name[0] ? "%s %s" : "%s%s", name->organization,
        name->name);
}

void kg_words_more(char *text, size_t size, uint32_t rooms)
{
    put(text, size, kg_tr("ほか%u会議室"), rooms);
}

void kg_words_sites(char *text, size_t size, const struct kg_room_meeting *meeting, uint32_t most)
{
    char whole[WORDS_SIZE] = "";
    size_t used = 0;
    uint32_t named = KG_MIN(kg_room_sites_named(meeting), most);
    for (uint32_t i = 0; i < named; i++) {
        char place[2 * KG_ROOM_NAME_SIZE];
        kg_words_site(place, sizeof(place), &meeting->sites[i]);
        int n = snprintf(whole + used, sizeof(whole) - used, "%s%s", i ? kg_tr("、") : "", place);
        if (n < 0 || (size_t)n >= sizeof(whole) - used)
            break;
        used += (size_t)n;
    }
    if (meeting->site_count > named && used < sizeof(whole) - 1) {
        char more[64];
        kg_words_more(more, sizeof(more), meeting->site_count - named);
        snprintf(whole + used, sizeof(whole) - used, used ? " %s" : "%s", more);
    }
    kg_room_text_set(text, size, whole);
}
