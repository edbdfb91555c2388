#include "unit/cmocka_all.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "relay/ctl_target.h"

static char *config;

static int set_up(void **state)
{
    (void)state;
    int fd = g_file_open_tmp("kaigi-ctl-XXXXXX.conf", &config, NULL);
    return fd >= 0 ? close(fd) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    g_unlink(config);
    g_free(config);
    return 0;
}

static void write_config(const char *text)
{
    assert_true(g_file_set_contents(config, text, -1, NULL));
}

static struct kg_ctl_target target_of(const char *relay, const char *proxy)
{
    return (struct kg_ctl_target){.relay = g_strdup(relay),
                                  .certificate = relay ? g_strdup("c") : NULL,
                                  .key = relay ? g_strdup("k") : NULL,
                                  .ca = relay ? g_strdup("a") : NULL,
                                  .proxy = g_strdup(proxy),
                                  .config = g_strdup(config)};
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *relay, *host; /* NULL: refused */
        unsigned port;
    } cases[] = {
        {"https://relay.kaku.example", "relay.kaku.example", 443},
        {"https://relay.kaku.example/", "relay.kaku.example", 443},
        {"relay.kaku.example:8443", "relay.kaku.example", 8443},
        {"https://192.0.2.1:1", "192.0.2.1", 1},
        {"https://[2001:db8::1]", "2001:db8::1", 443},
        {"https://[2001:db8::1]:65535", "2001:db8::1", 65535},
        {"", NULL, 0},
        {"https://", NULL, 0},
        {"http://relay", NULL, 0},
        {"https://relay:0", NULL, 0},
        {"https://relay:65536", NULL, 0},
        {"https://relay:x", NULL, 0},
        {"https://relay:", NULL, 0},
        {"https://relay/path", NULL, 0},
        {"https://user@relay", NULL, 0},
        {"https://[2001:db8::1", NULL, 0},
        {"https://[::1]x", NULL, 0},
        {"https://a b", NULL, 0},
        {"https://:443", NULL, 0},
    };
    write_config("");
    for (size_t i = 0; i < KG_ARRAY_LEN(cases); i++) {
        struct kg_problem problem;
        struct kg_ctl_target t = target_of(cases[i].relay, NULL);
        if (kg_ctl_target_resolve(&t, false, &problem) != (cases[i].host != NULL))
            fail_msg("\"%s\" is judged wrongly", cases[i].relay);
        if (cases[i].host) {
            assert_string_equal(t.host, cases[i].host);
            assert_int_equal(t.port, cases[i].port);
        }
        kg_ctl_target_finish(&t);
    }
}

static void test_what_the_file_says_and_what_goes_before_it(void **state)
{
    (void)state;
    struct kg_problem problem;
    write_config("[ctl]\nrelay=https://one\ncertificate=c.crt\nkey=/k\nca=a\nproxy=user:p:w@[::1]:8080\n");
    struct kg_ctl_target t = target_of(NULL, NULL);
    assert_true(kg_ctl_target_resolve(&t, false, &problem));
    assert_string_equal(t.host, "one");
    assert_string_equal(t.key, "/k");
    assert_true(g_path_is_absolute(t.certificate)); /* beside the file */
    assert_string_equal(t.proxy_host, "::1");
    assert_int_equal(t.proxy_port, 8080);
    assert_string_equal(t.proxy_user, "user");
    assert_string_equal(t.proxy_password, "p:w");
    kg_ctl_target_finish(&t);

    t = target_of("https://two:2", NULL);
    assert_true(kg_ctl_target_resolve(&t, false, &problem));
    assert_string_equal(t.host, "two");
    assert_string_equal(t.certificate, "c");
    assert_string_equal(t.proxy_host, "::1");
    kg_ctl_target_finish(&t);

    t = target_of(NULL, NULL); /* --state */
    assert_true(kg_ctl_target_resolve(&t, true, &problem));
    assert_null(t.relay);
    kg_ctl_target_finish(&t);
}

static void test_what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    struct kg_problem problem;
    write_config("");
    struct kg_ctl_target t = target_of("https://one", NULL);
    assert_false(kg_ctl_target_resolve(&t, true, &problem));
    assert_non_null(strstr(problem.text, "give one"));
    kg_ctl_target_finish(&t);
    t = target_of("https://one", "user:secret@proxy:1");
    assert_false(kg_ctl_target_resolve(&t, false, &problem));
    assert_null(strstr(problem.text, "secret"));
    kg_ctl_target_finish(&t);
    t = target_of(NULL, "proxy:1");
    assert_false(kg_ctl_target_resolve(&t, false, &problem));
    assert_non_null(strstr(problem.text, "--relay"));
    kg_ctl_target_finish(&t);
    t = target_of("https://one", "proxy"); /* a proxy has no port of its own */
    assert_false(kg_ctl_target_resolve(&t, false, &problem));
    kg_ctl_target_finish(&t);
    t = (struct kg_ctl_target){
        .relay = g_strdup("https://one"), .ca = g_strdup("a"), .config = g_strdup(config)};
    assert_false(kg_ctl_target_resolve(&t, false, &problem));
    assert_non_null(strstr(problem.text, "--certificate"));
    kg_ctl_target_finish(&t);
    write_config("[ctl]\nrelai=https://one\n");
    t = target_of(NULL, NULL);
    assert_false(kg_ctl_target_resolve(&t, false, &problem));
    assert_non_null(strstr(problem.text, "relai"));
    kg_ctl_target_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_the_file_says_and_what_goes_before_it),
        cmocka_unit_test(test_what_does_not_fit_together_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
