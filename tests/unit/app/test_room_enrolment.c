#include "app/room_enrolment.h"

#include <string.h>

#include "unit/cmocka_all.h"

#define SECOND_US INT64_C(1000000)
#define START_US  (100 * SECOND_US)
#define WALL_US   (INT64_C(1795219200) * SECOND_US)

static struct kg_room_enrolment e;
static int64_t now_us;
static struct kg_room_state shown;

static void begin(void)
{
    now_us = START_US;
    kg_room_enrolment_init(&e, 7, now_us);
    kg_room_state_init(&shown);
}

static void answer(enum kg_est_outcome outcome, int64_t retry_s, enum kg_ws_failure failure)
{
    struct kg_est_reply reply = {
        .outcome = outcome, .retry_s = retry_s, .close = {.failure = failure, .detail = "a test"}};
    kg_room_enrolment_answered(&e, &reply, now_us);
}

static void show(void)
{
    kg_room_enrolment_show(&e, now_us, WALL_US, &shown);
}

static void make_key(void)
{
    assert_int_equal(kg_room_enrolment_next(&e, now_us), KG_ENROL_MAKE_KEY);
    kg_room_enrolment_keyed(&e, true, now_us);
}

/* One request is out until it is answered, whatever is touched meanwhile. */
static void ask(void)
{
    assert_int_equal(kg_room_enrolment_next(&e, now_us), KG_ENROL_ASK);
    kg_room_enrolment_again(&e, now_us);
    assert_int_equal(kg_room_enrolment_next(&e, now_us + 3600 * SECOND_US), KG_ENROL_WAIT);
    assert_int_equal(kg_room_enrolment_next_us(&e), INT64_MAX);
}

static void wait_until_due(int64_t least_s, int64_t most_s)
{
    int64_t due_us = kg_room_enrolment_next_us(&e);
    assert_in_range(due_us - now_us, least_s * SECOND_US, most_s * SECOND_US);
    now_us = due_us - 1;
    assert_int_equal(kg_room_enrolment_next(&e, now_us), KG_ENROL_WAIT);
    now_us = due_us;
}

static void test_waits_for_a_person(void **state)
{
    (void)state;
    begin();
    make_key();
    show();
    assert_int_equal(shown.screen, KG_SCREEN_ENROLMENT);
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_PREPARING);
    ask();
    answer(KG_EST_PENDING, 10, 0);
    show();
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_WAITING);
    assert_int_equal(shown.enrolment.until_us, WALL_US + KG_ENROL_KEY_US);
    wait_until_due(10, 13);
    ask();
    answer(KG_EST_PENDING, 0, 0); /* no relay makes it hurry, or go to sleep */
    wait_until_due(KG_ENROL_RETRY_MIN_S, KG_ENROL_RETRY_MIN_S * 5 / 4 + 1);
    ask();
    answer(KG_EST_PENDING, 86400, 0);
    wait_until_due(KG_ENROL_RETRY_MAX_S, KG_ENROL_RETRY_MAX_S * 5 / 4 + 1);
}

static void test_a_new_code_after_half_an_hour(void **state)
{
    (void)state;
    begin();
    make_key();
    for (int64_t end_us = START_US + KG_ENROL_KEY_US; now_us < end_us;) {
        ask();
        answer(KG_EST_PENDING, 100, 0);
        int64_t due_us = kg_room_enrolment_next_us(&e);
        assert_true(due_us <= end_us);
        now_us = due_us;
    }
    ask(); /* approved in the last moment? */
    answer(KG_EST_PENDING, 10, 0);
    make_key();
    show();
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_PREPARING);
    assert_int_equal(shown.enrolment.until_us, 0);
    ask();
}

static void test_refused_by_a_person(void **state)
{
    (void)state;
    begin();
    make_key();
    ask();
    answer(KG_EST_REJECTED, -1, 0);
    show();
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_REJECTED);
    wait_until_due(KG_ENROL_REJECTED_S, KG_ENROL_REJECTED_S);
    make_key();
    ask();
    answer(KG_EST_REJECTED, -1, 0);
    now_us += SECOND_US;
    kg_room_enrolment_again(&e, now_us); /* a touch */
    make_key();
}

static void test_relay_is_full(void **state)
{
    (void)state;
    begin();
    make_key();
    ask();
    answer(KG_EST_BUSY, 60, 0);
    show();
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_BUSY);
    wait_until_due(60, 76);
    ask(); /* with the same key */
    answer(KG_EST_PENDING, 10, 0);
    now_us = kg_room_enrolment_next_us(&e);
    ask();
    answer(KG_EST_BUSY, 30, 0); /* asked too often: the code still holds */
    show();
    assert_int_equal(shown.enrolment.step, KG_ENROLMENT_WAITING);
}

static void test_relay_goes_away(void **state)
{
    (void)state;
    begin();
    make_key();
    ask();
    answer(KG_EST_AWAY, -1, KG_WS_UNREACHABLE);
    show(); /* it never was there */
    assert_int_equal(shown.screen, KG_SCREEN_ERROR);
    assert_int_equal(shown.error.problem, KG_PROBLEM_RELAY_UNREACHABLE);
    assert_true(shown.error.no_home && shown.error.retryable);
    int64_t waited_us = 0;
    for (int i = 0; i < 12; i++) {
        waited_us = kg_room_enrolment_next_us(&e) - now_us;
        now_us += waited_us;
        ask();
        answer(KG_EST_AWAY, -1, KG_WS_UNREACHABLE);
    }
    assert_in_range(waited_us, KG_ENROL_AWAY_MAX_S * SECOND_US, KG_ENROL_AWAY_MAX_S * SECOND_US * 5 / 4);
    kg_room_enrolment_again(&e, now_us);
    ask();
    answer(KG_EST_PENDING, 10, 0);
    now_us = kg_room_enrolment_next_us(&e);
    ask();
    answer(KG_EST_AWAY, -1, KG_WS_CLOSED); /* the code still stands there */
    show();
    assert_int_equal(shown.screen, KG_SCREEN_ENROLMENT);
    assert_true(shown.enrolment.away);
    assert_int_equal(shown.error.problem, KG_PROBLEM_NONE);
    now_us = kg_room_enrolment_next_us(&e);
    ask();
    answer(KG_EST_PENDING, 10, 0);
    show();
    assert_false(shown.enrolment.away);
}

/* What needs a person is said on its own page, whenever it comes. */
static void test_not_our_relay(void **state)
{
    (void)state;
    static const struct {
        enum kg_ws_failure failure;
        enum kg_problem problem;
    } rows[] = {{KG_WS_TLS_UNTRUSTED, KG_PROBLEM_RELAY_UNTRUSTED},
                {KG_WS_TLS_NOT_YET, KG_PROBLEM_CLOCK_WRONG},
                {KG_WS_PROXY_AUTH, KG_PROBLEM_PROXY_PASSWORD},
                {KG_WS_HTTP, KG_PROBLEM_PROTOCOL}};
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        begin();
        make_key();
        ask();
        answer(KG_EST_PENDING, 10, 0);
        now_us = kg_room_enrolment_next_us(&e);
        ask();
        answer(rows[i].failure == KG_WS_HTTP ? KG_EST_STRANGE : KG_EST_AWAY, -1, rows[i].failure);
        show();
        assert_int_equal(shown.screen, KG_SCREEN_ERROR);
        assert_int_equal(shown.error.problem, rows[i].problem);
    }
}

static void test_no_key(void **state)
{
    (void)state;
    begin();
    assert_int_equal(kg_room_enrolment_next(&e, now_us), KG_ENROL_MAKE_KEY);
    kg_room_enrolment_keyed(&e, false, now_us);
    assert_int_equal(kg_room_enrolment_next(&e, now_us), KG_ENROL_WAIT);
    now_us = kg_room_enrolment_next_us(&e);
    make_key();
}

/* --- what the relay's answers are ----------------------------------------------------------------------- */

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type, *body;
        enum kg_est_outcome outcome;
    } rows[] = {{202, "", "", KG_EST_PENDING},
                {403, "text/plain", "no", KG_EST_REJECTED},
                {401, "", "", KG_EST_REJECTED},
                {429, "", "", KG_EST_BUSY},
                {503, "", "", KG_EST_BUSY},
                {404, "", "", KG_EST_STRANGE},
                {204, "", "", KG_EST_STRANGE},
                {200, "text/html", "<p>", KG_EST_STRANGE},
                {200, "application/pkcs7-mime", "AAAA", KG_EST_STRANGE},
                {500, "", "", KG_EST_STRANGE}};
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        struct kg_http_answer http = {.status = rows[i].status,
                                      .retry_after_s = 12,
                                      .body = (char *)rows[i].body,
                                      .body_size = strlen(rows[i].body)};
        struct kg_est_reply reply;
        snprintf(http.type, sizeof http.type, "%s", rows[i].type);
        kg_est_reply_of(&http, &reply);
        assert_int_equal(reply.outcome, rows[i].outcome);
        assert_int_equal(reply.retry_s, 12);
        assert_true(reply.close.detail[0] != '\0');
        kg_est_reply_finish(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_a_person),
        cmocka_unit_test(test_a_new_code_after_half_an_hour),
        cmocka_unit_test(test_refused_by_a_person),
        cmocka_unit_test(test_relay_is_full),
        cmocka_unit_test(test_relay_goes_away),
        cmocka_unit_test(test_not_our_relay),
        cmocka_unit_test(test_no_key),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
