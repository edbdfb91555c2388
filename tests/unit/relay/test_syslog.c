/* Forwarding to syslog, read by a collector that takes RFC 5424 by the letter. */
#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/syslog.h"

enum { MAX_PARAMETERS = 16, WAIT_MS = 10000 };

struct parsed {
    int priority;
    char time[40], hostname[256], app[49], procid[129], msgid[33], id[33];
    struct {
        char name[33], *value;
    } parameters[MAX_PARAMETERS];
    int count;
    const char *message;
};

static void parsed_finish(struct parsed *p)
{
    for (int i = 0; i < p->count; i++)
        free(p->parameters[i].value);
}

static bool take_word(const char **at, char *out, size_t max)
{
    size_t size = strcspn(*at, " ");
    if (size == 0 || size > max || (*at)[size] != ' ')
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((*at)[i] < 33 || (*at)[i] > 126)
            return false;
    }
    memcpy(out, *at, size);
    out[size] = '\0';
    *at += size + 1;
    return true;
}

static bool time_is_right(const char *t)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    if (strcmp(t, "-") == 0)
        return true;
    for (size_t i = 0; i < sizeof shape; i++) {
        if (shape[i] == 'd' ? !isdigit((unsigned char)t[i]) : t[i] != shape[i])
            return false;
    }
    return true;
}

/* §6.3.3: inside the quotes only \", \\ and \] are escapes, and the three never stand bare. */
static bool take_value(const char **at, char **value)
{
    GString *text = g_string_new(NULL);
    const char *c = *at;
    for (; *c && *c != '"'; c++) {
        if (*c == ']' || (*c == '\\' && !strchr("\"\\]", c[1])) || (*c == '\\' && !c[1]))
            break;
        c += *c == '\\';
        g_string_append_c(text, *c);
    }
    bool ok = *c == '"' && g_utf8_validate(text->str, -1, NULL);
    for (const char *p = text->str; ok && *p; p = g_utf8_next_char(p)) {
        gunichar u = g_utf8_get_char(p);
        ok = !g_unichar_iscntrl(u) && g_unichar_type(u) != G_UNICODE_FORMAT &&
             g_unichar_type(u) != G_UNICODE_LINE_SEPARATOR &&
             g_unichar_type(u) != G_UNICODE_PARAGRAPH_SEPARATOR;
    }
    *at = c + 1;
    *value = strdup(text->str);
    g_string_free(text, TRUE);
    return ok;
}

static bool take_name(const char **at, char out[33], const char *ends)
{
    size_t size = strcspn(*at, "= ]\"");
    if (size == 0 || size > 32 || !strchr(ends, (*at)[size]))
        return false;
    memcpy(out, *at, size);
    out[size] = '\0';
    *at += size;
    return true;
}

static bool parse(const char *text, struct parsed *p)
{
    *p = (struct parsed){0};
    char *end;
    const char *at = text + 1;
    if (*text != '<' || !isdigit((unsigned char)*at))
        return false;
    p->priority = (int)strtol(at, &end, 10);
    if (*end != '>' || end - at > 3 || p->priority > 191 || (*at == '0' && end - at > 1))
        return false;
    at = end + 1;
    if (strncmp(at, "1 ", 2) != 0)
        return false;
    at += 2;
    if (!take_word(&at, p->time, 39) || !time_is_right(p->time) || !take_word(&at, p->hostname, 255) ||
        !take_word(&at, p->app, 48) || !take_word(&at, p->procid, 128) || !take_word(&at, p->msgid, 32) ||
        *at++ != '[' || !take_name(&at, p->id, " ]"))
        return false;
    while (*at == ' ') {
        at++;
        if (p->count == MAX_PARAMETERS || !take_name(&at, p->parameters[p->count].name, "=") ||
            strncmp(at, "=\"", 2) != 0)
            return false;
        at += 2;
        if (!take_value(&at, &p->parameters[p->count++].value))
            return false;
    }
    /* One element, then the message with its mark. */
    if (strncmp(at, "] \xef\xbb\xbf", 5) != 0 || !g_utf8_validate(at + 5, -1, NULL))
        return false;
    p->message = at + 5;
    return !strpbrk(p->message, "\n\r");
}

static const char *value_of(const struct parsed *p, const char *name)
{
    for (int i = 0; i < p->count; i++) {
        if (strcmp(p->parameters[i].name, name) == 0)
            return p->parameters[i].value;
    }
    return NULL;
}

static struct kg_audit_row row_of(int64_t seq, const char *detail)
{
    return (struct kg_audit_row){.seq = seq,
                                 .entry = {.event_id = "room.revoked",
                                           .actor = "架空市の担当",
                                           .role = "administrator",
                                           .source = "192.0.2.7",
                                           .organization = "kaku",
                                           .object = "room-a",
                                           .detail = detail,
                                           .wall_us = 1795300000123456},
                                 .hash = {0xab}};
}

static void test_format(void **state)
{
    (void)state;
    char out[KG_SYSLOG_MESSAGE_BYTES];
    struct parsed p;
    struct kg_audit_row row = row_of(42, "serial 01");
    size_t size = kg_syslog_format(&row, "relay.example", 7, out, sizeof out);
    assert_int_equal(size, strlen(out));
    if (!parse(out, &p))
        fail_msg("not RFC 5424: %s", out);
    assert_int_equal(p.priority, 13 * 8 + 5);
    assert_string_equal(p.time, "2026-11-21T22:26:40.123456Z");
    assert_string_equal(p.hostname, "relay.example");
    assert_string_equal(p.app, "kaigi-relay");
    assert_string_equal(p.procid, "7");
    assert_string_equal(p.msgid, "room.revoked");
    assert_string_equal(value_of(&p, "seq"), "42");
    assert_string_equal(value_of(&p, "actor"), "架空市の担当");
    assert_string_equal(value_of(&p, "organization"), "kaku");
    assert_string_equal(value_of(&p, "object"), "room-a");
    assert_string_equal(value_of(&p, "result"), "ok");
    assert_string_equal(value_of(&p, "detail"), "serial 01");
    assert_int_equal(strncmp(value_of(&p, "hash"), "ab00", 4), 0);
    assert_string_equal(p.message, "room.revoked ok");
    parsed_finish(&p);
    row.entry.result = KG_AUDIT_REFUSED;
    kg_syslog_format(&row, "", 7, out, sizeof out);
    assert_true(parse(out, &p));
    assert_int_equal(p.priority, 13 * 8 + 4);
    assert_string_equal(p.hostname, "-");
    parsed_finish(&p);
}

static void test_hostile_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"quoted\" \\back\\ [brackets] ]",
        "\\",
        "]",
        "\"",
        "two\nlines\r\n<13>1 - forged - - - - no",
        "\xe2\x80\xae\xe2\x81\xa6turned\xe2\x80\x8f",
        "\u2028one\u2029two\u061cthree\u200bfour\ufefffive\U000e0041",
        "\x1b[31mred\x7f\xc2\x9b",
        "not UTF-8 \xff\xfe \xc0\xaf \xed\xa0\x80 \xe3\x81",
        "\xf0\x9f\x8f\x9b\xf0\x80\x80\x80 \xf4\x90\x80\x80",
        "",
    };
    static char out[KG_SYSLOG_MESSAGE_BYTES], huge[9000];
    struct parsed p;
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++) {
        struct kg_audit_row row = row_of(INT64_MAX, texts[i]);
        row.entry.actor = row.entry.object = row.entry.source = row.entry.organization = texts[i];
        row.entry.event_id = texts[i];
        row.entry.wall_us = i % 2 ? INT64_MAX : INT64_MIN;
        kg_syslog_format(&row, texts[i], 1, out, sizeof out);
        if (!parse(out, &p))
            fail_msg("not RFC 5424: %s", out);
        if (i == 0)
            assert_string_equal(value_of(&p, "detail"), texts[0]);
        parsed_finish(&p);
    }
    /* At every size: cut between characters and escapes, and whole all the same. */
    for (size_t i = 0; i + 7 < sizeof huge; i += 7)
        memcpy(huge + i, "]\"\\\xe5\xb8\x82.", 7);
    for (size_t size = 1024; size < 4000; size += 7) {
        struct kg_audit_row row = row_of(1, huge);
        row.entry.actor = row.entry.object = row.entry.source = row.entry.organization = huge;
        row.entry.event_id = huge;
        size_t length = kg_syslog_format(&row, huge, 1, out, size);
        assert_true(length < size);
        if (!parse(out, &p))
            fail_msg("not RFC 5424 at %zu: %s", size, out);
        assert_non_null(value_of(&p, "detail"));
        parsed_finish(&p);
    }
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const good[] = {"udp:192.0.2.1:514", "tcp:[2001:db8::1]:601", "unix:/dev/log", "",
                                       NULL};
    static const char *const bad[] = {"udp:host.example:514",
                                      "tcp:192.0.2.1",
                                      "tcp:192.0.2.1:0",
                                      "tcp:192.0.2.1:70000",
                                      "tls:192.0.2.1:6514",
                                      "tcp:2001:db8::1:601",
                                      "unix:dev/log",
                                      "udp:192.0.2.1:51x",
                                      "udp:",
                                      "tcp:[]:1",
                                      "tcp:[::1:1",
                                      "udp:192.0.2.1:-1",
                                      "udp:192.0.2.1: 1"};
    struct kg_syslog_target t;
    for (size_t i = 0; i < KG_ARRAY_LEN(good); i++)
        assert_true(kg_syslog_target_parse(good[i], &t) && !kg_syslog_target_expected(good[i]));
    assert_int_equal(t.transport, KG_SYSLOG_NONE);
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++) {
        if (kg_syslog_target_parse(bad[i], &t) || !kg_syslog_target_expected(bad[i]))
            fail_msg("taken: %s", bad[i]);
    }
    assert_true(kg_syslog_target_parse("tcp:[2001:db8::1]:601", &t));
    assert_string_equal(t.address, "2001:db8::1");
    assert_int_equal(t.port, 601);
}

/* A collector's socket on loopback. port 0: any; said in *port. */
static int listen_on(int type, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    address.sin_port = htons(*port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

static int accept_one(int fd)
{
    wait_readable(fd);
    return accept(fd, NULL, NULL);
}

static void read_exactly(int fd, char *out, size_t size)
{
    while (size > 0) {
        wait_readable(fd);
        ssize_t n = recv(fd, out, size, 0);
        assert_true(n > 0);
        out += n;
        size -= (size_t)n;
    }
}

/* RFC 6587 §3.4.1: the count, a space, so many bytes. */
static void read_frame(int fd, struct parsed *p, char *out)
{
    size_t size = 0;
    char c;
    for (int i = 0; i < 6; i++) {
        read_exactly(fd, &c, 1);
        if (c == ' ' && i > 0)
            break;
        assert_true(isdigit((unsigned char)c) && !(i == 0 && c == '0'));
        size = 10 * size + (size_t)(c - '0');
    }
    assert_true(size < KG_SYSLOG_MESSAGE_BYTES);
    read_exactly(fd, out, size);
    out[size] = '\0';
    if (!parse(out, p))
        fail_msg("not RFC 5424: %s", out);
}

static struct kg_syslog *forward_to(const char *kind, uint16_t port)
{
    char text[64];
    struct kg_syslog_target target;
    snprintf(text, sizeof text, "%s:127.0.0.1:%u", kind, port);
    assert_true(kg_syslog_target_parse(text, &target));
    struct kg_syslog *s = kg_syslog_create(&target, "relay.example");
    assert_non_null(s);
    return s;
}

static void test_udp(void **state)
{
    (void)state;
    uint16_t port = 0;
    char out[KG_SYSLOG_MESSAGE_BYTES], large[1001];
    struct parsed p;
    int fd = listen_on(SOCK_DGRAM, &port);
    struct kg_syslog *s = forward_to("udp", port);
    memset(large, ']', 1000);
    large[1000] = '\0';
    for (int i = 1; i <= 3; i++) {
        struct kg_audit_row row = row_of(i, large);
        kg_syslog_post(s, &row);
        wait_readable(fd);
        ssize_t n = recv(fd, out, sizeof out - 1, 0);
        assert_true(n > 0 && n < KG_SYSLOG_UDP_BYTES);
        out[n] = '\0';
        assert_true(parse(out, &p));
        assert_int_equal(atoi(value_of(&p, "seq")), i);
        parsed_finish(&p);
    }
    assert_int_equal(kg_syslog_lost(s), 0);
    kg_syslog_destroy(s);
    close(fd);
}

static void test_unix(void **state)
{
    (void)state;
    char out[KG_SYSLOG_MESSAGE_BYTES], text[160];
    struct parsed p;
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    struct kg_syslog_target target;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/kaigi-syslog-%d", (int)getpid());
    snprintf(text, sizeof text, "unix:%s", address.sun_path);
    assert_true(kg_syslog_target_parse(text, &target));
    for (size_t i = 0; i < KG_ARRAY_LEN(types); i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        if (types[i] == SOCK_STREAM)
            assert_int_equal(listen(fd, 1), 0);
        struct kg_syslog *s = kg_syslog_create(&target, "relay");
        struct kg_audit_row row = row_of(5, "x");
        kg_syslog_post(s, &row);
        int from = types[i] == SOCK_STREAM ? accept_one(fd) : fd;
        wait_readable(from);
        ssize_t n = recv(from, out, sizeof out - 1, 0);
        assert_true(n > 0);
        out[n] = '\0';
        assert_true(parse(out, &p));
        parsed_finish(&p);
        kg_syslog_destroy(s);
        if (from != fd)
            close(from);
        close(fd);
        unlink(address.sun_path);
    }
}

/* The collector closes, and one that comes back gets everything that was not lost, in order. */
static void test_tcp_comes_back(void **state)
{
    (void)state;
    uint16_t port = 0;
    static char out[KG_SYSLOG_MESSAGE_BYTES];
    struct parsed p;
    int fd = listen_on(SOCK_STREAM, &port);
    struct kg_syslog *s = forward_to("tcp", port);
    struct kg_audit_row row = row_of(1, "two\nlines");
    kg_syslog_post(s, &row);
    int client = accept_one(fd);
    read_frame(client, &p, out);
    assert_string_equal(value_of(&p, "detail"), "two lines");
    parsed_finish(&p);
    close(client);
    close(fd);
    /* Away: more rows than wait. */
    enum { POSTED = KG_SYSLOG_QUEUE + 50 };
    for (int i = 2; i < 2 + POSTED; i++) {
        row.seq = i;
        kg_syslog_post(s, &row);
    }
    uint64_t lost = kg_syslog_lost(s);
    /* One may be on its way. */
    assert_true(lost == 49 || lost == 50);
    fd = listen_on(SOCK_STREAM, &port);
    client = accept_one(fd);
    int64_t last = 1;
    bool said = false;
    for (uint64_t i = 0; i < POSTED - lost + 1; i++) {
        read_frame(client, &p, out);
        if (strcmp(p.msgid, "syslog.lost") == 0) {
            said = true;
            assert_int_equal(atoi(value_of(&p, "detail")), lost);
        } else {
            assert_int_equal(atoll(value_of(&p, "seq")), last + 1);
            last++;
        }
        parsed_finish(&p);
    }
    assert_true(said);
    assert_int_equal(last, 1 + POSTED - (int64_t)lost);
    assert_int_equal(kg_syslog_lost(s), lost);
    kg_syslog_destroy(s);
    close(client);
    close(fd);
}

/* A collector that takes the connection and reads nothing: posting goes on, ending is bounded. */
static void test_deaf_collector_blocks_nobody(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = listen_on(SOCK_STREAM, &port);
    char large[1001];
    memset(large, 'x', 1000);
    large[1000] = '\0';
    struct kg_syslog *s = forward_to("tcp", port);
    struct kg_audit_row row = row_of(1, large);
    for (int i = 0; i < 30000 && kg_syslog_lost(s) == 0; i++)
        kg_syslog_post(s, &row);
    assert_true(kg_syslog_lost(s) > 0);
    int64_t began_us = kg_clock_now_us();
    kg_syslog_destroy(s);
    assert_true(kg_clock_now_us() - began_us < 4000000);
    close(fd);
}

int main(void)
{
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_tcp_comes_back),
        cmocka_unit_test(test_deaf_collector_blocks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
