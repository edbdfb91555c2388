#include "unit/cmocka_all.h"

#include <string.h>

#include "app/terminal_settings.h"
#include "unit/app/folder.h"

#define GOOD                                                                                                 \
    "[relay]\nhost=relay.test\nca-file=ca.crt\n[identity]\nkey-file=room.key\ncertificate-file=room.crt\n"   \
    "[state]\nfolder=state\n"

static bool load(const char *text, struct kg_terminal_settings *settings, struct kg_settings_error *error)
{
    char path[128];
    write_file("terminal.conf", text);
    snprintf(path, sizeof path, "%s/terminal.conf", folder);
    return kg_terminal_settings_load(path, settings, error);
}

static void test_sample(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    if (!kg_terminal_settings_load(SAMPLE, &settings, &error))
        fail_msg("%s", error.message);
    assert_string_equal(settings.relay_host, "relay.kaigi.example");
    assert_int_equal(settings.relay_port, 443);
    assert_int_equal(settings.media_udp, KG_MEDIA_UDP_AUTO);
    assert_null(settings.proxy_host);
    kg_terminal_settings_finish(&settings);
}

/* The sample says what the defaults are: it must not drift from them. */
static void test_sample_states_defaults(void **state)
{
    (void)state;
    struct kg_terminal_settings sample, defaults;
    struct kg_settings_error error;
    assert_true(kg_terminal_settings_load(SAMPLE, &sample, &error));
    assert_true(load(GOOD, &defaults, &error));
    assert_int_equal(sample.media_max_kbps, defaults.media_max_kbps);
    assert_int_equal(sample.width, defaults.width);
    assert_int_equal(sample.height, defaults.height);
    assert_int_equal(sample.fps, defaults.fps);
    assert_int_equal(sample.volume_percent, defaults.volume_percent);
    assert_int_equal(sample.language, defaults.language);
    assert_int_equal(sample.fullscreen, defaults.fullscreen);
    assert_int_equal(sample.log_level, defaults.log_level);
    assert_string_equal(sample.camera, defaults.camera);
    assert_string_equal(sample.microphone, defaults.microphone);
    assert_string_equal(sample.speaker, defaults.speaker);
    kg_terminal_settings_finish(&sample);
    kg_terminal_settings_finish(&defaults);
}

static void test_relative_paths(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    char expected[128];
    assert_true(load(GOOD, &settings, &error));
    snprintf(expected, sizeof expected, "%s/room.key", folder);
    assert_string_equal(settings.identity_key_file, expected);
    kg_terminal_settings_finish(&settings);
}

static void test_unknown_key_names_its_neighbour(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    assert_false(load(GOOD "[video]\ncamra=test\n", &settings, &error));
    assert_int_equal(error.problem, KG_SETTINGS_UNKNOWN_KEY);
    assert_int_equal(error.line, 10);
    assert_string_equal(error.nearest, "camera");
    assert_non_null(strstr(error.message, "terminal.conf:10"));
}

static void expect_refused(const char *text, const char *key)
{
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    assert_false(load(text, &settings, &error));
    assert_string_equal(error.key, key);
    assert_true(error.message[0] != '\0');
}

static void test_refused_values(void **state)
{
    (void)state;
    expect_refused(GOOD "[video]\nwidth=641\n", "width");
    expect_refused(GOOD "[video]\nheight=721\n", "height");
    expect_refused(GOOD "[video]\nfps=0\n", "fps");
    expect_refused(GOOD "[media]\nudp=sometimes\n", "udp");
    expect_refused(GOOD "[proxy]\nhost=p\nuser=a:b\n", "user");
    expect_refused(GOOD "[proxy]\nhost=p\npassword=x\n", "password");
    expect_refused(GOOD "[proxy]\nuser=x\n", "user");
    expect_refused("[relay]\nhost=relay.test\nca-file=ca.crt\n[identity]\nkey-file=k\ncertificate-file=c\n",
                   "folder");
}

static void test_defaults_show_a_page(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    kg_terminal_settings_defaults(&settings);
    assert_int_equal(settings.language, KG_LANGUAGE_JA);
    kg_terminal_settings_finish(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test_setup_teardown(test_sample_states_defaults, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_relative_paths, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_unknown_key_names_its_neighbour, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused_values, make_folder, remove_folder),
        cmocka_unit_test(test_defaults_show_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
