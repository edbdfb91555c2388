/* kaigi-signer's work, line by line, and the relay's way to it. */
#include "unit/cmocka_all.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/thread.h"
#include "relay/ca.h"
#include "relay/signer_protocol.h"
#include "relay/signer_work.h"
#include "relay/signing.h"
#include "unit/folder.h"

static const int64_t now_s = 1795222800; /* 2026-11-21 */
static const struct ucred somebody = {.pid = 1, .uid = 77, .gid = 77};
static char folder[64], signer_folder[96], log_path[128], socket_path[96];
static struct kg_signer *signer;
static char *csr;

static int make_authority(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.0.2.1"};
    static char root[96], relay[96];
    struct kg_problem problem;
    EVP_PKEY *key;
    if (!folder_make(folder, "signer"))
        return -1;
    snprintf(root, sizeof root, "%s/root", folder);
    snprintf(relay, sizeof relay, "%s/state", folder);
    snprintf(signer_folder, sizeof signer_folder, "%s/signer", folder);
    snprintf(log_path, sizeof log_path, "%s/" KG_SIGNER_LOG, signer_folder);
    snprintf(socket_path, sizeof socket_path, "%s/signer.sock", folder);
    const struct kg_ca_making making = {.root = root,
                                        .state = relay,
                                        .signer = signer_folder,
                                        .name = "CA",
                                        .passphrase = "of this test only",
                                        .addresses = addresses,
                                        .address_count = 1,
                                        .now_s = now_s};
    if (!kg_ca_init(&making, &problem) || !kg_ca_relay_request(&key, &csr, &problem))
        return -1;
    EVP_PKEY_free(key);
    return 0;
}

static int remove_authority(void **state)
{
    (void)state;
    kg_signer_destroy(signer);
    signer = NULL;
    free(csr);
    csr = NULL;
    return folder_remove(folder) ? 0 : -1;
}

static void open_signer(int64_t per_minute, int64_t build_s)
{
    struct kg_problem problem;
    const struct kg_signer_params params = {
        .folder = signer_folder, .per_minute = per_minute, .build_s = build_s};
    kg_signer_destroy(signer);
    signer = kg_signer_create(&params, &problem);
    if (!signer)
        fail_msg("%s", problem.text);
}

/* The signer's answer to an object (taken). */
static json_t *ask_at(json_t *question, int64_t now_us, int64_t wall_s)
{
    char *line = json_dumps(question, JSON_COMPACT);
    char *answer = kg_signer_answer(signer, line, strlen(line), &somebody, now_us, wall_s);
    assert_non_null(answer);
    assert_int_equal(answer[strlen(answer) - 1], '\n');
    json_t *object = json_loads(answer, 0, NULL);
    assert_true(json_is_object(object));
    json_decref(question);
    free(line);
    free(answer);
    return object;
}

static json_t *ask(json_t *question)
{
    return ask_at(question, 1, now_s);
}

static void refused(json_t *answer, const char *says)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    assert_true(json_is_false(json_object_get(answer, "ok")));
    if (!error || !strstr(error, says))
        fail_msg("\"%s\" does not say \"%s\"", error, says);
    assert_null(json_object_get(answer, "certificate"));
    json_decref(answer);
}

static json_t *for_room(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "kind", "room", "id", id, "csr", csr);
}

static size_t log_lines(char *text, size_t size)
{
    FILE *in = fopen(log_path, "r");
    assert_non_null(in);
    size_t got = fread(text, 1, size - 1, in), lines = 0;
    fclose(in);
    text[got] = '\0';
    for (size_t i = 0; i < got; i++)
        lines += text[i] == '\n';
    return lines;
}

static void test_every_kind_is_signed_and_written_down(void **state)
{
    (void)state;
    static const char *const kinds[] = {"room", "administrator", "server"};
    char text[4096];
    open_signer(600, 0);
    for (size_t i = 0; i < KG_ARRAY_LEN(kinds); i++) {
        json_t *question = i == 2
                               ? json_pack("{s:s, s:[s, s], s:s}", "kind", kinds[i], "addresses",
                                           "relay.example", "192.0.2.9", "csr", csr)
                               : json_pack("{s:s, s:s, s:s}", "kind", kinds[i], "id", "kaku-1", "csr", csr);
        json_t *answer = ask(question);
        assert_true(json_is_true(json_object_get(answer, "ok")));
        const char *serial = json_string_value(json_object_get(answer, "serial"));
        struct kg_ca_certificate read;
        assert_true(
            kg_ca_certificate_read(json_string_value(json_object_get(answer, "certificate")), &read, NULL));
        assert_string_equal(read.serial, serial);
        assert_int_equal(read.not_after_s, json_integer_value(json_object_get(answer, "not_after")));
        kg_ca_certificate_finish(&read);
        assert_int_equal(log_lines(text, sizeof text), i + 1);
        assert_non_null(strstr(text, serial));
        assert_non_null(strstr(text, "\"uid\":77"));
        json_decref(answer);
    }
    assert_int_equal(kg_signer_count(signer), 3);
    /* A restart goes on counting; half a line of a power cut is ended. */
    FILE *log = fopen(log_path, "a");
    fputs("{\"time\":17", log);
    fclose(log);
    open_signer(600, 0);
    json_t *answer = ask(json_pack("{s:s}", "kind", "status"));
    assert_int_equal(json_integer_value(json_object_get(answer, "signed")), 3);
    json_decref(answer);
    json_decref(ask(for_room("kaku-2")));
    assert_int_equal(log_lines(text, sizeof text), 5);
    assert_non_null(strstr(text, "{\"time\":17\n{"));
}

static void test_what_is_not_exactly_a_question_is_refused(void **state)
{
    (void)state;
    open_signer(600, 0);
    static const char *const lines[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "\"room\"",
                                        "{\"kind\":\"room\",\"kind\":\"room\"}",
                                        "{\"kind\":\"room\",\"id\":\"a\\u0000b\",\"csr\":\"\"}",
                                        "\xff\xfe"};
    for (size_t i = 0; i < KG_ARRAY_LEN(lines); i++) {
        char *answer = kg_signer_answer(signer, lines[i], strlen(lines[i]), &somebody, 1, now_s);
        refused(json_loads(answer, 0, NULL), "");
        free(answer);
    }
    refused(ask(json_pack("{s:s}", "kind", "root")), "kind must be");
    refused(ask(json_pack("{s:s, s:s}", "kind", "status", "id", "x")), "mean nothing");
    refused(ask(json_pack("{s:s, s:s, s:s, s:i}", "kind", "room", "id", "a", "csr", csr, "days", 9999)),
            "mean nothing");
    refused(ask(json_pack("{s:s, s:s}", "kind", "room", "csr", csr)), "mean nothing");
    static const char *const ids[] = {
        "",        "A",      "a b",
        "a,DNS:x", "会議室", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "a\nb",    "a\"b"};
    for (size_t i = 0; i < KG_ARRAY_LEN(ids); i++)
        refused(ask(for_room(ids[i])), "id has 1 to 63");
    refused(ask(json_pack("{s:s, s:[], s:s}", "kind", "server", "addresses", "csr", csr)),
            "1 to 16 addresses");
    refused(ask(json_pack("{s:s, s:[i], s:s}", "kind", "server", "addresses", 1, "csr", csr)), "not text");
    refused(ask(json_pack("{s:s, s:[s], s:s}", "kind", "server", "addresses", "x,IP:10.0.0.1", "csr", csr)),
            "neither a host name");
    refused(ask(json_pack("{s:s, s:s, s:i}", "kind", "room", "id", "a", "csr", 5)), "no certificate request");
    refused(ask(json_pack("{s:s, s:s, s:s}", "kind", "room", "id", "a", "csr", "hello")),
            "no certificate request");
    char text[64];
    assert_int_equal(log_lines(text, sizeof text), 0);
}

static void test_the_pace_is_limited(void **state)
{
    (void)state;
    const int64_t start_us = 1000000;
    open_signer(2, 0); /* and ten at once */
    for (int i = 0; i < 10; i++) {
        json_t *answer = ask_at(for_room("kaku-1"), start_us, now_s);
        assert_true(json_is_true(json_object_get(answer, "ok")));
        json_decref(answer);
    }
    refused(ask_at(for_room("kaku-1"), start_us, now_s), "--per-minute");
    refused(ask_at(for_room("kaku-1"), start_us + 29000000, now_s), "--per-minute");
    json_decref(ask_at(for_room("kaku-1"), start_us + 31000000, now_s));
    assert_int_equal(kg_signer_count(signer), 11);
    refused(ask_at(for_room("kaku-1"), start_us + 31000000, now_s), "--per-minute");
}

static void test_an_impossible_clock_signs_nothing(void **state)
{
    (void)state;
    open_signer(600, now_s - 1000);
    refused(ask_at(for_room("kaku-1"), 1, now_s - 1001), "clock is behind");
    json_decref(ask_at(for_room("kaku-1"), 1, now_s));
    refused(ask_at(for_room("kaku-1"), 1, now_s - 1), "clock is behind");
    open_signer(600, now_s - 1000);
    refused(ask_at(for_room("kaku-1"), 1, now_s - 1), "clock is behind");
    assert_int_equal(kg_signer_count(signer), 1);
}

static void test_what_cannot_be_written_down_is_not_handed_out(void **state)
{
    (void)state;
    struct rlimit before, none;
    open_signer(600, 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    json_t *answer = ask(for_room("kaku-1"));
    setrlimit(RLIMIT_FSIZE, &before);
    refused(answer, "cannot write its log");
    assert_int_equal(kg_signer_count(signer), 0);
    answer = ask(for_room("kaku-1"));
    assert_true(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
}

/* The disk is full in the middle of a line: what comes later does not stick to the half that is there. */
static void test_half_a_line_stays_alone(void **state)
{
    (void)state;
    struct rlimit before, little;
    char line[512];
    open_signer(600, 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = (struct rlimit){30, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    json_t *cut = ask(for_room("kaku-1")), *full = ask(for_room("kaku-1"));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(json_string_value(json_object_get(cut, "error")), "No space left"));
    refused(cut, "cannot write its log");
    assert_non_null(strstr(json_string_value(json_object_get(full, "error")), "too large"));
    refused(full, "cannot write its log");
    assert_int_equal(kg_signer_count(signer), 0);
    for (int i = 0; i < 2; i++) {
        json_t *answer = ask(for_room("kaku-1"));
        assert_true(json_is_true(json_object_get(answer, "ok")));
        json_decref(answer);
    }
    FILE *in = fopen(log_path, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    assert_int_equal(strlen(line), 30 + 1);
    for (int i = 0; i < 2; i++) {
        assert_non_null(fgets(line, sizeof line, in));
        json_t *whole = json_loads(line, 0, NULL);
        assert_non_null(whole);
        json_decref(whole);
    }
    assert_null(fgets(line, sizeof line, in));
    fclose(in);
}

/* The relay's side. */

/* Answers each connection with the next text; NULL closes without a word. */
struct fake {
    int fd;
    const char *const *texts;
    size_t count;
    struct kg_thread thread;
};

static void serve_fakes(void *arg)
{
    struct fake *f = arg;
    for (size_t i = 0; i < f->count; i++) {
        char line[KG_SIGNER_MAX_BYTES];
        int fd = accept(f->fd, NULL, NULL);
        if (fd < 0)
            return;
        if (recv(fd, line, sizeof line, 0) > 0 && f->texts[i] &&
            send(fd, f->texts[i], strlen(f->texts[i]), MSG_NOSIGNAL) < 0)
            f->count = i;
        close(fd);
    }
}

static void start_fake(struct fake *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    f->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(f->fd, 8), 0);
    assert_true(kg_thread_start(&f->thread, "fake", serve_fakes, f));
}

static const struct kg_ca_subject room = {.kind = KG_CA_ROOM, .id = "kaku-1"};

static void test_the_relay_says_when_the_signer_is_away(void **state)
{
    (void)state;
    struct kg_queue *answers = kg_queue_create(KG_SIGNING_QUEUE, sizeof(struct kg_signing_answer));
    struct kg_signing *signing = kg_signing_create(folder, socket_path, answers);
    struct kg_signing_answer answer;
    assert_true(kg_signing_ask(signing, 7, &room, csr, strlen(csr)));
    assert_true(kg_queue_pop_wait(answers, &answer, kg_clock_now_us() + 10000000));
    assert_int_equal(answer.request, 7);
    assert_false(answer.ok);
    assert_non_null(strstr(answer.problem.text, "the signer does not answer at /tmp/kaigi-signer-"));
    assert_non_null(strstr(answer.problem.text, "start kaigi-signer"));
    assert_false(kg_signing_ask(signing, 8, &room, csr, KG_CA_REQUEST_MAX_BYTES + 1));
    assert_false(kg_signing_ask(signing, 8, &room, csr, 0));
    kg_signing_destroy(signing);
    kg_queue_destroy(answers);
}

static void test_the_relay_signs_nothing_with_an_impossible_clock(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s/clock", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "%lld\n", (long long)(kg_clock_wall_us() / 1000000) + 86400);
    fclose(out);
    struct kg_queue *answers = kg_queue_create(KG_SIGNING_QUEUE, sizeof(struct kg_signing_answer));
    struct kg_signing *signing = kg_signing_create(folder, socket_path, answers);
    struct kg_signing_answer answer;
    assert_true(kg_signing_ask(signing, 7, &room, csr, strlen(csr)));
    assert_true(kg_queue_pop_wait(answers, &answer, kg_clock_now_us() + 10000000));
    assert_false(answer.ok);
    assert_non_null(strstr(answer.problem.text, "this machine's clock is behind"));
    kg_signing_destroy(signing);
    kg_queue_destroy(answers);
}

static void test_the_relay_takes_only_a_whole_good_answer(void **state)
{
    (void)state;
    open_signer(600, 0);
    char *question = kg_signer_request_write(&room, csr, strlen(csr));
    char *good = kg_signer_answer(signer, question, strlen(question) - 1, &somebody, 1, now_s);
    const char *const texts[] = {NULL,
                                 "{}\n",
                                 "{\"ok\":true}\n",
                                 "{\"ok\":true,\"certificate\":\"x\",\"issuer\":\"y\"}\n",
                                 "{\"ok\":false,\"error\":\"not today\"}\n",
                                 "{\"ok\":true",
                                 good};
    static const char *const says[] = {
        "does not answer", "cannot be understood", "holds no certificate", "holds no certificate",
        "not today",       "does not answer"};
    struct fake fake = {.texts = texts, .count = KG_ARRAY_LEN(texts)};
    start_fake(&fake);
    struct kg_queue *answers = kg_queue_create(KG_SIGNING_QUEUE, sizeof(struct kg_signing_answer));
    struct kg_signing *signing = kg_signing_create(folder, socket_path, answers);
    struct kg_signing_answer answer;
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++)
        assert_true(kg_signing_ask(signing, i + 1, &room, csr, strlen(csr)));
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++) {
        assert_true(kg_queue_pop_wait(answers, &answer, kg_clock_now_us() + 10000000));
        assert_int_equal(answer.request, i + 1);
        assert_int_equal(answer.ok, i + 1 == KG_ARRAY_LEN(texts));
        if (!answer.ok && !strstr(answer.problem.text, says[i]))
            fail_msg("%zu: %s", i, answer.problem.text);
    }
    assert_int_equal(strlen(answer.certificate.serial), 32);
    assert_int_equal(answer.certificate.not_after_s, now_s + 90 * INT64_C(86400));
    kg_ca_certificate_finish(&answer.certificate);
    kg_thread_join(&fake.thread);
    close(fake.fd);
    kg_signing_destroy(signing);
    kg_queue_destroy(answers);
    free(question);
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_is_signed_and_written_down, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_what_is_not_exactly_a_question_is_refused, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_the_pace_is_limited, make_authority, remove_authority),
        cmocka_unit_test_setup_teardown(test_an_impossible_clock_signs_nothing, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_written_down_is_not_handed_out, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_half_a_line_stays_alone, make_authority, remove_authority),
        cmocka_unit_test_setup_teardown(test_the_relay_says_when_the_signer_is_away, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_the_relay_signs_nothing_with_an_impossible_clock, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_the_relay_takes_only_a_whole_good_answer, make_authority,
                                        remove_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
