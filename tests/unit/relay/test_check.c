#include "unit/cmocka_all.h"

#include <stdio.h>

#include "relay/check.h"

#define TEXT(s) (s), sizeof(s) - 1

static bool fits(enum kg_check_kind kind, const char *text, size_t size)
{
    struct kg_problem problem = {""};
    bool ok = kg_check_text(kind, "the field", text, size, &problem);
    /* A refusal says which field, and never repeats what steers a terminal. */
    assert_true(ok || strncmp(problem.text, "the field ", 10) == 0);
    for (const char *p = problem.text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    assert_null(strstr(problem.text, "\u202e"));
    return ok;
}

static void test_ids(void **state)
{
    (void)state;
    static const char longest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_int_equal(sizeof longest - 1, 63);
    assert_true(fits(KG_CHECK_ID, TEXT("kaku-shi-1")) && fits(KG_CHECK_ID, TEXT(longest)));
    assert_false(fits(KG_CHECK_ID, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64));
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{TEXT("")},          {TEXT("A")},      {TEXT("a b")},   {TEXT("a\nb")}, {TEXT("a\0b")},
               {TEXT("a\"b")},      {TEXT("a'b")},    {TEXT("a/b")},   {TEXT("架空")}, {TEXT("a\u202e")},
               {TEXT("a\x1b[31m")}, {TEXT("a;drop")}, {TEXT("\xff")},  {TEXT("a_b")},  {TEXT("a%s")},
               {TEXT("../a")},      {TEXT("a\x7f")},  {TEXT("a\r\n")}, {TEXT("\t")}};
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++)
        assert_false(fits(KG_CHECK_ID, bad[i].text, bad[i].size));
}

static void test_names(void **state)
{
    (void)state;
    static const char wide[] = "会議室";
    char longest[260] = "";
    for (size_t i = 0; i < 85; i++)
        memcpy(longest + i * 3, wide, 3);
    assert_true(fits(KG_CHECK_NAME, longest, 255));
    memcpy(longest + 255, wide, 3);
    assert_false(fits(KG_CHECK_NAME, longest, 258));
    assert_true(fits(KG_CHECK_NAME, TEXT("第1 \"応接\" '室' <b>&amp;")));
    assert_true(fits(KG_CHECK_TEXT, TEXT("")));
    assert_false(fits(KG_CHECK_NAME, TEXT("")));
    /* One byte short of a character; overlong; a surrogate; above Unicode; not a character. */
    static const char *const broken[] = {
        "\xe4\xbc", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe3\x81\x82\xff", "\xef\xbf\xbe",
        "a\nb",     "a\rb",     "a\tb",         "a\x1b[2Jb",        "a\302\205",        "a\x7f",
        "a\u200eb", "a\u200fb", "a\u202ab",     "a\u202eb",         "a\u2066b",         "a\u2069b",
        "a\u061cb", "a\u2028b", "a\u2029b",     "a\ufeffb",         "a\u200bb",         " ",
        "\u3000",   " a",       "a ",           "a\u3000",          "a\U000e0041b",     "\u2060"};
    for (size_t i = 0; i < KG_ARRAY_LEN(broken); i++) {
        assert_false(fits(KG_CHECK_NAME, broken[i], strlen(broken[i])));
        assert_false(fits(KG_CHECK_TEXT, broken[i], strlen(broken[i])));
    }
    assert_false(fits(KG_CHECK_NAME, TEXT("a\0b")));
}

static void test_readings(void **state)
{
    (void)state;
    assert_true(fits(KG_CHECK_READING, TEXT("")) &&
                fits(KG_CHECK_READING, TEXT("かくうし だい1かいぎしつ")) &&
                fits(KG_CHECK_READING, TEXT("カクーシ　Ａ")));
    static const char *const bad[] = {"架空市", "か・く", "か\nく",    "か\u202eく",
                                      "か\"",   "か-",    "か\xe3\x81"};
    for (size_t i = 0; i < KG_ARRAY_LEN(bad); i++)
        assert_false(fits(KG_CHECK_READING, bad[i], strlen(bad[i])));
    char longest[258];
    for (size_t i = 0; i < 86; i++)
        memcpy(longest + i * 3, "か", 3);
    assert_true(fits(KG_CHECK_READING, longest, 255));
    assert_false(fits(KG_CHECK_READING, longest, 258));
}

static void test_other_text(void **state)
{
    (void)state;
    assert_true(fits(KG_CHECK_WORD, TEXT("media.udp")));
    assert_false(fits(KG_CHECK_WORD, TEXT("")) || fits(KG_CHECK_WORD, TEXT("a b")) ||
                 fits(KG_CHECK_WORD, TEXT("あ")) || fits(KG_CHECK_WORD, TEXT("a\0")));
    assert_true(fits(KG_CHECK_MEETING, TEXT("kaku/20261121-asa@kaku.example")));
    assert_true(fits(KG_CHECK_MEETING, TEXT("kaku/series/20261121T010000Z")));
    assert_false(fits(KG_CHECK_MEETING, TEXT("kaku/")) || fits(KG_CHECK_MEETING, TEXT("/x")) ||
                 fits(KG_CHECK_MEETING, TEXT("Kaku/x")) || fits(KG_CHECK_MEETING, TEXT("kaku")) ||
                 fits(KG_CHECK_MEETING, TEXT("kaku/a\nb")) || fits(KG_CHECK_MEETING, TEXT("kaku/a\0b")) ||
                 fits(KG_CHECK_MEETING, TEXT("")));
    assert_true(fits(KG_CHECK_PEM, TEXT("-----BEGIN X-----\nAA==\r\n")));
    assert_false(fits(KG_CHECK_PEM, TEXT("")) || fits(KG_CHECK_PEM, TEXT("a\0b")) ||
                 fits(KG_CHECK_PEM, TEXT("あ")));
    assert_true(fits(KG_CHECK_PATH, TEXT("/var/backups/kaigi.db")));
    assert_false(fits(KG_CHECK_PATH, TEXT("kaigi.db")) || fits(KG_CHECK_PATH, TEXT("/")) ||
                 fits(KG_CHECK_PATH, TEXT("/a\nb")) || fits(KG_CHECK_PATH, TEXT("/a\0b")));
    static const char digest[] = "00112233445566778899aabbccddeeffAABBCCDDEEFF00112233445566778899";
    assert_true(fits(KG_CHECK_DIGEST, TEXT(digest)));
    assert_false(fits(KG_CHECK_DIGEST, digest, 63) || fits(KG_CHECK_DIGEST, TEXT("zz")));
}

static bool value_fits(enum kg_check_kind kind, const char *json)
{
    struct kg_problem problem = {""};
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    bool ok = kg_check_value(kind, "the field", value, &problem);
    assert_true(ok || strncmp(problem.text, "the field ", 10) == 0);
    json_decref(value);
    return ok;
}

static void test_values(void **state)
{
    (void)state;
    for (int kind = 0; kind < KG_CHECK_KINDS; kind++) {
        assert_false(value_fits((enum kg_check_kind)kind, "null"));
        assert_false(value_fits((enum kg_check_kind)kind, "{}"));
        assert_false(value_fits((enum kg_check_kind)kind, "-1"));
        assert_false(value_fits((enum kg_check_kind)kind, "1.5"));
        assert_false(value_fits((enum kg_check_kind)kind, "\"a\\u0000b\""));
        assert_int_equal(value_fits((enum kg_check_kind)kind, "[]"), kind == KG_CHECK_IDS);
        assert_int_equal(value_fits((enum kg_check_kind)kind, "true"), kind == KG_CHECK_BOOL);
        assert_int_equal(value_fits((enum kg_check_kind)kind, "7"), kind == KG_CHECK_INTEGER);
    }
    assert_true(value_fits(KG_CHECK_INTEGER, "9007199254740992"));
    assert_false(value_fits(KG_CHECK_INTEGER, "9007199254740993"));
    assert_true(value_fits(KG_CHECK_IDS, "[\"a\",\"b\"]"));
    assert_false(value_fits(KG_CHECK_IDS, "[\"a\",\"a\"]"));
    assert_false(value_fits(KG_CHECK_IDS, "[\"a\",1]"));
    assert_false(value_fits(KG_CHECK_IDS, "[\"A\"]"));
    json_t *many = json_array();
    for (int i = 0; i <= KG_CHECK_MAX_IDS; i++)
        json_array_append_new(many, json_sprintf("a%d", i));
    struct kg_problem problem;
    assert_false(kg_check_value(KG_CHECK_IDS, "the field", many, &problem));
    json_decref(many);
}

static void test_quote(void **state)
{
    (void)state;
    char out[KG_CHECK_QUOTE_BYTES];
    kg_check_quote(TEXT("a\"b\nc\x1b[2Jd\u202ee\0f\xff会"), out);
    assert_string_equal(out, "a\"b?c?[2Jd?e?f?会");
    kg_check_quote("", 0, out);
    assert_string_equal(out, "");
    char longest[600];
    for (size_t i = 0; i < 200; i++)
        memcpy(longest + i * 3, "会", 3);
    kg_check_quote(longest, sizeof longest, out);
    assert_in_range(strlen(out), 90, KG_CHECK_QUOTE_BYTES - 1);
    assert_string_equal(out + strlen(out) - 6, "会...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_names),  cmocka_unit_test(test_readings),
        cmocka_unit_test(test_other_text), cmocka_unit_test(test_values), cmocka_unit_test(test_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
