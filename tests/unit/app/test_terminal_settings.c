#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/agenda_cache.h"
#include "app/settings_words.h"
#include "app/terminal_settings.h"
#include "app/time_zone.h"
#include "core/room_state.h"
#include "core/words.h"
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
    assert_string_equal(sample.time_zone, defaults.time_zone);
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

static void test_time_zones(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    static const char *const wrong[] = {
        "Asia/Tokio", "Asia", "JST-9", "/etc/localtime", "../../../etc/localtime", "zone.tab", "東京"};
    for (size_t i = 0; i < KG_ARRAY_LEN(wrong); i++) {
        char text[512];
        snprintf(text, sizeof text, "%s[screen]\ntime-zone = %s\n", GOOD, wrong[i]);
        expect_refused(text, "time-zone");
        assert_false(load(text, &settings, &error));
        assert_int_equal(error.line, 10);
        assert_non_null(strstr(error.message, "terminal.conf:10"));
        assert_non_null(strstr(error.message, wrong[i]));
        assert_non_null(strstr(error.expected, "Asia/Tokyo"));
    }
    assert_true(load(GOOD "[screen]\ntime-zone = UTC\n", &settings, &error));
    assert_string_equal(settings.time_zone, "UTC");
    kg_terminal_settings_finish(&settings);
}

/* On a PC that keeps UTC the new year, and the era's new year, begin when they do in Japan. */
static void test_japan_time_on_a_pc_in_utc(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    const int64_t eve_us = INT64_C(1798729199) * 1000000; /* 2026-12-31 23:59:59 in Japan, 14:59:59 UTC */
    char text[64];
    setenv("TZ", "UTC", 1);
    tzset();
    assert_true(load(GOOD, &settings, &error));
    kg_words_clock(text, sizeof text, eve_us);
    assert_string_equal(text, "14:59");
    kg_time_zone_apply(settings.time_zone);
    kg_words_clock(text, sizeof text, eve_us);
    assert_string_equal(text, "23:59");
    kg_words_date(text, sizeof text, eve_us);
    assert_string_equal(text, "令和8年12月31日(木)");
    kg_words_clock(text, sizeof text, eve_us + 1000000);
    assert_string_equal(text, "0:00");
    kg_words_date(text, sizeof text, eve_us + 1000000);
    assert_string_equal(text, "令和9年1月1日(金)");
    assert_int_equal(kg_agenda_next_day_us(eve_us), eve_us + 1000000);
    kg_terminal_settings_finish(&settings);
}

static void test_never_is_never(void **state)
{
    (void)state;
    struct kg_terminal_settings settings = {.media_udp = KG_MEDIA_UDP_NEVER};
    static const char *const options[] = {NULL, "auto", "tunnel"};
    enum kg_media_path path;
    for (size_t i = 0; i < KG_ARRAY_LEN(options); i++) {
        path = KG_MEDIA_PATH_AUTO;
        assert_true(kg_terminal_settings_path(&settings, options[i], &path));
        assert_int_equal(path, KG_MEDIA_PATH_TUNNEL);
    }
    assert_false(kg_terminal_settings_path(&settings, "udp", &path));
    static const enum kg_media_path free_choice[] = {KG_MEDIA_PATH_AUTO, KG_MEDIA_PATH_AUTO,
                                                     KG_MEDIA_PATH_TUNNEL};
    settings.media_udp = KG_MEDIA_UDP_AUTO;
    for (size_t i = 0; i < KG_ARRAY_LEN(options); i++) {
        assert_true(kg_terminal_settings_path(&settings, options[i], &path));
        assert_int_equal(path, free_choice[i]);
    }
    assert_true(kg_terminal_settings_path(&settings, "udp", &path));
    assert_int_equal(path, KG_MEDIA_PATH_UDP);
}

/* The sentences are made of what the loader really says: an expectation nobody translated shows here. */
static void test_mistakes_in_japanese(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } mistakes[] = {
        {GOOD "[video]\ncamra=test\n",
         "の10行目: [video]のcamraという項目はありません。cameraの書き間違いではありませんか。"},
        {GOOD "[video]\nqqqqqqqqqqqq=1\n",
         "の10行目: [video]のqqqqqqqqqqqqという項目はありません。消してください。"},
        {GOOD "[vidoe]\n", "の9行目: [vidoe]という項目はありません。[video]の書き間違いではありませんか。"},
        {GOOD "[video]\nfps=0\n",
         "の10行目: [video]のfpsの値が正しくありません。1から60までの整数にしてください。"},
        {GOOD "[media]\nudp=sometimes\n",
         "の10行目: [media]のudpの値が正しくありません。auto, neverのどれかにしてください。"},
        {GOOD "[screen]\nfullscreen=yes\n",
         "の10行目: [screen]のfullscreenの値が正しくありません。trueかfalseにしてください。"},
        {GOOD "[screen]\ntime-zone=Asia/Tokio\n", "の10行目: [screen]のtime-zoneの値が正しくありません。Asia/"
                                                  "Tokyoのような時間帯の名前にしてください。"},
        {GOOD "[screen]\ntime-zone=JST 9\n", "の10行目: [screen]のtime-zoneの値が正しくありません。Asia/"
                                             "Tokyoのような時間帯の名前にしてください。"},
        {GOOD "[proxy]\nhost=\n",
         "の10行目: [proxy]のhostの値が正しくありません。1から253バイトまでの文字列にしてください。"},
        {GOOD "[proxy]\nhost=a\\q\n",
         "の10行目: [proxy]のhostの値が正しくありません。「\\」を「\\\\」と書いた文字列にしてください。"},
        {GOOD "[video]\nwidth=641\n", ": [video]のwidthの値が正しくありません。偶数にしてください。"},
        {GOOD "[proxy]\nhost=p\nuser=a:b\n",
         ": [proxy]のuserの値が正しくありません。「:」を含まない名前にしてください。"},
        {GOOD "[proxy]\nhost=p\npassword=x\n", ": [proxy]にpasswordがあるときは、userも書いてください。"},
        {GOOD "[proxy]\nuser=x\n", ": [proxy]にuserがあるときは、hostも書いてください。"},
        {GOOD "[video]\nfps=9\nfps=9\n",
         "の11行目: [video]のfpsが2回書かれています。1つだけ残してください。"},
        {GOOD "host\n", "の9行目: 書き方が正しくありません。[名前]、項目=値、#"
                        "で始まる注釈のどれかを、UTF-8で書いてください。"},
        {"[relay]\n", ": [relay]のhostがありません。書き加えてください。"},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(mistakes); i++) {
        struct kg_terminal_settings settings;
        struct kg_settings_error error;
        char text[256], expected[512], shown[256];
        assert_false(load(mistakes[i].text, &settings, &error));
        kg_settings_words(text, sizeof text, "/etc/kaigi/terminal.conf", &error);
        snprintf(expected, sizeof expected, "/etc/kaigi/terminal.conf%s", mistakes[i].words);
        assert_string_equal(text, expected);
        kg_room_text_set(shown, sizeof shown, text);
        assert_string_equal(shown, expected);
    }
}

static void test_long_path_and_no_file(void **state)
{
    (void)state;
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    char path[256], text[256];
    memset(path, 'x', sizeof path);
    snprintf(path + 200, sizeof path - 200, "/terminal.conf");
    path[0] = '/';
    assert_false(kg_terminal_settings_load(path, &settings, &error));
    kg_settings_words(text, sizeof text, path, &error);
    assert_string_equal(text, "terminal.conf: ファイルを読めません。場所と、読む権限を確かめてください。");
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
        cmocka_unit_test_setup_teardown(test_time_zones, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_japan_time_on_a_pc_in_utc, make_folder, remove_folder),
        cmocka_unit_test(test_never_is_never),
        cmocka_unit_test_setup_teardown(test_mistakes_in_japanese, make_folder, remove_folder),
        cmocka_unit_test(test_long_path_and_no_file),
        cmocka_unit_test(test_defaults_show_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
