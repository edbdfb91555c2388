/* What people see of a relay's replies: nothing in a name steers their terminal. */
#include "unit/cmocka_all.h"

#include "relay/ctl.h"

static void test_replies_are_printable(void **state)
{
    (void)state;
    json_t *reply =
        json_pack("{s:s, s:[{s:s, s:i}], s:s, s:s, s:s}", "error", "no room \"\u202e\x1b[2Jx\"", "meetings",
                  "title", "葛\U000E0100飾\u2066会\302\233", "count", 3, "certificate", "-----\nAB\u200bC\n",
                  "text", "{\"detail\":\"\u202e\"}\n", "name", "架空市　ｶﾞ");
    assert_non_null(reply);
    kg_ctl_make_printable(reply, true);
    const json_t *meeting = json_array_get(json_object_get(reply, "meetings"), 0);
    assert_string_equal(kg_ctl_text_of(reply, "error"), "no room \"??[2Jx\"");
    assert_string_equal(kg_ctl_text_of(meeting, "title"), "葛\U000E0100飾?会?");
    assert_int_equal(kg_ctl_number_of(meeting, "count"), 3);
    assert_string_equal(kg_ctl_text_of(reply, "certificate"), "-----\nAB?C\n");
    assert_string_equal(kg_ctl_text_of(reply, "text"), "{\"detail\":\"\u202e\"}\n");
    assert_string_equal(kg_ctl_text_of(reply, "name"), "架空市　ｶﾞ");
    json_decref(reply);
    kg_ctl_make_printable(NULL, true);
}

/* Only an export's own text goes into a file: status and verdicts have a text too, and it is printed. */
static void test_other_texts_are_printable_too(void **state)
{
    (void)state;
    json_t *reply = json_pack("{s:s, s:{s:s}}", "text", "row 3 \x1b[2J\n", "store", "text", "\u202efull");
    kg_ctl_make_printable(reply, false);
    assert_string_equal(kg_ctl_text_of(reply, "text"), "row 3 ?[2J\n");
    assert_string_equal(kg_ctl_text_of(json_object_get(reply, "store"), "text"), "?full");
    json_object_set_new(json_object_get(reply, "store"), "text", json_string("\x1b"));
    json_object_set_new(reply, "text", json_string("\x1b"));
    kg_ctl_make_printable(reply, true);
    assert_string_equal(kg_ctl_text_of(reply, "text"), "\x1b");
    assert_string_equal(kg_ctl_text_of(json_object_get(reply, "store"), "text"), "?");
    json_decref(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_are_printable),
        cmocka_unit_test(test_other_texts_are_printable_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
