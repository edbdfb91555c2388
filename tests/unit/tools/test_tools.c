/* The measuring tools against meetings made up here, whose figures are known: what measures must itself be
 * right. */
#include "unit/cmocka_all.h"

#include <endian.h>
#include <gst/gst.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/hearing.h"
#include "tools/mark.h"
#include "tools/report.h"
#include "tools/sight.h"
#include "tools/ssim.h"
#include "tools/tap.h"
#include "tools/voice.h"
#include "tools/y4m.h"

enum { WIDTH = 640, HEIGHT = 360, FPS = 30, FRAMES = 60, STRIP = 32, START_US = 1000000 };
static char dir[] = "/tmp/kaigi-tools-XXXXXX";
static char clip[64];

static void put(FILE *f, enum kg_tap_kind kind, int64_t time_us, uint32_t width, uint32_t height,
                const void *payload, uint32_t bytes)
{
    uint32_t head[8] = {
        0, htole32((uint32_t)kind), 0, 0, htole32(width), htole32(height), htole32(48000), htole32(bytes)};
    uint64_t time = htole64((uint64_t)time_us);
    memcpy(head, "KGT1", 4);
    memcpy(head + 2, &time, sizeof time);
    fwrite(head, sizeof head, 1, f);
    fwrite(payload, bytes, 1, f);
}

static FILE *tap_file(const char *room, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, room);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", dir, room, name);
    return fopen(path, "wb");
}

static void rgba_of_luma(const uint8_t *luma, size_t pixels, uint8_t *rgba)
{
    for (size_t i = 0; i < pixels; i++) {
        double v = (luma[i] - 16) * 255.0 / 219.0;
        uint8_t grey = (uint8_t)fmax(0, fmin(255, lrint(v)));
        memcpy(rgba + 4 * i, (uint8_t[]){grey, grey, grey, 255}, 4);
    }
}

/* A sends FRAMES pictures; B draws them delay_us later, twice as large, all the same one when `stuck`, none
 * while hole_from ≤ n < hole_to; if settled, the last one again as a whole, 10 s later. */
static void make_pictures(int64_t delay_us, bool stuck, int hole_from, int hole_to, bool settled)
{
    struct kg_y4m y4m;
    static uint8_t luma[WIDTH * HEIGHT], large[WIDTH * HEIGHT * 4], rgba[WIDTH * HEIGHT * 16];
    static uint8_t strip[WIDTH * STRIP * 3 / 2];
    FILE *camera = tap_file("a", "camera.tap"), *screen = tap_file("b", "screen.tap");
    assert_true(kg_y4m_open(&y4m, clip));
    for (int n = 0; n < FRAMES; n++) {
        int64_t at_us = START_US + n * INT64_C(1000000) / FPS;
        assert_true(kg_y4m_luma(&y4m, (uint32_t)(stuck ? 0 : n), luma));
        memcpy(strip, luma + (HEIGHT - STRIP) * WIDTH, WIDTH * STRIP);
        put(camera, KG_TAP_I420_STRIP, at_us, WIDTH, STRIP, strip, sizeof strip);
        if (n >= hole_from && n < hole_to)
            continue;
        for (int y = 0; y < HEIGHT * 2; y++)
            for (int x = 0; x < WIDTH * 2; x++)
                large[y * WIDTH * 2 + x] = luma[y / 2 * WIDTH + x / 2];
        rgba_of_luma(large, sizeof large, rgba);
        put(screen, KG_TAP_RGBA_STRIP, at_us + delay_us, WIDTH * 2, STRIP,
            rgba + (size_t)(HEIGHT * 2 - STRIP) * WIDTH * 2 * 4, STRIP * WIDTH * 2 * 4);
        if (settled && n == FRAMES - 1) /* long after the first */
            put(screen, KG_TAP_RGBA, at_us + delay_us + 10000000, WIDTH * 2, HEIGHT * 2, rgba, sizeof rgba);
    }
    kg_y4m_close(&y4m);
    fclose(camera);
    fclose(screen);
}

static void measure(struct kg_sight *s)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    assert_true(kg_sight_measure(a, b, clip, s));
}

static void sight_measures_a_known_meeting(void **state)
{
    (void)state;
    struct kg_sight s;
    make_pictures(70000, false, 0, 0, false);
    measure(&s);
    assert_int_equal(s.frames, FRAMES);
    assert_true(fabs(s.fps - FPS) < 0.1);
    assert_true(fabs(s.delay_ms_p50 - 70) < 0.01 && fabs(s.delay_ms_p95 - 70) < 0.01);
    assert_true(s.freeze_ms == 0);
    assert_int_equal(s.first_us, START_US + 70000);
}

static void sight_compares_whole_pictures_that_have_settled(void **state)
{
    (void)state;
    struct kg_sight s;
    make_pictures(70000, false, 0, 0, true);
    measure(&s);
    assert_true(s.ssim > 0.99);
    assert_int_equal(s.width, WIDTH * 2);
    assert_int_equal(s.frames, FRAMES); /* the whole picture's mark was read, and is the last one's */
    assert_true(s.freeze_ms > 9000);
}

static void sight_sees_a_freeze_and_a_still_picture(void **state)
{
    (void)state;
    struct kg_sight s;
    make_pictures(20000, false, 20, 50, false); /* one second missing */
    measure(&s);
    assert_true(fabs(s.freeze_ms - 1000) < 2);
    assert_int_equal(s.frames, FRAMES - 30);
    make_pictures(20000, true, 0, 0, false);
    measure(&s);
    assert_int_equal(s.frames, 1);
    assert_true(s.freeze_ms > 1500);
}

static void likeness_falls_with_damage(void **state)
{
    (void)state;
    static uint8_t a[64 * 64], b[64 * 64];
    for (int y = 0; y < 64; y++) {
        for (int x = 0, i = y * 64; x < 64; x++, i++)
            a[i] = b[i] = (uint8_t)(128 + 100 * sin(i * 0.37) * cos(y * 0.21));
    }
    struct kg_ssim_rect none = {0};
    assert_true(kg_ssim(a, 64, b, 64, 64, 64, none) > 0.9999);
    for (int i = 0; i < 64 * 64; i++)
        b[i] = (uint8_t)(128 + (a[i] - 128) / 3);
    assert_true(kg_ssim(a, 64, b, 64, 64, 64, none) < 0.8);
    memset(b, 128, sizeof b);
    assert_true(kg_ssim(a, 64, b, 64, 64, 64, none) < 0.1);
    memcpy(b, a, sizeof b);
    memset(b, 0, 64 * 16);
    assert_true(kg_ssim(a, 64, b, 64, 64, 64, (struct kg_ssim_rect){0, 0, 64, 16}) > 0.9999); /* left out */
}

/* A says 12 s; B plays it delay_ms later with each loss_every-th 20 ms block silent (0: none), or all of it.
 * From block hurried on (0: none) B plays it 60 ms sooner, as a playout buffer does that has shrunk. */
static void make_sound(int delay_ms, int loss_every, bool silent, int hurried)
{
    char path[80];
    snprintf(path, sizeof path, "%s/voice.wav", dir);
    assert_true(kg_voice_write("test", KG_CHIRP_UP, 12, path));
    FILE *wav = fopen(path, "rb"), *mic = tap_file("a", "microphone.tap"),
         *speaker = tap_file("b", "speaker.tap");
    int16_t block[960];
    assert_int_equal(fseek(wav, 44, SEEK_SET), 0);
    for (int n = 0; fread(block, sizeof block, 1, wav) == 1; n++) {
        int64_t at_us = START_US + n * INT64_C(20000);
        put(mic, KG_TAP_PCM, at_us, 0, 0, block, sizeof block);
        if (silent || (loss_every > 0 && n % loss_every == 0))
            memset(block, 0, sizeof block);
        int64_t played_us = at_us + delay_ms * 1000;
        if (hurried > 0 && n >= hurried)
            played_us -= 60000;
        if (hurried == 0 || n < hurried - 3 || n >= hurried)
            put(speaker, KG_TAP_PCM, played_us, 0, 0, block, sizeof block);
    }
    fclose(wav);
    fclose(mic);
    fclose(speaker);
}

static void listen(struct kg_hearing *h)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    assert_true(kg_hearing_measure(a, b, KG_CHIRP_UP, h));
}

static void hearing_measures_a_known_meeting(void **state)
{
    (void)state;
    struct kg_hearing h;
    make_sound(87, 0, false, 0);
    listen(&h);
    assert_true(h.chirps_sent >= 4);
    assert_int_equal(h.chirps_heard, h.chirps_sent);
    assert_true(fabs(h.delay_ms - 87) < 1);
    assert_true(h.concealed_percent >= 0 && h.concealed_percent < 2);
    assert_true(h.blocks > 100);
}

static void hearing_hears_loss_and_silence(void **state)
{
    (void)state;
    struct kg_hearing h;
    make_sound(40, 3, false, 0);
    listen(&h);
    assert_true(h.concealed_percent > 25 && h.concealed_percent < 45);
    make_sound(40, 0, true, 0);
    listen(&h);
    assert_int_equal(h.chirps_heard, 0);
    assert_true(h.chirps_sent >= 4);
}

static void hearing_follows_a_playout_buffer_that_shrinks(void **state)
{
    (void)state;
    struct kg_hearing h;
    make_sound(140, 0, false, 350);
    listen(&h);
    assert_int_equal(h.chirps_heard, h.chirps_sent);
    /* The three blocks cut away are gone, and nothing else. */
    assert_true(fabs(h.concealed_percent - 300.0 / h.blocks) < 0.5);
}

static void chirps_of_the_other_room_are_not_ours(void **state)
{
    (void)state;
    static float pcm[KG_CHIRP_RATE * 2];
    size_t found[8];
    kg_chirp_fill(KG_CHIRP_DOWN, pcm + 3000, KG_CHIRP_SAMPLES, KG_CHIRP_RATE);
    assert_int_equal(kg_chirp_find(KG_CHIRP_UP, pcm, KG_CHIRP_RATE * 2, found, 8), 0);
    assert_int_equal(kg_chirp_find(KG_CHIRP_DOWN, pcm, KG_CHIRP_RATE * 2, found, 8), 1);
    assert_true(found[0] >= 2999 && found[0] <= 3001);
}

static int prepare(void **state)
{
    (void)state;
    gst_init(NULL, NULL);
    assert_non_null(mkdtemp(dir));
    snprintf(clip, sizeof clip, "%s/clip.y4m", dir);
    struct kg_mark_clip c = {
        .source = "test", .out = clip, .width = WIDTH, .height = HEIGHT, .fps = FPS, .frames = FRAMES};
    return kg_mark_write(&c) ? 0 : 1;
}

static const char *write_json(const char *name, const char *text)
{
    static char paths[8][80];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void report_tells_what_was_sent(void **state)
{
    (void)state;
    char out[80];
    snprintf(out, sizeof out, "%s/report.json", dir);
    struct kg_report report = {
        .room = {{.name = "room-a", .tap_dir = dir, .clip = clip},
                 {.name = "room-b", .tap_dir = dir, .clip = clip}},
        .seconds = 10,
        .out = out,
        .early = write_json("early.json", "{\"uptime_s\": 5.5, \"meetings\": [{\"parties\": ["
                                          "{\"room\": \"room-a\", \"bytes_in\": 100000}]}]}"),
        .status = write_json("status.json", "{\"uptime_s\": 15.5, \"meetings\": [{\"parties\": ["
                                            "{\"room\": \"room-b\", \"bytes_in\": 700},"
                                            "{\"room\": \"room-a\", \"bytes_in\": 2100000}]}]}"),
        .relay_idle = write_json("idle.json", "{\"rss_kb\": 9000}"),
        .relay_before = write_json("before.json", "{\"at_s\": 100.5, \"cpu_s\": 3}"),
        .relay_after = write_json("after.json", "{\"at_s\": 110.5, \"cpu_s\": 4.25}"),
    };
    assert_false(kg_report_write(&report)); /* nobody saw or heard anything */
    json_t *root = json_load_file(out, 0, NULL), *rooms = json_object_get(root, "rooms");
    json_t *a = json_object_get(json_object_get(rooms, "room-a"), "sent_kbps");
    assert_true(json_is_real(a) && json_real_value(a) == 1600);
    /* A room that was not there at the beginning: better no figure than a wrong one. */
    assert_true(json_is_null(json_object_get(json_object_get(rooms, "room-b"), "sent_kbps")));
    json_t *idle = json_object_get(json_object_get(root, "relay"), "rss_idle_kb");
    assert_int_equal(json_integer_value(idle), 9000);
    json_t *cores = json_object_get(json_object_get(root, "relay"), "cpu_cores");
    assert_true(json_is_real(cores) && json_real_value(cores) == 0.125);
    /* Without figures from both ends, none. */
    assert_true(json_is_null(json_object_get(json_object_get(rooms, "room-a"), "cpu_cores")));
    json_decref(root);
}

static int clean(void **state)
{
    (void)state;
    static const char *const files[] = {"a/camera.tap",
                                        "a/microphone.tap",
                                        "b/screen.tap",
                                        "b/speaker.tap",
                                        "clip.y4m",
                                        "voice.wav",
                                        "early.json",
                                        "status.json",
                                        "idle.json",
                                        "before.json",
                                        "after.json",
                                        "report.json",
                                        "a",
                                        "b",
                                        ""};
    char path[80];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sight_measures_a_known_meeting),
        cmocka_unit_test(sight_compares_whole_pictures_that_have_settled),
        cmocka_unit_test(sight_sees_a_freeze_and_a_still_picture),
        cmocka_unit_test(likeness_falls_with_damage),
        cmocka_unit_test(hearing_measures_a_known_meeting),
        cmocka_unit_test(hearing_hears_loss_and_silence),
        cmocka_unit_test(hearing_follows_a_playout_buffer_that_shrinks),
        cmocka_unit_test(chirps_of_the_other_room_are_not_ours),
        cmocka_unit_test(report_tells_what_was_sent),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
