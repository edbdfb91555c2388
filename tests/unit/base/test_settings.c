#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"

struct example {
    char *name, *key_file, **items;
    int64_t port;
    bool udp;
    int mode;
};

static const char *const modes[] = {"auto", "never", NULL};

static const char *no_stairs(const char *value)
{
    return strstr(value, "階段") ? "a room, not stairs" : NULL;
}

static const struct kg_setting table[] = {
    {"room", "name", KG_SETTING_TEXT, offsetof(struct example, name), .min = 1, .max = 20, .required = true,
     .expected = no_stairs},
    {"room", "key-file", KG_SETTING_PATH, offsetof(struct example, key_file), .fallback = "room.key"},
    {"media", "udp", KG_SETTING_BOOLEAN, offsetof(struct example, udp), .fallback = "true"},
    {"media", "port", KG_SETTING_INTEGER, offsetof(struct example, port), .min = 1, .max = 65535,
     .fallback = "443"},
    {"media", "mode", KG_SETTING_CHOICE, offsetof(struct example, mode), .choices = modes,
     .fallback = "auto"},
    {"media", "items", KG_SETTING_LIST, offsetof(struct example, items), .min = 1, .max = 2},
};
enum { COUNT = sizeof table / sizeof table[0] };

static bool parse(const char *text, struct example *e, struct kg_settings_error *error)
{
    return kg_settings_parse(text, strlen(text), "/etc/kaigi/t.conf", table, COUNT, e, error);
}

static void test_values_a_function_refuses(void **state)
{
    (void)state;
    struct example e = {0};
    struct kg_settings_error error;
    assert_false(parse("[room]\n\nname=階段\n", &e, &error));
    assert_int_equal(error.problem, KG_SETTINGS_BAD_VALUE);
    assert_int_equal(error.line, 3);
    assert_string_equal(error.expected, "a room, not stairs");
    assert_non_null(strstr(error.message, "/etc/kaigi/t.conf:3"));
    assert_null(e.name);
}

static void test_values_and_defaults(void **state)
{
    (void)state;
    struct example e = {0};
    struct kg_settings_error error;
    assert_true(
        parse("# a comment\n[room]\nname = 第一\\s会議室 \n\n[media]\nudp=false\nmode=never\nitems=a; b ;\n",
              &e, &error));
    assert_string_equal(e.name, "第一 会議室");
    assert_string_equal(e.key_file, "/etc/kaigi/room.key");
    assert_false(e.udp);
    assert_int_equal(e.port, 443);
    assert_int_equal(e.mode, 1);
    assert_string_equal(e.items[0], "a");
    assert_string_equal(e.items[1], "b");
    assert_null(e.items[2]);
    assert_int_equal(error.problem, KG_SETTINGS_OK);
    kg_settings_finish(table, COUNT, &e);
    assert_null(e.name);

    assert_true(parse("[room]\nname=x\nkey-file=/k", &e, &error));
    assert_string_equal(e.key_file, "/k");
    assert_null(e.items);
    kg_settings_finish(table, COUNT, &e);

    kg_settings_defaults(table, COUNT, &e);
    assert_string_equal(e.key_file, "room.key");
    assert_null(e.name);
    assert_true(e.udp);
    kg_settings_finish(table, COUNT, &e);
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum kg_settings_problem problem;
        unsigned line;
        const char *nearest; /* or what is expected */
        const char *says;
    } cases[] = {
        {"[room]\nname=x\nnmae=y\n", KG_SETTINGS_UNKNOWN_KEY, 3, "name",
         "/etc/kaigi/t.conf:3: unknown key \"nmae\""},
        {"[room]\nname=x\nudpp=false\n", KG_SETTINGS_UNKNOWN_KEY, 3, "[media] udp",
         "did you mean \"[media] udp\""},
        {"[room]\nname=x\nzzzzzzzz=1\n", KG_SETTINGS_UNKNOWN_KEY, 3, "", "remove it"},
        {"[room]\nname=x\n[media]\nnoe=auto\n", KG_SETTINGS_UNKNOWN_KEY, 4, "mode", "did you mean \"mode\""},
        {"[room]\nname[ja]=x\n", KG_SETTINGS_UNKNOWN_KEY, 2, "", "name[ja]"},
        {"[romo]\nname=x\n", KG_SETTINGS_UNKNOWN_SECTION, 1, "room", "did you mean [room]"},
        {"[nothing-like-it]\n", KG_SETTINGS_UNKNOWN_SECTION, 1, "", "unknown section"},
        {"[room]\nname=x\n[media]\nport=1\n[room]\nname=y\n", KG_SETTINGS_TWICE, 6, "",
         "set already at line 2"},
        {"name=x\n", KG_SETTINGS_SYNTAX, 1, "", "before any [section]"},
        {"[room]\nname\n", KG_SETTINGS_SYNTAX, 2, "", "expected key=value"},
        {"[room\nname=x\n", KG_SETTINGS_SYNTAX, 1, "", "[name]"},
        {"[room]\n=x\n", KG_SETTINGS_SYNTAX, 2, "", "no key"},
        {"[room]\nname=\xff\n", KG_SETTINGS_SYNTAX, 2, "", "not UTF-8"},
        {"[room]\nname=\n", KG_SETTINGS_BAD_VALUE, 2, "", "1 to 20 bytes"},
        {"[room]\nname=x\\\n", KG_SETTINGS_BAD_VALUE, 2, "", "name"},
        {"[room]\nname=x\n[media]\nport=0\n", KG_SETTINGS_BAD_VALUE, 4, "", "a whole number 1 to 65535"},
        {"[room]\nname=x\n[media]\nport=99999999999999999999\n", KG_SETTINGS_BAD_VALUE, 4, "",
         "whole number"},
        {"[room]\nname=x\n[media]\nport=44 3\n", KG_SETTINGS_BAD_VALUE, 4, "", "whole number"},
        {"[room]\nname=x\n[media]\nudp=yes\n", KG_SETTINGS_BAD_VALUE, 4, "", "true or false"},
        {"[room]\nname=x\n[media]\nmode=always\n", KG_SETTINGS_BAD_VALUE, 4, "", "one of: auto, never"},
        {"[room]\nname=x\n[media]\nitems=a;b;c\n", KG_SETTINGS_BAD_VALUE, 4, "", "1 to 2 items"},
        {"[room]\nname=x\n[media]\nitems=;\n", KG_SETTINGS_BAD_VALUE, 4, "", "1 to 2 items"},
        {"[media]\nudp=true\n", KG_SETTINGS_MISSING, 0, "", "\"name\" in [room] must be set"},
        {"", KG_SETTINGS_MISSING, 0, "", "must be set"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct example e = {.port = 7};
        struct kg_settings_error error;
        if (parse(cases[i].text, &e, &error))
            fail_msg("case %zu is accepted", i);
        if (error.problem != cases[i].problem || error.line != cases[i].line)
            fail_msg("case %zu: problem %d line %u: %s", i, error.problem, error.line, error.message);
        assert_string_equal(error.nearest, cases[i].nearest);
        assert_non_null(strstr(error.message, cases[i].says));
        /* A refused file changes nothing. */
        assert_int_equal(e.port, 7);
        assert_null(e.name);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct example e = {0};
    struct kg_settings_error error;
    assert_false(kg_settings_load("/nonexistent/x.conf", table, COUNT, &e, &error));
    assert_int_equal(error.problem, KG_SETTINGS_UNREADABLE);
    assert_false(kg_settings_load("/tmp", table, COUNT, &e, &error));
    assert_int_equal(error.problem, KG_SETTINGS_UNREADABLE);
    char path[] = "/tmp/kaigi-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char text[] = "[room]\r\nname=x\r\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_true(kg_settings_load(path, table, COUNT, &e, &error));
    assert_string_equal(e.name, "x");
    assert_string_equal(e.key_file, "/tmp/room.key");
    kg_settings_finish(table, COUNT, &e);
    unlink(path);
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(kg_settings_distance("", ""), 0);
    assert_int_equal(kg_settings_distance("abc", ""), 3);
    assert_int_equal(kg_settings_distance("", "ab"), 2);
    assert_int_equal(kg_settings_distance("port", "prot"), 1);
    assert_int_equal(kg_settings_distance("kitten", "sitting"), 3);
    assert_int_equal(kg_settings_distance("udp", "udps"), 1);
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = '\0';
    assert_int_equal(kg_settings_distance(a, b), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_defaults),
        cmocka_unit_test(test_values_a_function_refuses),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
