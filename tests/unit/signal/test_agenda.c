#include "unit/cmocka_all.h"

#include <stdio.h>

#include "signal/agenda.h"
#include "unit/signal/helpers.h"

#define HEAD "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"
#define TAIL "END:VCALENDAR\r\n"
#define HOUR ((int64_t)3600 * 1000000)
#define DAY  (24 * HOUR)

/* 2026-11-21 00:00 UTC. */
static const int64_t today_us = (int64_t)1795219200 * 1000000;

static struct kg_agenda *parse_window(const char *text, int64_t from_us, int64_t to_us)
{
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    struct kg_agenda *agenda = kg_agenda_parse(exact, size, from_us, to_us);
    free(exact);
    assert_non_null(agenda);
    return agenda;
}

static struct kg_agenda *parse(const char *text)
{
    return parse_window(text, today_us - 30 * DAY, today_us + 30 * DAY);
}

static const struct kg_agenda_report *report_with(const struct kg_agenda *agenda, const char *reason)
{
    for (size_t i = 0; i < agenda->report_count; i++)
        if (strstr(agenda->reports[i].reason, reason))
            return &agenda->reports[i];
    fail_msg("no report says \"%s\"", reason);
    return NULL;
}

static void keeps_text_readable(void **state)
{
    (void)state;
    struct kg_agenda *a = parse(
        HEAD
        "BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20261121T000000Z\r\nDTEND:20261121T010000Z\r\n"
        "SUMMARY:\x1b 朝\x07会 \x7f\r\nDESCRIPTION:\x1b\r\nLOCATION:C:\\作業\\temp\\\r\nEND:VEVENT\r\n" TAIL);
    assert_int_equal(a->meeting_count, 1);
    assert_string_equal(a->meetings[0].title, "朝 会");
    assert_string_equal(a->meetings[0].description, "");
    assert_string_equal(a->meetings[0].location, "C:\\作業\\temp\\");
    kg_agenda_destroy(a);
}

/* A calendar's words go on every invited room's screen: none may turn its neighbours or hide in a name. */
static void leaves_out_what_hides(void **state)
{
    (void)state;
    struct kg_agenda *a =
        parse(HEAD "BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20261121T000000Z\r\nDTEND:20261121T010000Z\r\n"
                   "ATTENDEE;CUTYPE=ROOM:mailto:r@x\r\n"
                   "SUMMARY:\u202e朝\u2028会\u2066\u200b\302\2331\r\nDESCRIPTION:一\\n\ufeff二\u2029三\r\n"
                   "LOCATION:葛\U000E0100飾　ｶﾞ か\u3099\u309A辻\uFE00\r\nEND:VEVENT\r\n"
                   "BEGIN:VEVENT\r\nUID:b\u200b\r\nDTSTART:20261121T000000Z\r\nEND:VEVENT\r\n" TAIL);
    assert_int_equal(a->meeting_count, 1);
    assert_string_equal(a->meetings[0].title, "朝 会 1");
    assert_string_equal(a->meetings[0].description, "一\n二 三");
    assert_string_equal(a->meetings[0].location, "葛\U000E0100飾　ｶﾞ か\u3099\u309A辻\uFE00");
    assert_int_equal(a->report_count, 3);
    assert_int_equal(report_with(a, "hide or turn text are left out")->severity, KG_AGENDA_NOTE);
    assert_int_equal(report_with(a, "UID holds")->severity, KG_AGENDA_BAD);
    kg_agenda_destroy(a);
}

static void reads_an_event(void **state)
{
    (void)state;
    struct kg_agenda *a =
        parse("\xef\xbb\xbf" HEAD "BEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\n"
              "UID:asa@kaku.example\r\nDTSTART;TZID=Asia/Tokyo:20261121T093000\r\nDTEND:20261121T013000Z\r\n"
              "SUMMARY: 朝会\\, 定例\t\r\nDESCRIPTION:一行目\\n二\r\n 行目\r\nLOCATION:本庁舎\r\n"
              "ORGANIZER;CN=\"総務課; 係長\":mailto:soumu@kaku.example\r\n"
              "ATTENDEE;CUTYPE=ROOM;CN=大会議室:mailto:Kaku-1@kaku.example\r\n"
              "ATTENDEE;CUTYPE=ROOM:MAILTO:kaku-2@kaku.example\r\n"
              "ATTENDEE;CUTYPE=ROOM:mailto:kaku-1@elsewhere.example\r\n"
              "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:sato@kaku.example\r\n"
              "SEQUENCE:3\r\nSTATUS:TENTATIVE\r\nX-OTHER:1\r\n"
              "BEGIN:VALARM\r\nUID:inner\r\nSUMMARY:inner\r\nEND:VALARM\r\nEND:VEVENT\r\n" TAIL);
    assert_int_equal(a->meeting_count, 1);
    assert_int_equal(a->report_count, 0);
    const struct kg_meeting *m = &a->meetings[0];
    assert_string_equal(m->uid, "asa@kaku.example");
    assert_string_equal(m->title, "朝会, 定例");
    assert_string_equal(m->description, "一行目\n二行目");
    assert_string_equal(m->location, "本庁舎");
    assert_string_equal(m->organizer, "総務課; 係長");
    assert_true(m->start_us == today_us + HOUR / 2);
    assert_true(m->end_us == today_us + 3 * HOUR / 2);
    assert_int_equal(m->sequence, 3);
    assert_int_equal(m->status, KG_MEETING_TENTATIVE);
    assert_int_equal(m->room_count, 2);
    assert_string_equal(m->rooms[0], "kaku-1");
    assert_string_equal(m->rooms[1], "kaku-2");
    kg_agenda_destroy(a);
}

#define ROOM         "ATTENDEE;CUTYPE=ROOM:mailto:r@x\r\n"
#define EVENT(lines) "BEGIN:VEVENT\r\nUID:e\r\n" ROOM lines "END:VEVENT\r\n"

static void times(void **state)
{
    (void)state;
    const struct {
        const char *lines;
        int64_t start_us, end_us;
    } table[] = {
        {"DTSTART:20261121T090000\r\nDTEND:20261121T100000\r\n", today_us,
         today_us + HOUR}, /* floating: Japan */
        {"DTSTART:20261121T090000Z\r\nDURATION:PT1H30M\r\n", today_us + 9 * HOUR,
         today_us + 9 * HOUR + 3 * HOUR / 2},
        {"DTSTART;TZID=Tokyo Standard Time:20261121T090000\r\nDURATION:PT15M\r\n", today_us,
         today_us + HOUR / 4},
        {"DTSTART;TZID=/vendor.example/Asia/Tokyo:20261121T090000\r\nDURATION:P1D\r\n", today_us,
         today_us + DAY},
        {"DTSTART;TZID=UTC:20261121T000000\r\nDURATION:P1W\r\n", today_us, today_us + 7 * DAY},
        {"DTSTART;VALUE=DATE:20261121\r\n", today_us - 9 * HOUR, today_us + 15 * HOUR},
        {"DTSTART;VALUE=DATE:20261121\r\nDTEND;VALUE=DATE:20261123\r\n", today_us - 9 * HOUR,
         today_us + 39 * HOUR},
        {"DTSTART:20261121T090000\r\n", today_us, today_us + HOUR}, /* no end: one hour, and a note */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1000];
        snprintf(text, sizeof text, HEAD EVENT("%s") TAIL, table[i].lines);
        struct kg_agenda *a = parse(text);
        if (a->meeting_count != 1 || a->meetings[0].start_us != table[i].start_us ||
            a->meetings[0].end_us != table[i].end_us)
            fail_msg("%s: %s", table[i].lines, a->report_count ? a->reports[0].reason : "wrong time");
        kg_agenda_destroy(a);
    }
}

/* The bad event stands between two good ones, which must both survive it. */
static void a_bad_event_costs_itself_only(void **state)
{
    (void)state;
    static const struct {
        const char *event, *reason;
        unsigned line; /* counted from BEGIN:VEVENT of the bad one, 1 */
        bool kept;
    } table[] = {
        {"BEGIN:VEVENT\r\nDTSTART:20261121T090000\r\nEND:VEVENT\r\n", "no UID", 1, false},
        {"BEGIN:VEVENT\r\nUID:b\r\n" ROOM "END:VEVENT\r\n", "no DTSTART", 1, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261321T090000\r\nEND:VEVENT\r\n", "does not exist", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20260230T090000\r\nEND:VEVENT\r\n", "does not exist", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T250000\r\nEND:VEVENT\r\n", "does not exist", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:99991121T090000\r\nEND:VEVENT\r\n", "2199", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:tomorrow\r\nEND:VEVENT\r\n", "DTSTART cannot be read", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART\r\nEND:VEVENT\r\n", "DTSTART cannot be read", 3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART;TZID=Europe/Paris:20261121T090000\r\nEND:VEVENT\r\n", "time zone",
         3, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T090000\r\nDTEND:20261121T080000\r\nEND:VEVENT\r\n",
         "ends before it starts", 1, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T090000\r\nDURATION:-PT1H\r\nEND:VEVENT\r\n", "DURATION",
         4, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nSUMMARY:\x8d\x87\r\nUID:c\r\nDTSTART:20261121T090000\r\n" ROOM
         "END:VEVENT\r\n",
         "SUMMARY is not UTF-8", 3, true},
        {"BEGIN:VEVENT\r\nUID:\x8d\x87\r\nEND:VEVENT\r\n", "UID is not UTF-8", 2, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=SECONDLY\r\nEND:"
         "VEVENT\r\n",
         "daily, weekly", 5, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T090000\r\nDURATION:PT1H\r\nRRULE:FREQ=SOMETIMES\r\nEND:"
         "VEVENT\r\n",
         "RRULE", 5, false},
        {"BEGIN:VEVENT\r\nUID:b\r\n" ROOM "DTSTART:20261121T090000\r\n", "no END:VEVENT", 1, false},
        {"BEGIN:VEVENT\r\nUID:b\r\nATTENDEE;CUTYPE=ROOM:mailto:a_b@x\r\nDTSTART:20261121T090000\r\nEND:"
         "VEVENT\r\n",
         "room's address", 3, true},
        {"BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20261121T090000\r\nEND:VEVENT\r\n", "no room is invited", 1, true},
        {"BEGIN:VEVENT\r\nUID:good-1\r\nDTSTART:20261121T090000\r\n" ROOM "END:VEVENT\r\n", "of this UID", 0,
         true},
    };
    static const char good[] =
        "BEGIN:VEVENT\r\nUID:good-%d\r\nDTSTART:20261121T090000\r\nDURATION:PT1H\r\n" ROOM "END:VEVENT\r\n";
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[4000];
        size_t n = (size_t)snprintf(text, sizeof text, HEAD);
        n += (size_t)snprintf(text + n, sizeof text - n, good, 1);
        unsigned first = 1;
        for (size_t c = 0; c < n; c++)
            first += text[c] == '\n';
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", table[i].event);
        n += (size_t)snprintf(text + n, sizeof text - n, good, 2);
        snprintf(text + n, sizeof text - n, TAIL);
        struct kg_agenda *a = parse(text);
        unsigned good_found = 0;
        for (size_t m = 0; m < a->meeting_count; m++)
            good_found += strncmp(a->meetings[m].uid, "good-", 5) == 0;
        if (good_found != 2)
            fail_msg("%zu: a good event was lost with it", i);
        const struct kg_agenda_report *report = report_with(a, table[i].reason);
        if (table[i].line && report->line != first + table[i].line - 1)
            fail_msg("%zu: %s at line %u, not %u", i, report->reason, report->line,
                     first + table[i].line - 1);
        assert_int_equal(report->severity == KG_AGENDA_BAD, !table[i].kept || !table[i].line);
        if (table[i].line)
            assert_int_equal(a->meeting_count, table[i].kept ? 3 : 2);
        kg_agenda_destroy(a);
    }
    struct kg_agenda *a = parse(HEAD "BEGIN:VEVENT\r\nDTSTART:x\r\nUID:late-uid\r\nEND:VEVENT\r\n" TAIL);
    assert_string_equal(report_with(a, "DTSTART")->uid, "late-uid");
    kg_agenda_destroy(a);
}

static void not_a_calendar(void **state)
{
    (void)state;
    static const char *const texts[] = {"",       "\r\n\r\n", "hello",
                                        "<html>", "{}",       "BEGIN:VCARD\r\nEND:VCARD\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct kg_agenda *a = parse(texts[i]);
        assert_int_equal(a->meeting_count, 0);
        assert_int_equal(a->report_count, 1);
        assert_int_equal(a->reports[0].severity, KG_AGENDA_BAD);
        kg_agenda_destroy(a);
    }
    struct kg_agenda *a = parse(HEAD EVENT("DTSTART:20261121T090000\r\nDURATION:PT1H\r\n"));
    assert_int_equal(a->meeting_count, 1);
    assert_non_null(report_with(a, "cut off"));
    kg_agenda_destroy(a);
}

static void repeating(void **state)
{
    (void)state;
    struct kg_agenda *a = parse_window(
        HEAD EVENT(
            "DTSTART;TZID=Asia/Tokyo:20261102T090000\r\nDURATION:PT1H\r\nSUMMARY:週次\r\nSEQUENCE:2\r\n"
            "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261221T000000Z\r\n"
            "EXDATE;TZID=Asia/Tokyo:20261130T090000,20261207T090000\r\n") "BEGIN:VEVENT\r\nUID:"
                                                                          "e\r\nRECURRENCE-ID;TZID=Asia/"
                                                                          "Tokyo:20261214T090000\r\n" ROOM
                                                                          "DTSTART;TZID=Asia/"
                                                                          "Tokyo:20261215T090000\r\nDURATION:"
                                                                          "PT2H\r\nSUMMARY:移動\r\nEND:"
                                                                          "VEVENT\r\n" TAIL,
        today_us, today_us + 60 * DAY);
    /* 11-23 and 12-21 by the rule (its end, 2026-12-21 00:00 UTC, is 09:00 in Japan and counts), 12-15 moved.
     */
    assert_int_equal(a->meeting_count, 3);
    assert_string_equal(a->meetings[0].uid, "e/20261123T000000Z");
    assert_true(a->meetings[0].start_us == today_us + 2 * DAY);
    assert_string_equal(a->meetings[1].uid, "e/20261214T000000Z");
    assert_true(a->meetings[1].start_us == today_us + 24 * DAY);
    assert_string_equal(a->meetings[1].title, "移動");
    assert_string_equal(a->meetings[2].uid, "e/20261221T000000Z");
    assert_string_equal(a->meetings[2].rooms[0], "r");
    assert_non_null(report_with(a, "the event repeats"));
    assert_false(a->truncated);
    kg_agenda_destroy(a);

    a = parse_window(HEAD EVENT("DTSTART:20200101T000000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\n") TAIL,
                     today_us, today_us + 3000 * DAY);
    assert_int_equal(a->meeting_count, KG_AGENDA_MAX_OCCURRENCES);
    assert_true(a->truncated);
    kg_agenda_destroy(a);
}

/* A rule that never matches is walked to the end of libical's calendar: only a few of them are. */
static void what_could_not_be_followed_or_written_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *reason;
    } table[] = {
        {"DTSTART:20261121T000000Z\r\nRRULE:RSCALE=CHINESE;FREQ=YEARLY\r\n", "RSCALE"},
        {"DTSTART:20261121T000000Z\r\nRRULE:RSCALE=GREGORIAN;FREQ=DAILY\r\n", "RSCALE"},
        {"DTSTART:19700101T080000\r\nDTEND:20271121T000000Z\r\n", "not between 1970"}, /* 1969 in UTC */
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(table); i++) {
        char text[500];
        snprintf(text, sizeof text, HEAD EVENT("%s") TAIL, table[i].lines);
        struct kg_agenda *a = parse(text);
        assert_int_equal(a->meeting_count, 0);
        assert_int_equal(report_with(a, table[i].reason)->severity, KG_AGENDA_BAD);
        kg_agenda_destroy(a);
    }
}

static void rules_that_never_match(void **state)
{
    (void)state;
    char text[8000];
    size_t n = (size_t)snprintf(text, sizeof text, HEAD);
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "BEGIN:VEVENT\r\nUID:%d\r\nDTSTART:20200101T000000Z\r\nDURATION:PT1H\r\n" ROOM
                              "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=6\r\nEND:VEVENT\r\n",
                              i);
    snprintf(text + n, sizeof text - n, TAIL);
    struct kg_agenda *a = parse(text);
    assert_int_equal(a->meeting_count, 0);
    unsigned left_out = 0;
    for (size_t i = 0; i < a->report_count; i++)
        left_out += strstr(a->reports[i].reason, "left out: too many") != NULL;
    assert_int_equal(left_out, 16);
    assert_true(a->truncated);
    kg_agenda_destroy(a);
}

static void same_sites(const struct kg_meeting *a, const struct kg_meeting *b)
{
    assert_int_equal(a->site_count, b->site_count);
    assert_int_equal(a->site_total, b->site_total);
    for (uint16_t i = 0; i < a->site_count; i++) {
        assert_string_equal(a->sites[i].organization, b->sites[i].organization);
        assert_string_equal(a->sites[i].department, b->sites[i].department);
        assert_string_equal(a->sites[i].name, b->sites[i].name);
    }
}

static void same(const struct kg_meeting *a, const struct kg_meeting *b)
{
    assert_string_equal(a->uid, b->uid);
    assert_string_equal(a->title, b->title);
    assert_string_equal(a->description, b->description);
    assert_string_equal(a->organizer, b->organizer);
    assert_string_equal(a->location, b->location);
    assert_true(a->start_us == b->start_us && a->end_us == b->end_us);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->room_count, b->room_count);
    for (uint16_t i = 0; i < a->room_count; i++)
        assert_string_equal(a->rooms[i], b->rooms[i]);
    same_sites(a, b);
}

static void what_is_written_reads_the_same(void **state)
{
    (void)state;
    char *rooms[] = {"kaku-1", "kaku-2"};
    char long_site[] = "架空郡架空町外三箇町村衛生施設一部事務組合広域連合消防本部会議室;,";
    struct kg_meeting_site sites[] = {{"見本町", "企画財政課", "大会議室"},
                                      {"", "", "名だけ\"^n:;,"},
                                      {"団体だけ", "", ""},
                                      {long_site, long_site, long_site}};
    char long_title[900];
    for (size_t i = 0; i + 3 < sizeof long_title; i += 3)
        memcpy(long_title + i, "議", 4);
    const struct kg_meeting meetings[] = {
        {.uid = "1@x",
         .title = "a\\b;c,d\"e:f",
         .description = "一\n二\n\nEND:VEVENT",
         .organizer = "課長, \"総務\"; ^n係",
         .location = "",
         .start_us = today_us,
         .end_us = today_us + HOUR,
         .sequence = 2147483647,
         .status = KG_MEETING_CANCELLED,
         .room_count = 2,
         .rooms = rooms,
         .site_count = 4,
         .site_total = 4,
         .sites = sites},
        {.uid = "二/20261121T010000Z",
         .title = long_title,
         .description = "",
         .organizer = "",
         .location = "x",
         .start_us = today_us + HOUR,
         .end_us = today_us + 2 * HOUR,
         .status = KG_MEETING_TENTATIVE,
         .room_count = 1,
         .rooms = rooms,
         .site_count = 1,
         .site_total = KG_AGENDA_MAX_ROOMS,
         .sites = sites},
    };
    char *text = kg_agenda_format(meetings, 2, NULL);
    assert_non_null(text);
    for (const char *line = text; *line; line = strstr(line, "\r\n") + 2)
        assert_true(strstr(line, "\r\n") - line <= 75);
    struct kg_agenda *a = parse(text);
    if (a->report_count)
        fail_msg("line %u: %s", a->reports[0].line, a->reports[0].reason);
    assert_int_equal(a->meeting_count, 2);
    same(&a->meetings[0], &meetings[0]);
    same(&a->meetings[1], &meetings[1]);
    char *again = kg_agenda_format(a->meetings, 2, NULL);
    assert_string_equal(again, text);
    free(again);
    free(text);
    kg_agenda_destroy(a);

    /* A room is told its own meetings, and of the rooms in them only itself. */
    text = kg_agenda_format(meetings, 2, "kaku-2");
    a = parse(text);
    assert_int_equal(a->meeting_count, 1);
    assert_int_equal(a->meetings[0].room_count, 1);
    assert_string_equal(a->meetings[0].rooms[0], "kaku-2");
    assert_null(strstr(text, "kaku-1"));
    same_sites(&a->meetings[0], &meetings[0]);
    free(text);
    kg_agenda_destroy(a);

    text = kg_agenda_format(NULL, 0, NULL);
    a = parse(text);
    assert_int_equal(a->meeting_count + a->report_count, 0);
    free(text);
    kg_agenda_destroy(a);
}

#define SITE(name) "ATTENDEE;CUTYPE=ROOM;CN=" name ":urn:x-kaigi:other-room\r\n"

static void other_rooms_are_bounded(void **state)
{
    (void)state;
    char text[8000];
    size_t n = (size_t)snprintf(text, sizeof text,
                                HEAD "BEGIN:VEVENT\r\nUID:e\r\nDTSTART:20261121T090000Z\r\nDURATION:PT1H\r\n"
                                     "RRULE:FREQ=DAILY;COUNT=2\r\n" ROOM SITE("\"\"") SITE("大会議室"));
    for (int i = 0; i < KG_AGENDA_MAX_SITES; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, SITE("会議室%d"), i);
    n += (size_t)snprintf(text + n, sizeof text - n, "X-KAIGI-OTHER-ROOMS:");
    const struct {
        const char *count;
        unsigned total;
        bool remark;
    } table[] = {
        {"12", 12, false}, {"3", 10, false}, {"128", 128, false}, {"129", 10, true},
        {"-1", 10, true},  {"x", 10, true},  {"1x", 10, true},    {"99999999999999999999", 10, true}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        snprintf(text + n, sizeof text - n, "%s\r\nEND:VEVENT\r\n" TAIL, table[i].count);
        struct kg_agenda *a = parse(text);
        assert_int_equal(a->meeting_count, 2);
        for (size_t m = 0; m < 2; m++) {
            assert_int_equal(a->meetings[m].room_count, 1);
            assert_int_equal(a->meetings[m].site_count, KG_AGENDA_MAX_SITES);
            assert_int_equal(a->meetings[m].site_total, table[i].total);
            assert_string_equal(a->meetings[m].sites[0].name, "大会議室");
            assert_string_equal(a->meetings[m].sites[0].organization, "");
        }
        assert_int_equal(a->report_count, table[i].remark ? 2 : 1); /* one says that it repeats */
        kg_agenda_destroy(a);
    }
}

static void values_that_cannot_be_written(void **state)
{
    (void)state;
    char *bad_rooms[] = {"x\r\nSTATUS:CANCELLED"};
    struct kg_meeting m = {.uid = "u", .start_us = today_us, .end_us = today_us};
    assert_null(kg_agenda_format(&m, 1, NULL));
    m.end_us++;
    m.uid = NULL;
    assert_null(kg_agenda_format(&m, 1, NULL));
    m.uid = "u";
    m.rooms = bad_rooms;
    m.room_count = 1;
    assert_null(kg_agenda_format(&m, 1, NULL));
    m.room_count = 0;
    char *text = kg_agenda_format(&m, 1, NULL);
    assert_non_null(text);
    free(text);
}

static void bounds(void **state)
{
    (void)state;
    size_t size = 4 * 1024 * 1024, n = 0;
    char *text = malloc(size);
    n += (size_t)snprintf(text + n, size - n, HEAD);
    for (int i = 0; i < KG_AGENDA_MAX_MEETINGS + 5; i++)
        n += (size_t)snprintf(text + n, size - n,
                              "BEGIN:VEVENT\r\nUID:%d\r\nDTSTART:20261121T090000Z\r\nDURATION:PT1H\r\n" ROOM
                              "END:VEVENT\r\n",
                              i);
    snprintf(text + n, size - n, TAIL);
    struct kg_agenda *a = parse(text);
    assert_int_equal(a->meeting_count, KG_AGENDA_MAX_MEETINGS);
    assert_true(a->truncated);
    assert_non_null(report_with(a, "more than 10000 meetings"));
    kg_agenda_destroy(a);

    n = (size_t)snprintf(text, size, HEAD);
    for (int i = 0; i < KG_AGENDA_MAX_REPORTS + 5; i++)
        n += (size_t)snprintf(text + n, size - n, "BEGIN:VEVENT\r\nEND:VEVENT\r\n");
    a = parse(text);
    assert_int_equal(a->report_count, KG_AGENDA_MAX_REPORTS);
    assert_true(a->truncated);
    kg_agenda_destroy(a);

    /* A line too long spoils what it belongs to, not the rest; an unknown one may have any length. */
    n = (size_t)snprintf(text, size,
                         HEAD "BEGIN:VEVENT\r\nUID:e\r\n" ROOM "DTSTART:20261121T090000\r\nATTACH:");
    memset(text + n, 'A', 300000);
    n += 300000;
    n += (size_t)snprintf(text + n, size - n, "\r\nSUMMARY:");
    memset(text + n, 'S', KG_AGENDA_MAX_LINE_BYTES);
    n += KG_AGENDA_MAX_LINE_BYTES;
    snprintf(text + n, size - n, "\r\nEND:VEVENT\r\n" TAIL);
    a = parse(text);
    assert_int_equal(a->meeting_count, 1);
    assert_string_equal(a->meetings[0].title, "");
    assert_non_null(report_with(a, "SUMMARY is longer"));
    kg_agenda_destroy(a);
    free(text);

    a = kg_agenda_parse("", KG_AGENDA_MAX_BYTES + 1, 0, 1); /* refused before a byte is read */
    assert_int_equal(a->meeting_count, 0);
    assert_non_null(report_with(a, "8 MB"));
    kg_agenda_destroy(a);
}

static void long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[6000];
    size_t n = (size_t)snprintf(text, sizeof text,
                                HEAD "BEGIN:VEVENT\r\nUID:e\r\n" ROOM
                                     "DTSTART:20261121T090000Z\r\nDURATION:PT1H\r\nSUMMARY:");
    for (int i = 0; i < 500; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "議");
    snprintf(text + n, sizeof text - n, "\r\nEND:VEVENT\r\n" TAIL);
    struct kg_agenda *a = parse(text);
    assert_int_equal(a->meeting_count, 1);
    assert_int_equal(strlen(a->meetings[0].title), 999);
    assert_int_equal(report_with(a, "is cut")->severity, KG_AGENDA_NOTE);
    kg_agenda_destroy(a);
}

static size_t corpus_meetings, corpus_reports;

static void survive(const char *path, const char *text, size_t size)
{
    (void)path;
    /* 2004 and 2005, in which most of these calendars play. */
    const int64_t from_us = (int64_t)1072915200 * 1000000, to_us = (int64_t)1136073600 * 1000000;
    char *exact = malloc(size + 1);
    memcpy(exact, text, size);
    struct kg_agenda *a = kg_agenda_parse(exact, size, from_us, to_us);
    free(exact);
    assert_non_null(a);
    corpus_meetings += a->meeting_count;
    corpus_reports += a->report_count;
    char *written = kg_agenda_format(a->meetings, a->meeting_count, NULL);
    assert_non_null(written);
    struct kg_agenda *b = kg_agenda_parse(written, strlen(written), from_us, to_us);
    assert_int_equal(a->meeting_count, b->meeting_count);
    for (size_t i = 0; i < a->meeting_count; i++) {
        assert_string_equal(a->meetings[i].uid, b->meetings[i].uid);
        assert_string_equal(a->meetings[i].title, b->meetings[i].title);
        assert_true(a->meetings[i].start_us == b->meetings[i].start_us);
    }
    free(written);
    kg_agenda_destroy(b);
    kg_agenda_destroy(a);
}

static void corpora(void **state)
{
    (void)state;
    unsigned files = each_file(CORPORA "/ical", survive);
    if (files == 0)
        skip();
    print_message("%u calendars: %zu meetings, %zu remarks\n", files, corpus_meetings, corpus_reports);
    assert_true(corpus_meetings > 0);
}

static void truncations(void **state)
{
    (void)state;
    static const char text[] = HEAD EVENT("DTSTART;TZID=Asia/Tokyo:20261121T090000\r\nDURATION:PT1H\r\n"
                                          "SUMMARY:会議\r\n 続き\r\nRRULE:FREQ=DAILY;COUNT=3\r\n") TAIL;
    for (size_t i = 0; i <= sizeof text - 1; i++) {
        char *copy = malloc(i ? i : 1);
        memcpy(copy, text, i);
        struct kg_agenda *a = kg_agenda_parse(copy, i, 0, today_us + 30 * DAY);
        assert_non_null(a);
        assert_true(a->meeting_count <= 3);
        kg_agenda_destroy(a);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_text_readable),
        cmocka_unit_test(leaves_out_what_hides),
        cmocka_unit_test(reads_an_event),
        cmocka_unit_test(times),
        cmocka_unit_test(a_bad_event_costs_itself_only),
        cmocka_unit_test(not_a_calendar),
        cmocka_unit_test(repeating),
        cmocka_unit_test(what_could_not_be_followed_or_written_is_left_out),
        cmocka_unit_test(rules_that_never_match),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(other_rooms_are_bounded),
        cmocka_unit_test(values_that_cannot_be_written),
        cmocka_unit_test(bounds),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(truncations),
        cmocka_unit_test(corpora),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
