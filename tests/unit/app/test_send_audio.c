/* Sound that cannot be opened at first: said, and tried again. The device is a fake. */
#include "app/send_audio.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "app/tap.h"
#include "unit/cmocka_all.h"

struct kg_audio {
    int unused;
};

static struct kg_audio device;
static atomic_int opened, closed, refusals;
static atomic_int missing[2];
static atomic_bool hurry;
static sem_t tried;

struct kg_audio *kg_audio_open(const struct kg_audio_params *params)
{
    static const int16_t block[KG_AUDIO_BLOCK_SAMPLES];
    atomic_fetch_add(&opened, 1);
    for (int i = 0; hurry && i < 2; i++)
        params->captured(params->user, block, i); /* a packet's worth ends the pause before the next try */
    bool refused = atomic_fetch_sub(&refusals, 1) > 0;
    sem_post(&tried);
    return refused ? NULL : &device;
}

void kg_audio_close(struct kg_audio *audio)
{
    assert_ptr_equal(audio, &device);
    atomic_fetch_add(&closed, 1);
}

void kg_audio_set_mute(struct kg_audio *audio, bool muted)
{
    (void)muted;
    assert_ptr_equal(audio, &device);
}

void kg_audio_set_volume(struct kg_audio *audio, float volume)
{
    (void)volume;
    assert_ptr_equal(audio, &device);
}

void kg_receive_audio_play(struct kg_receive_audio *audio, int16_t *out, int64_t playout_us, int64_t now_us)
{
    (void)audio, (void)out, (void)playout_us, (void)now_us;
}

void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us)
{
    (void)tap, (void)file, (void)samples, (void)count, (void)time_us;
}

static void on_event(void *user, enum kg_audio_side side, enum kg_device_event event, const char *text)
{
    (void)user;
    if (event == KG_DEVICE_MISSING && text)
        atomic_fetch_add(&missing[side], 1);
}

static struct kg_send_audio *start(struct kg_queue *coded, int refuse)
{
    opened = closed = missing[0] = missing[1] = 0;
    refusals = refuse;
    assert_int_equal(sem_init(&tried, 0, 0), 0);
    const struct kg_send_audio_params params = {.microphone = "none",
                                                .speaker = "none",
                                                .volume = 1,
                                                .rate_bps = 32000,
                                                .muted = true,
                                                .coded = coded,
                                                .event = on_event};
    struct kg_send_audio *audio = kg_send_audio_create(&params);
    assert_non_null(audio);
    return audio;
}

static void sound_that_does_not_open_is_said_and_tried_again(void **state)
{
    (void)state;
    struct kg_queue *coded = kg_queue_create(4, sizeof(struct kg_coded_sound));
    hurry = true;
    struct kg_send_audio *audio = start(coded, 2);
    for (int i = 0; i < 3; i++)
        sem_wait(&tried);
    kg_send_audio_destroy(audio);
    assert_int_equal(missing[KG_AUDIO_MICROPHONE], 1); /* not for every try */
    assert_int_equal(missing[KG_AUDIO_SPEAKER], 1);
    assert_int_equal(opened, 3);
    assert_int_equal(closed, 1);
    kg_queue_destroy(coded);
}

static void the_pause_before_a_try_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct kg_queue *coded = kg_queue_create(4, sizeof(struct kg_coded_sound));
    hurry = false;
    struct kg_send_audio *audio = start(coded, 1);
    sem_wait(&tried);
    kg_send_audio_destroy(audio);
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 0);
    kg_queue_destroy(coded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_that_does_not_open_is_said_and_tried_again),
        cmocka_unit_test(the_pause_before_a_try_does_not_hold_up_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
