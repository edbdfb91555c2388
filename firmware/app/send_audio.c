#include "app/send_audio.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/tap.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

enum { FRAMES = 16, RETRY_US = 2000000, VOICE_LEVEL = 50 /* −dBov: quieter counts as no voice */ };

enum { FRAME_BLOCKS = KG_OPUS_FRAME_SAMPLES / KG_AUDIO_BLOCK_SAMPLES };
static_assert(FRAME_BLOCKS * KG_AUDIO_BLOCK_SAMPLES == KG_OPUS_FRAME_SAMPLES, "a packet holds whole blocks");

/* What one packet holds. The device's blocks are gathered to that before the coder is woken. */
struct frame {
    int64_t capture_us[FRAME_BLOCKS];
    int16_t samples[KG_OPUS_FRAME_SAMPLES];
};

struct kg_send_audio {
    struct kg_send_audio_params params;
    char *microphone, *speaker;
    struct kg_thread thread;
    struct kg_queue *frames; /* of struct frame: device → thread */
    atomic_bool muted, stopping;
    atomic_uint loss_percent;
    /* Of the device's thread. */
    struct frame gathered;
    unsigned blocks; /* in it */
    /* Of the thread. */
    struct kg_audio *device;
    struct kg_opus_encoder *encoder;
    uint32_t position, coded_loss;
    bool device_muted;
};

static void on_play(void *user, int16_t *out, int64_t playout_us)
{
    struct kg_send_audio *audio = user;
    kg_receive_audio_play(audio->params.remote, out, playout_us, kg_clock_now_us());
    kg_tap_sound(audio->params.tap, KG_TAP_SPEAKER, out, KG_AUDIO_BLOCK_SAMPLES, playout_us);
}

static void on_captured(void *user, const int16_t *samples, int64_t capture_us)
{
    struct kg_send_audio *audio = user;
    struct frame *frame = &audio->gathered;
    memcpy(frame->samples + (size_t)audio->blocks * KG_AUDIO_BLOCK_SAMPLES, samples,
           KG_AUDIO_BLOCK_SAMPLES * sizeof *samples);
    frame->capture_us[audio->blocks++] = capture_us;
    if (audio->blocks < FRAME_BLOCKS)
        return;
    audio->blocks = 0;
    if (!kg_queue_push(audio->frames, frame))
        return; /* the coder is 320 ms behind: what is newest is dropped, the clock goes on by capture time */
}

static void on_device(void *user, enum kg_audio_side side, enum kg_device_event event, const char *text)
{
    struct kg_send_audio *audio = user;
    audio->params.event(audio->params.user, side, event, text);
}

static uint8_t level_of(const int16_t *samples, size_t count)
{
    double energy = 0;
    for (size_t i = 0; i < count; i++)
        energy += (double)samples[i] * samples[i];
    if (energy <= 0)
        return 127;
    double dbov = 10 * log10(energy / (double)count / (32768.0 * 32768.0));
    return dbov < -127 ? 127 : dbov > 0 ? 0 : (uint8_t)lround(-dbov);
}

static void code(struct kg_send_audio *audio, const struct frame *frame)
{
    uint32_t loss = atomic_load(&audio->loss_percent);
    if (loss != audio->coded_loss) {
        kg_opus_encoder_set_loss(audio->encoder, loss);
        audio->coded_loss = loss;
    }
    struct kg_coded_sound coded = {.position = audio->position, .capture_us = frame->capture_us[0]};
    coded.level = level_of(frame->samples, KG_OPUS_FRAME_SAMPLES);
    coded.voice = coded.level < VOICE_LEVEL;
    coded.size =
        (uint16_t)kg_opus_encoder_encode(audio->encoder, frame->samples, coded.data, sizeof coded.data);
    if (coded.size > 0 && !kg_queue_push(audio->params.coded, &coded))
        kg_log(KG_LOG_DEBUG, "app", NULL, "sound is dropped before the net");
}

static void take_frame(struct kg_send_audio *audio, const struct frame *frame)
{
    bool muted = atomic_load(&audio->muted);
    if (muted != audio->device_muted) {
        kg_audio_set_mute(audio->device, muted);
        audio->device_muted = muted;
    }
    if (!muted) {
        for (unsigned i = 0; i < FRAME_BLOCKS; i++)
            kg_tap_sound(audio->params.tap, KG_TAP_MICROPHONE,
                         frame->samples + (size_t)i * KG_AUDIO_BLOCK_SAMPLES, KG_AUDIO_BLOCK_SAMPLES,
                         frame->capture_us[i]);
        code(audio, frame);
    }
    audio->position += KG_OPUS_FRAME_SAMPLES;
}

static void report_no_sound(struct kg_send_audio *audio)
{
    static const char text[] = "sound cannot be started: memory or threads are short; tried again by itself";
    on_device(audio, KG_AUDIO_MICROPHONE, KG_DEVICE_MISSING, text);
    on_device(audio, KG_AUDIO_SPEAKER, KG_DEVICE_MISSING, text);
}

/* Until it opens; the device then says itself what it found. false: to be stopped before that. */
static bool open_device(struct kg_send_audio *audio, const struct kg_audio_params *params)
{
    struct frame none;
    bool reported = false;
    while (!atomic_load(&audio->stopping)) {
        audio->device = kg_audio_open(params);
        if (audio->device)
            return true;
        if (!reported)
            report_no_sound(audio);
        reported = true;
        (void)!kg_queue_pop_wait(audio->frames, &none, kg_clock_now_us() + RETRY_US);
    }
    return false;
}

static void run(void *arg)
{
    struct kg_send_audio *audio = arg;
    const struct kg_audio_params params = {.microphone = audio->microphone,
                                           .speaker = audio->speaker,
                                           .play = on_play,
                                           .captured = on_captured,
                                           .event = on_device,
                                           .user = audio};
    if (!open_device(audio, &params))
        return;
    kg_audio_set_mute(audio->device, audio->device_muted);
    kg_audio_set_volume(audio->device, audio->params.volume);
    struct frame frame;
    while (kg_queue_pop_wait(audio->frames, &frame, INT64_MAX))
        take_frame(audio, &frame);
    kg_audio_close(audio->device);
}

static void destroy_parts(struct kg_send_audio *audio)
{
    kg_opus_encoder_destroy(audio->encoder);
    kg_queue_destroy(audio->frames);
    free(audio->microphone);
    free(audio->speaker);
    free(audio);
}

struct kg_send_audio *kg_send_audio_create(const struct kg_send_audio_params *params)
{
    struct kg_send_audio *audio = calloc(1, sizeof *audio);
    if (!audio)
        return NULL;
    audio->params = *params;
    audio->microphone = strdup(params->microphone);
    audio->speaker = strdup(params->speaker);
    audio->frames = kg_queue_create(FRAMES, sizeof(struct frame));
    audio->device_muted = params->muted;
    atomic_init(&audio->muted, params->muted);
    const struct kg_opus_encoder_params opus = {.rate_bps = params->rate_bps, .complexity = 5};
    audio->encoder = kg_opus_encoder_create(&opus);
    if (!audio->microphone || !audio->speaker || !audio->frames || !audio->encoder ||
        !kg_thread_start(&audio->thread, "send-audio", run, audio)) {
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot start the sound's thread");
        destroy_parts(audio);
        return NULL;
    }
    return audio;
}

void kg_send_audio_destroy(struct kg_send_audio *audio)
{
    if (!audio)
        return;
    atomic_store(&audio->stopping, true);
    kg_queue_close(audio->frames);
    kg_thread_join(&audio->thread);
    destroy_parts(audio);
}

void kg_send_audio_set_mute(struct kg_send_audio *audio, bool muted)
{
    atomic_store(&audio->muted, muted);
}

void kg_send_audio_set_loss(struct kg_send_audio *audio, uint32_t percent)
{
    atomic_store(&audio->loss_percent, percent);
}
