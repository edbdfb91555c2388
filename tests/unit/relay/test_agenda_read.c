/* Calendars read by another process: the true reader, what it cannot do, and readers that do everything
 * wrong. */
#include "unit/cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/agenda_read.h"
#include "relay/agenda_wire.h"
#include "unit/folder.h"

#define EVENT(uid, more)                                                                                     \
    "BEGIN:VEVENT\r\nUID:" uid "\r\nDTSTART:20261121T000000Z\r\nDTEND:20261121T010000Z\r\n" more             \
    "END:VEVENT\r\n"
#define CALENDAR(events) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" events "END:VCALENDAR\r\n"

enum { INHERITED_FD = 200, SHORT_US = 300000, LONG_US = 30000000 };

static const int64_t to_us = INT64_C(1830297600) * 1000000; /* 2028-01-01 */
static const char calendar[] =
    CALENDAR(EVENT("a@kaku.example",
                   "SUMMARY:朝会\r\nDESCRIPTION:一行目\\n二行目\r\nLOCATION:本庁\r\n"
                   "ATTENDEE;CUTYPE=ROOM:mailto:kaku-1@x\r\nATTENDEE;CUTYPE=ROOM:mailto:kaku-2@x\r\n")
                 EVENT("b@kaku.example", "RRULE:FREQ=DAILY;COUNT=3\r\nSEQUENCE:7\r\nSTATUS:TENTATIVE\r\n")
                     EVENT("c@kaku.example", "DURATION:-PT1H\r\n"));
static char folder[64], script[96], witness[96];

static int begin(void **state)
{
    (void)state;
    if (!folder_make(folder, "agenda"))
        return -1;
    snprintf(script, sizeof script, "%s/reader", folder);
    snprintf(witness, sizeof witness, "%s/witness", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

/* --- comparing */

static void assert_same(const struct kg_agenda *x, const struct kg_agenda *y)
{
    assert_int_equal(x->meeting_count, y->meeting_count);
    assert_int_equal(x->report_count, y->report_count);
    assert_int_equal(x->truncated, y->truncated);
    for (size_t i = 0; i < x->report_count; i++) {
        assert_int_equal(x->reports[i].severity, y->reports[i].severity);
        assert_int_equal(x->reports[i].line, y->reports[i].line);
        assert_string_equal(x->reports[i].uid, y->reports[i].uid);
        assert_string_equal(x->reports[i].reason, y->reports[i].reason);
    }
    for (size_t i = 0; i < x->meeting_count; i++) {
        const struct kg_meeting *m = &x->meetings[i], *n = &y->meetings[i];
        assert_string_equal(m->uid, n->uid);
        assert_string_equal(m->title, n->title);
        assert_string_equal(m->description, n->description);
        assert_string_equal(m->organizer, n->organizer);
        assert_string_equal(m->location, n->location);
        assert_int_equal(m->start_us, n->start_us);
        assert_int_equal(m->end_us, n->end_us);
        assert_int_equal(m->sequence, n->sequence);
        assert_int_equal(m->status, n->status);
        assert_int_equal(m->room_count, n->room_count);
        for (uint16_t room = 0; room < m->room_count; room++)
            assert_string_equal(m->rooms[room], n->rooms[room]);
        assert_int_equal(n->site_count + n->site_total, 0);
    }
}

static struct kg_agenda *parse(const char *text)
{
    struct kg_agenda *agenda = kg_agenda_parse(text, strlen(text), 0, to_us);
    assert_non_null(agenda);
    return agenda;
}

/* --- the answer's bytes */

static struct kg_agenda *decode(const uint8_t *bytes, size_t size, const char **wrong)
{
    /* Exactly as large: a sanitizer sees a step beyond it. */
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    *wrong = NULL;
    struct kg_agenda *agenda = kg_agenda_answer_decode(exact, size, 0, to_us, wrong);
    free(exact);
    assert_true((agenda != NULL) == (*wrong == NULL));
    return agenda;
}

static void what_is_encoded_decodes_the_same(void **state)
{
    (void)state;
    struct kg_agenda *agenda = parse(calendar);
    size_t size = kg_agenda_answer_bytes(agenda);
    uint8_t *bytes = malloc(size + 1);
    const char *wrong;
    assert_non_null(bytes);
    kg_agenda_answer_encode(agenda, bytes);
    bytes[size] = 0;
    assert_int_equal(agenda->meeting_count, 4);
    assert_true(agenda->report_count > 0);
    struct kg_agenda *again = decode(bytes, size, &wrong);
    assert_non_null(again);
    assert_same(agenda, again);
    kg_agenda_destroy(again);
    for (size_t i = 0; i < size; i++)
        assert_null(decode(bytes, i, &wrong));
    assert_null(decode(bytes, size + 1, &wrong));
    assert_string_equal(wrong, "it goes on behind its end");
    free(bytes);
    kg_agenda_destroy(agenda);
}

static void refuse(const struct kg_agenda *agenda, const char *words)
{
    size_t size = kg_agenda_answer_bytes(agenda);
    uint8_t *bytes = malloc(size);
    const char *wrong;
    assert_non_null(bytes);
    kg_agenda_answer_encode(agenda, bytes);
    assert_null(decode(bytes, size, &wrong));
    assert_string_equal(wrong, words);
    free(bytes);
}

/* Each value out of its bounds, in an answer that is right but for it. */
#define REFUSED(member, value, words)                                                                        \
    do {                                                                                                     \
        __typeof__(member) kept = (member);                                                                  \
        (member) = (value);                                                                                  \
        refuse(agenda, words);                                                                               \
        (member) = kept;                                                                                     \
    } while (0)

static void values_out_of_bounds_are_refused(void **state)
{
    (void)state;
    char empty[] = "", control[] = "a\x1b[2J", turned[] = "\u202ea\nb", half[] = "\xe6\x9c", lines[] = "a\nb",
         room[] = "Kaku_1",
         long_room[] = "kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1kaku-1",
         *much = malloc(2000), first[] = "a@kaku.example";
    assert_non_null(much);
    memset(much, 'a', 1999);
    much[1999] = '\0';
    struct kg_agenda *agenda = parse(calendar);
    struct kg_meeting *m = &agenda->meetings[0];
    assert_string_equal(m->uid, first);
    assert_int_equal(m->room_count, 2);
    REFUSED(m->uid, empty, "a text is too short or too long");
    REFUSED(m->uid, much, "a text is too short or too long");
    REFUSED(m->uid, control, "a text holds a control character");
    REFUSED(m->title, much, "a text is too short or too long");
    REFUSED(m->title, half, "a text is no UTF-8");
    REFUSED(m->title, lines, "a text holds a control character");
    REFUSED(m->description, control, "a text holds a control character");
    REFUSED(m->title, turned, "a text holds a control character");
    REFUSED(m->description, turned, "a text holds a control character");
    REFUSED(m->organizer, control, "a text holds a control character");
    REFUSED(m->location, half, "a text is no UTF-8");
    REFUSED(m->start_us, m->end_us, "a meeting's times are none");
    REFUSED(m->start_us, -1, "a meeting's times are none");
    REFUSED(m->end_us, INT64_MAX, "a meeting's times are none");
    REFUSED(m->end_us, INT64_MIN, "a meeting's times are none");
    REFUSED(m->sequence, UINT32_C(1) << 31, "a meeting's sequence is out of range");
    REFUSED(m->status, (enum kg_meeting_status)3, "a meeting has no status there is");
    REFUSED(m->rooms[0], room, "a room's id is none");
    REFUSED(m->rooms[0], long_room, "a text is too short or too long");
    REFUSED(m->rooms[1], m->rooms[0], "a room stands twice in a meeting");
    REFUSED(agenda->meetings[1].uid, first, "meetings are out of order");
    REFUSED(agenda->meetings[1].start_us, m->start_us - 1, "meetings are out of order");
    struct kg_meeting *last = &agenda->meetings[3];
    int64_t start_us = last->start_us;
    last->start_us = to_us;
    REFUSED(last->end_us, to_us + 1, "a meeting is not in the window");
    last->start_us = start_us;
    struct kg_agenda_report *report = &agenda->reports[0];
    REFUSED(report->severity, (enum kg_agenda_severity)2, "a remark has no severity there is");
    REFUSED(report->line, UINT32_MAX, "remarks are out of order");
    REFUSED(report->reason[0], '\n', "a text holds a control character");
    REFUSED(report->reason[0], '\0', "a text is too short or too long");
    REFUSED(report->uid[0], '\xff', "a text is no UTF-8");
    kg_agenda_destroy(agenda);
    free(much);
}

static void counts_are_bounded_before_anything_is_kept(void **state)
{
    (void)state;
    static const uint8_t reports[] = "KGA1\0\xff\xff\xff\xff\0\0\0\0",
                         meetings[] = "KGA1\0\0\0\0\0\0\0\x27\x11", cut[] = "KGA1\2\0\0\0\0\0\0\0\0",
                         other[] = "KGA2\0\0\0\0\0\0\0\0\0", bare[] = "KGA1\0\0\0\0\0\0\0\0\0";
    const char *wrong;
    assert_null(decode(reports, 13, &wrong));
    assert_string_equal(wrong, "it has too many remarks or meetings");
    assert_null(decode(meetings, 13, &wrong));
    assert_string_equal(wrong, "it has too many remarks or meetings");
    assert_null(decode(cut, 13, &wrong));
    assert_string_equal(wrong, "it is neither whole nor cut");
    assert_null(decode(other, 13, &wrong));
    assert_string_equal(wrong, "it does not begin as one");
    struct kg_agenda *agenda = decode(bare, 13, &wrong);
    assert_non_null(agenda);
    kg_agenda_destroy(agenda);
}

/* --- the reader */

static unsigned open_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Reads with this program, and looks that nothing is left of it. */
static struct kg_agenda_reading *read_with(const char *program, const char *text, size_t size,
                                           int64_t wait_us)
{
    const struct kg_agenda_read_params params = {.program = program, .deadline_us = wait_us, .to_us = to_us};
    unsigned before = open_fds();
    struct kg_agenda_reading *reading = kg_agenda_read(text, size, &params);
    assert_non_null(reading);
    assert_int_equal(open_fds(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* ECHILD */
    return reading;
}

static void the_reader_gives_what_the_parser_gives(void **state)
{
    (void)state;
    static const char *const texts[] = {calendar,
                                        "",
                                        "no calendar",
                                        CALENDAR(""),
                                        CALENDAR(EVENT("r@x", "RRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\n")),
                                        CALENDAR(EVENT("r@x", "RRULE:RSCALE=CHINESE;FREQ=YEARLY\r\n"))};
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++) {
        struct kg_agenda *agenda = parse(texts[i]);
        struct kg_agenda_reading *reading = read_with(READER, texts[i], strlen(texts[i]), LONG_US);
        if (!reading->agenda)
            fail_msg("%s", reading->problem.text);
        assert_same(agenda, reading->agenda);
        kg_agenda_reading_destroy(reading);
        kg_agenda_destroy(agenda);
    }
}

/* More than the socket holds, both ways. */
static void a_large_calendar_comes_through(void **state)
{
    (void)state;
    static char text[2 << 20];
    char *at = text, title[900];
    memset(title, 'x', sizeof title);
    at += sprintf(at, "BEGIN:VCALENDAR\r\n");
    for (unsigned i = 0; text + sizeof text - at > 2000; i++)
        at +=
            sprintf(at,
                    "BEGIN:VEVENT\r\nUID:%u\r\nDTSTART:20261121T000000Z\r\nDURATION:PT1H\r\nSUMMARY:%.*s\r\n"
                    "END:VEVENT\r\n",
                    i, (int)sizeof title, title);
    strcpy(at, "END:VCALENDAR\r\n");
    struct kg_agenda *agenda = parse(text);
    struct kg_agenda_reading *reading = read_with(READER, text, strlen(text), LONG_US);
    assert_non_null(reading->agenda);
    assert_true(agenda->meeting_count > 1000);
    assert_same(agenda, reading->agenda);
    kg_agenda_reading_destroy(reading);
    kg_agenda_destroy(agenda);
}

static void the_reader_shuts_itself_in(void **state)
{
    (void)state;
    int to_it[2];
    char path[64], line[256];
    bool done = false, limited = false;
    assert_int_equal(pipe2(to_it, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(to_it[0], STDIN_FILENO);
        execl(READER, READER, (char *)NULL);
        _exit(99);
    }
    assert_true(pid > 0);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    for (int64_t until = kg_clock_now_us() + LONG_US; !done && kg_clock_now_us() < until;) {
        bool filtered = false, no_more = false;
        FILE *in = fopen(path, "re");
        while (in && fgets(line, sizeof line, in)) {
            filtered |= strcmp(line, "Seccomp:\t2\n") == 0;
            no_more |= strcmp(line, "NoNewPrivs:\t1\n") == 0;
        }
        if (in)
            fclose(in);
        done = filtered && no_more;
    }
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    while (fgets(line, sizeof line, in))
        limited |= strncmp(line, "Max open files            0  ", 29) == 0;
    fclose(in);
    close(to_it[0]);
    close(to_it[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(done);
    assert_true(limited);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), KG_AGENDA_READER_NO_QUESTION);
}

/* --- readers that are none */

static void write_script(const char *lines)
{
    FILE *out = fopen(script, "we");
    assert_non_null(out);
    fprintf(out, "%s%s\n", strncmp(lines, "#!", 2) == 0 ? "" : "#!/bin/sh\n", lines);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(script, 0700), 0);
}

static void expect_refusal(const char *lines, const char *words, int64_t wait_us)
{
    static char text[4 << 20]; /* more than the socket holds */
    memset(text, 'x', sizeof text);
    write_script(lines);
    struct kg_agenda_reading *reading = read_with(script, text, sizeof text, wait_us);
    assert_null(reading->agenda);
    if (!strstr(reading->problem.text, words))
        fail_msg("\"%s\" does not say \"%s\"", reading->problem.text, words);
    kg_agenda_reading_destroy(reading);
}

static void readers_that_fail(void **state)
{
    (void)state;
    static const char bare[] = "printf 'KGA1\\0\\0\\0\\0\\0\\0\\0\\0\\0'";
    char lines[200];
    expect_refusal("cat >/dev/null; echo hello", "no answer the relay may take (it ends too early)", LONG_US);
    expect_refusal("cat >/dev/null; echo this is no answer at all", "(it does not begin as one)", LONG_US);
    expect_refusal("cat >/dev/null", "no answer the relay may take (it ends too early)", LONG_US);
    expect_refusal("echo early; exit 0", "no answer the relay may take", LONG_US);
    expect_refusal("exec cat /dev/zero", "(it is longer than any)", LONG_US);
    expect_refusal("kill -SEGV $$", "ended by signal 11", LONG_US);
    expect_refusal("kill -XCPU $$", "takes too long", LONG_US);
    expect_refusal("exit 3", "CONFIG_SECCOMP_FILTER", LONG_US);
    expect_refusal("exit 5", "it had no memory", LONG_US);
    expect_refusal("exit 6", "more than 32 MiB", LONG_US);
    expect_refusal("exit 127", "a library it needs is missing", LONG_US);
    snprintf(lines, sizeof lines, "cat >/dev/null; %s; exit 9", bare);
    expect_refusal(lines, "ended with 9: start it by hand", LONG_US); /* though the answer was one */
    /* These end by the deadline, or by being killed once they have closed their side. */
    expect_refusal("exec sleep 100", "takes too long", SHORT_US);
    snprintf(lines, sizeof lines, "cat >/dev/null; %s; exec sleep 100", bare);
    expect_refusal(lines, "takes too long", SHORT_US);
    snprintf(lines, sizeof lines, "cat >/dev/null; %s; exec sleep 100 <&- >&-", bare);
    expect_refusal(lines, "ended by signal 9", LONG_US);
    expect_refusal("trap '' TERM INT HUP; cat >/dev/null; while :; do :; done", "takes too long", SHORT_US);
    /* And one that is right. */
    snprintf(lines, sizeof lines, "cat >/dev/null; %s", bare);
    write_script(lines);
    struct kg_agenda_reading *reading = read_with(script, "x", 1, LONG_US);
    assert_non_null(reading->agenda);
    kg_agenda_reading_destroy(reading);
}

static void readers_that_cannot_be_started(void **state)
{
    (void)state;
    char missing[96], found[200];
    struct kg_problem problem;
    snprintf(missing, sizeof missing, "%s/none", folder);
    struct kg_agenda_reading *reading = read_with(missing, "x", 1, LONG_US);
    assert_null(reading->agenda);
    assert_non_null(strstr(reading->problem.text, "cannot start"));
    kg_agenda_reading_destroy(reading);
    reading = read_with(folder, "x", 1, LONG_US);
    assert_null(reading->agenda);
    assert_non_null(strstr(reading->problem.text, "Permission denied"));
    kg_agenda_reading_destroy(reading);
    /* No reader lies beside this test, nor where a package would have it. */
    assert_false(kg_agenda_reader_find(found, sizeof found, &problem));
    assert_non_null(strstr(problem.text, "/libexec/kaigi; install the package kaigi-relay again"));
    reading = read_with(NULL, "x", 1, LONG_US);
    assert_null(reading->agenda);
    assert_string_equal(reading->problem.text, problem.text);
    kg_agenda_reading_destroy(reading);
}

static void nothing_of_the_relay_is_inherited(void **state)
{
    (void)state;
    char lines[300], seen[4096] = "";
    int extra = open("/dev/null", O_RDONLY);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    assert_true(extra >= 0 && dup2(extra, INHERITED_FD) == INHERITED_FD); /* without FD_CLOEXEC */
    assert_int_equal(setenv("KAIGI_TEST_SECRET", "x", 1), 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    /* dash would clear the mask; bash hands it on to grep. */
    snprintf(lines, sizeof lines,
             "#!/bin/bash\n{ env; ls -l /proc/$$/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; } >%s\n"
             "cat >/dev/null",
             witness);
    write_script(lines);
    kg_agenda_reading_destroy(read_with(script, "x", 1, LONG_US));
    close(extra);
    close(INHERITED_FD);
    FILE *in = fopen(witness, "re");
    assert_non_null(in);
    size_t size = fread(seen, 1, sizeof seen - 1, in);
    fclose(in);
    seen[size] = '\0';
    assert_non_null(strstr(seen, " 0 -> socket:"));
    assert_non_null(strstr(seen, "SigBlk:\t0000000000000000"));
    const char *ignored = strstr(seen, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + 8, NULL, 16) >> (SIGPIPE - 1) & 1, 0);
    assert_null(strstr(seen, " 200 -> "));
    assert_null(strstr(seen, "KAIGI_TEST_SECRET"));
}

static void a_calendar_that_is_too_long_starts_nothing(void **state)
{
    (void)state;
    struct kg_agenda_reading *reading = read_with("/nonexistent", "", KG_AGENDA_MAX_BYTES + 1u, LONG_US);
    assert_null(reading->agenda);
    assert_non_null(strstr(reading->problem.text, "longer than 8 MiB"));
    kg_agenda_reading_destroy(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_decodes_the_same),
        cmocka_unit_test(values_out_of_bounds_are_refused),
        cmocka_unit_test(counts_are_bounded_before_anything_is_kept),
        cmocka_unit_test(the_reader_gives_what_the_parser_gives),
        cmocka_unit_test(a_large_calendar_comes_through),
        cmocka_unit_test(the_reader_shuts_itself_in),
        cmocka_unit_test(readers_that_fail),
        cmocka_unit_test(readers_that_cannot_be_started),
        cmocka_unit_test(nothing_of_the_relay_is_inherited),
        cmocka_unit_test(a_calendar_that_is_too_long_starts_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
