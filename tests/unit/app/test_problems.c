#include "unit/cmocka_all.h"

#include "app/problems.h"
#include "app/remedy.h"

/* Every failure there is leads somewhere on purpose: nothing falls through to "internal" by being forgotten.
 */
static void test_closes(void **state)
{
    (void)state;
    static const enum kg_problem expected[KG_WS_FAILURES] = {
        [KG_WS_CLOSED] = KG_PROBLEM_NONE,
        [KG_WS_NAME] = KG_PROBLEM_RELAY_NAME,
        [KG_WS_UNREACHABLE] = KG_PROBLEM_RELAY_UNREACHABLE,
        [KG_WS_PROXY_UNREACHABLE] = KG_PROBLEM_PROXY_UNREACHABLE,
        [KG_WS_PROXY] = KG_PROBLEM_PROXY_REFUSED,
        [KG_WS_PROXY_AUTH] = KG_PROBLEM_PROXY_PASSWORD,
        [KG_WS_IDENTITY] = KG_PROBLEM_IDENTITY,
        [KG_WS_TLS_UNTRUSTED] = KG_PROBLEM_RELAY_UNTRUSTED,
        [KG_WS_TLS_EXPIRED] = KG_PROBLEM_RELAY_EXPIRED,
        [KG_WS_TLS_NOT_YET] = KG_PROBLEM_CLOCK_WRONG,
        [KG_WS_TLS_NAME] = KG_PROBLEM_RELAY_UNTRUSTED,
        [KG_WS_REJECTED] = KG_PROBLEM_CERTIFICATE_REFUSED,
        [KG_WS_REJECTED_EXPIRED] = KG_PROBLEM_CERTIFICATE_EXPIRED,
        [KG_WS_TLS] = KG_PROBLEM_PROTOCOL,
        [KG_WS_HTTP] = KG_PROBLEM_PROTOCOL,
        [KG_WS_TIMEOUT] = KG_PROBLEM_RELAY_UNREACHABLE,
    };
    for (enum kg_ws_failure i = 0; i < KG_WS_FAILURES; i++) {
        assert_int_equal(kg_problem_of_close(i), expected[i]);
        assert_int_not_equal(kg_problem_of_close(i), KG_PROBLEM_INTERNAL);
        assert_int_equal(kg_remedy_of_close(i) != NULL, i != KG_WS_CLOSED);
    }
}

static void test_errors(void **state)
{
    (void)state;
    for (enum kg_error_code code = KG_ERROR_NONE; code <= KG_ERROR_OTHER; code++) {
        enum kg_problem problem = kg_problem_of_error(code);
        bool internal = code == KG_ERROR_INTERNAL || code == KG_ERROR_OTHER;
        assert_int_equal(problem == KG_PROBLEM_INTERNAL, internal);
        assert_in_range(problem, KG_PROBLEM_NONE, KG_PROBLEM_COUNT - 1);
    }
    assert_int_equal(kg_problem_of_error(KG_ERROR_TOO_MANY), KG_PROBLEM_MEETING_FULL);
    assert_int_equal(kg_problem_of_error(KG_ERROR_NOT_INVITED), KG_PROBLEM_MEETING_NOT_INVITED);
    assert_int_equal(kg_problem_of_error(KG_ERROR_BAD_TOKEN), KG_PROBLEM_NONE);
}

static void test_fill(void **state)
{
    (void)state;
    struct kg_room_error error;
    kg_problem_fill(&error, KG_PROBLEM_RELAY_UNREACHABLE, "10.1.2.3 port 443");
    assert_int_equal(error.problem, KG_PROBLEM_RELAY_UNREACHABLE);
    assert_true(error.retryable);
    assert_string_equal(error.detail, "10.1.2.3 port 443");
    kg_problem_fill(&error, KG_PROBLEM_MEETING_NOT_INVITED, "");
    assert_false(error.retryable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
