#include "gst/audio.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "gst/audio_pipeline.h"
#include "gst/echo_canceller.h"
#include "gst/far_line.h"
#include "gst/path_watch.h"
#include "gst/sound.h"

#define MODULE "gst"

#define BLOCK          KG_AUDIO_BLOCK_SAMPLES
#define FIRST_RETRY_US 250000
#define LAST_RETRY_US  4000000
#define TICK_US        50000 /* between looks at the pipeline's health; how long close may have to wait */
#define STALLED_US     3000000

enum spec_kind { SPEC_NONE, SPEC_TEST, SPEC_AUTO, SPEC_PULSE, SPEC_ALSA, SPEC_FILE };

/* One side as the supervising thread sees it. */
struct side {
    char *spec;
    enum spec_kind kind;
    struct kg_audio_end end; /* what the running pipeline uses */
    bool up;                 /* RUNNING was told since the last failure */
    bool reported;           /* the failure now lasting was told */
    int64_t retry_us;
    int64_t retry_at_us;    /* 0: nothing to retry */
    uint32_t blocks_before; /* count when the pipeline started */
    uint32_t blocks_seen;
    int64_t progress_us;
};

struct kg_audio {
    struct kg_audio_params params;
    struct kg_thread thread;
    struct kg_path_watch watch; /* of a microphone file; its stop also ends the thread */
    struct side side[2];        /* the supervising thread's */
    struct kg_audio_pipeline *pipeline;
    struct kg_far_line far;
    struct kg_echo_canceller *canceller; /* capture thread's; NULL: raw */
    struct kg_mutex sound_mutex;         /* guards sound */
    struct kg_sound *sound;              /* heard in place of a microphone; NULL: silence */
    atomic_bool muted;
    _Atomic float volume;
    atomic_uint blocks[2]; /* by side */
    atomic_uint restarts;
    atomic_int echo_delay_us;
};

static const char *const side_names[2] = {"microphone", "speaker"};

static void on_play(void *user, int16_t *out, int64_t at_us)
{
    struct kg_audio *audio = user;
    float volume = atomic_load_explicit(&audio->volume, memory_order_relaxed);
    audio->params.play(audio->params.user, out, at_us);
    for (int i = 0; volume < 1 && i < BLOCK; i++)
        out[i] = (int16_t)lrintf((float)out[i] * volume);
    kg_far_line_write(&audio->far, out, BLOCK);
    atomic_fetch_add_explicit(&audio->blocks[KG_AUDIO_SPEAKER], 1, memory_order_relaxed);
}

static void on_captured(void *user, const int16_t *block, int64_t position, int64_t at_us)
{
    struct kg_audio *audio = user;
    int16_t near[BLOCK], far[BLOCK];
    memcpy(near, block, sizeof near);
    if (audio->side[KG_AUDIO_MICROPHONE].end.kind == KG_AUDIO_CLOCKED) { /* fixed while the pipeline runs */
        kg_mutex_lock(&audio->sound_mutex);
        kg_sound_read(audio->sound, near, BLOCK);
        kg_mutex_unlock(&audio->sound_mutex);
    }
    if (audio->canceller) {
        kg_far_line_read(&audio->far, far, BLOCK, position);
        (void)kg_echo_canceller_process(audio->canceller, near, far, near); /* failed: near stays as it was */
        atomic_store_explicit(&audio->echo_delay_us, kg_echo_canceller_delay_us(audio->canceller),
                              memory_order_relaxed);
    }
    if (atomic_load_explicit(&audio->muted, memory_order_relaxed))
        memset(near, 0, sizeof near);
    audio->params.captured(audio->params.user, near, at_us);
    atomic_fetch_add_explicit(&audio->blocks[KG_AUDIO_MICROPHONE], 1, memory_order_relaxed);
}

static void tell(struct kg_audio *audio, enum kg_audio_side which, enum kg_device_event event,
                 const char *text)
{
    static const char *const ids[2][3] = {
        {"microphone.running", "microphone.missing", "microphone.lost"},
        {"speaker.running", "speaker.missing", "speaker.lost"},
    };
    kg_log(event == KG_DEVICE_RUNNING ? KG_LOG_INFO : KG_LOG_WARN, MODULE, ids[which][event], "%s", text);
    if (audio->params.event)
        audio->params.event(audio->params.user, which, event, text);
}

static void side_works(struct kg_audio *audio, enum kg_audio_side which)
{
    struct side *side = &audio->side[which];
    char text[200];
    if (side->up)
        return;
    side->up = true;
    side->reported = false;
    side->retry_us = FIRST_RETRY_US;
    side->retry_at_us = 0;
    snprintf(text, sizeof text, "%s %s works", side_names[which], side->spec);
    tell(audio, which, KG_DEVICE_RUNNING, text);
}

static void side_failed(struct kg_audio *audio, enum kg_audio_side which, const char *cause)
{
    struct side *side = &audio->side[which];
    const char *remedy =
        side->kind == SPEC_FILE
            ? "check that the path is right, readable (microphone) or writable (speaker)"
            : "check its cable and its name (arecord -L, aplay -L, pactl list short), and that no "
              "other program holds it";
    char text[KG_PIPELINE_ERROR_MAX + 300];
    side->retry_at_us = kg_clock_now_us() + side->retry_us;
    side->retry_us = KG_MIN(side->retry_us * 2, (int64_t)LAST_RETRY_US);
    if (side->reported)
        return;
    snprintf(text, sizeof text, "%s %s: %s; %s; it is tried again by itself", side_names[which], side->spec,
             cause, remedy);
    tell(audio, which, side->up ? KG_DEVICE_LOST : KG_DEVICE_MISSING, text);
    side->up = false;
    side->reported = true;
}

static void swap_sound(struct kg_audio *audio, struct kg_sound *sound)
{
    kg_mutex_lock(&audio->sound_mutex);
    struct kg_sound *old = audio->sound;
    audio->sound = sound;
    kg_mutex_unlock(&audio->sound_mutex);
    kg_sound_destroy(old);
}

/* "auto": a sound server where there is one, ALSA's default otherwise. */
static bool find_auto(enum kg_audio_side which, struct kg_audio_end *end, char *error)
{
    char ignored[KG_PIPELINE_ERROR_MAX];
    *end = (struct kg_audio_end){.kind = KG_AUDIO_PULSE};
    if (kg_audio_probe(which, end, ignored))
        return true;
    *end = (struct kg_audio_end){.kind = KG_AUDIO_ALSA, .name = "default"};
    return kg_audio_probe(which, end, error);
}

static bool load_file(struct kg_audio *audio, char *error)
{
    if (!kg_path_watch_mark(&audio->watch)) {
        snprintf(error, KG_PIPELINE_ERROR_MAX, "it is not there");
        return false;
    }
    struct kg_sound *sound = kg_sound_load(audio->side[KG_AUDIO_MICROPHONE].spec, error);
    if (sound)
        swap_sound(audio, sound);
    return sound != NULL;
}

/* Can the side be used (again)? Writes what to build the pipeline with; on false the side failed and is
 * silent. */
static bool try_side(struct kg_audio *audio, enum kg_audio_side which, struct kg_audio_end *end)
{
    struct side *side = &audio->side[which];
    char error[KG_PIPELINE_ERROR_MAX] = "";
    bool usable = true;
    *end = (struct kg_audio_end){.kind = KG_AUDIO_CLOCKED};
    switch (side->kind) {
    case SPEC_NONE:
    case SPEC_TEST:
        break;
    case SPEC_FILE:
        if (which == KG_AUDIO_SPEAKER)
            *end = (struct kg_audio_end){.kind = KG_AUDIO_WAV, .name = side->spec};
        usable = which == KG_AUDIO_SPEAKER ? kg_audio_probe(which, end, error) : load_file(audio, error);
        break;
    case SPEC_AUTO:
        usable = find_auto(which, end, error);
        break;
    case SPEC_PULSE:
    case SPEC_ALSA:
        end->kind = side->kind == SPEC_PULSE ? KG_AUDIO_PULSE : KG_AUDIO_ALSA;
        end->name = side->spec + (side->kind == SPEC_PULSE ? strlen("pulse:") : 0);
        usable = kg_audio_probe(which, end, error);
        break;
    }
    if (usable)
        return true;
    *end = (struct kg_audio_end){.kind = KG_AUDIO_CLOCKED};
    side_failed(audio, which, error);
    return false;
}

static void stop_pipeline(struct kg_audio *audio)
{
    kg_audio_pipeline_close(audio->pipeline);
    audio->pipeline = NULL;
}

static uint32_t blocks_of(struct kg_audio *audio, enum kg_audio_side which)
{
    return atomic_load_explicit(&audio->blocks[which], memory_order_relaxed);
}

/* Builds the pipeline, of which there is none now, from both sides' ends; a side that is refused is replaced
 * by silence. */
static void start_pipeline(struct kg_audio *audio)
{
    char error[KG_PIPELINE_ERROR_MAX];
    enum kg_audio_side guilty;
    for (int attempt = 0; attempt < 3 && !audio->pipeline; attempt++) {
        struct kg_audio_pipeline_params params = {
            .end = {audio->side[0].end, audio->side[1].end},
            .play = on_play,
            .captured = on_captured,
            .user = audio,
        };
        kg_far_line_reset(&audio->far);
        for (int i = 0; i < 2; i++) {
            audio->side[i].blocks_before = audio->side[i].blocks_seen =
                blocks_of(audio, (enum kg_audio_side)i);
            audio->side[i].progress_us = kg_clock_now_us();
        }
        audio->pipeline = kg_audio_pipeline_open(&params, &guilty, error);
        if (!audio->pipeline) {
            side_failed(audio, guilty, error);
            audio->side[guilty].end = (struct kg_audio_end){.kind = KG_AUDIO_CLOCKED};
        }
    }
}

/* A failed side goes silent until it is tried again; the other side goes on after a short gap. */
static void lose_side(struct kg_audio *audio, enum kg_audio_side which, const char *cause)
{
    stop_pipeline(audio); /* its threads read `end` */
    side_failed(audio, which, cause);
    audio->side[which].end = (struct kg_audio_end){.kind = KG_AUDIO_CLOCKED};
    atomic_fetch_add_explicit(&audio->restarts, 1, memory_order_relaxed);
    start_pipeline(audio);
}

/* A side whose retry is due. The running pipeline is disturbed only when the device answers. */
static void retry_side(struct kg_audio *audio, enum kg_audio_side which)
{
    struct side *side = &audio->side[which];
    struct kg_audio_end end;
    if (!try_side(audio, which, &end))
        return;
    side->retry_at_us = 0;
    if (end.kind == side->end.kind) { /* a file's sound is read without the pipeline's help */
        side->blocks_before = blocks_of(audio, which);
        return;
    }
    stop_pipeline(audio); /* its threads read `end` */
    side->end = end;
    atomic_fetch_add_explicit(&audio->restarts, 1, memory_order_relaxed);
    start_pipeline(audio);
}

/* Without one, blocks can only be late because the machine is. */
static bool has_device(const struct kg_audio *audio)
{
    for (int i = 0; i < 2; i++) {
        if (audio->side[i].end.kind == KG_AUDIO_PULSE || audio->side[i].end.kind == KG_AUDIO_ALSA)
            return true;
    }
    return false;
}

/* Blocks must come, and the first of them shows that the device works. */
static void check_progress(struct kg_audio *audio, enum kg_audio_side which)
{
    struct side *side = &audio->side[which];
    uint32_t blocks = blocks_of(audio, which), first = which == KG_AUDIO_SPEAKER ? 8 : 1;
    if (blocks != side->blocks_seen) {
        side->blocks_seen = blocks;
        side->progress_us = kg_clock_now_us();
        if (side->retry_at_us == 0 && blocks - side->blocks_before >= first)
            side_works(audio, which);
    } else if (has_device(audio) && kg_clock_now_us() - side->progress_us > STALLED_US) {
        /* With one clock both sides may have stopped: blame one that has a device. */
        enum kg_audio_side guilty = side->end.kind == KG_AUDIO_CLOCKED ? !which : which;
        lose_side(audio, guilty, "no sound passes any more");
    }
}

static void check_side(struct kg_audio *audio, enum kg_audio_side which)
{
    struct side *side = &audio->side[which];
    bool file = which == KG_AUDIO_MICROPHONE && side->kind == SPEC_FILE;
    if (file && side->retry_at_us == 0 && !kg_path_watch_same(&audio->watch)) {
        swap_sound(audio, NULL);
        side_failed(audio, which, "it vanished or was replaced");
    }
    if (side->retry_at_us && kg_clock_now_us() >= side->retry_at_us)
        retry_side(audio, which);
    check_progress(audio, which);
}

static void audio_thread(void *arg)
{
    struct kg_audio *audio = arg;
    char error[KG_PIPELINE_ERROR_MAX];
    enum kg_audio_side guilty;
    for (int i = 0; i < 2; i++)
        (void)try_side(audio, (enum kg_audio_side)i,
                       &audio->side[i].end); /* false: told, and silent till retried */
    start_pipeline(audio);
    while (!kg_path_watch_stopped(&audio->watch)) {
        kg_path_watch_wait(&audio->watch, kg_clock_now_us() + TICK_US);
        if (!audio->pipeline)
            start_pipeline(audio);
        else if (kg_audio_pipeline_failed(audio->pipeline, &guilty, error))
            lose_side(audio, guilty, error);
        for (int i = 0; i < 2; i++)
            check_side(audio, (enum kg_audio_side)i);
    }
    stop_pipeline(audio);
}

static enum spec_kind kind_of(enum kg_audio_side which, const char *spec)
{
    size_t length = strlen(spec);
    if (strcmp(spec, "none") == 0)
        return SPEC_NONE;
    if (strcmp(spec, "auto") == 0)
        return SPEC_AUTO;
    if (strncmp(spec, "pulse:", 6) == 0)
        return SPEC_PULSE;
    if (which == KG_AUDIO_SPEAKER)
        return length > 4 && strcmp(spec + length - 4, ".wav") == 0 ? SPEC_FILE : SPEC_ALSA;
    if (strcmp(spec, "test") == 0)
        return SPEC_TEST;
    /* ALSA names hold no dot or slash; files nearly always one of them. */
    return strpbrk(spec, "./") ? SPEC_FILE : SPEC_ALSA;
}

static void destroy(struct kg_audio *audio)
{
    kg_echo_canceller_destroy(audio->canceller);
    kg_sound_destroy(audio->sound);
    kg_path_watch_finish(&audio->watch);
    kg_far_line_finish(&audio->far);
    kg_mutex_finish(&audio->sound_mutex);
    for (int i = 0; i < 2; i++)
        free(audio->side[i].spec);
    free(audio);
}

static void make_canceller(struct kg_audio *audio)
{
    const struct kg_echo_canceller_params params = {.cancel = true, .suppress_noise = true, .level = true};
    if (audio->params.raw || audio->side[KG_AUDIO_MICROPHONE].kind == SPEC_NONE)
        return;
    audio->canceller = kg_echo_canceller_create(&params);
    if (!audio->canceller)
        kg_log(KG_LOG_ERROR, MODULE, "microphone.unprocessed",
               "the microphone is sent as it is: others may hear "
               "their own echo; install gstreamer1.0-plugins-bad");
}

static bool set_up(struct kg_audio *audio)
{
    const char *specs[2] = {audio->params.microphone, audio->params.speaker};
    for (int i = 0; i < 2; i++) {
        struct side *side = &audio->side[i];
        side->spec = strdup(specs[i]);
        if (!side->spec) {
            kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for sound");
            return false;
        }
        side->kind = kind_of((enum kg_audio_side)i, side->spec);
        side->retry_us = FIRST_RETRY_US;
    }
    const struct side *microphone = &audio->side[KG_AUDIO_MICROPHONE];
    if (!kg_path_watch_init(&audio->watch, microphone->kind == SPEC_FILE ? microphone->spec : NULL))
        return false;
    if (microphone->kind == SPEC_TEST && !(audio->sound = kg_sound_create_test()))
        return false;
    make_canceller(audio);
    return true;
}

struct kg_audio *kg_audio_open(const struct kg_audio_params *params)
{
    if (!params->microphone || !params->speaker || !params->play || !params->captured) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no sound: microphone, speaker and both callbacks must be given");
        return NULL;
    }
    kg_gst_init();
    struct kg_audio *audio = calloc(1, sizeof *audio);
    if (!audio) {
        kg_log(KG_LOG_ERROR, MODULE, NULL, "no memory for sound");
        return NULL;
    }
    audio->params = *params;
    audio->watch = (struct kg_path_watch){.inotify_fd = -1, .stop_fd = -1, .folder = -1};
    kg_mutex_init(&audio->sound_mutex);
    kg_far_line_init(&audio->far);
    atomic_init(&audio->volume, 1.0F);
    atomic_init(&audio->echo_delay_us, -1);
    if (!set_up(audio) || !kg_thread_start(&audio->thread, "kg-audio", audio_thread, audio)) {
        destroy(audio);
        return NULL;
    }
    return audio;
}

void kg_audio_close(struct kg_audio *audio)
{
    if (!audio)
        return;
    kg_path_watch_stop(&audio->watch);
    kg_thread_join(&audio->thread);
    destroy(audio);
}

void kg_audio_set_mute(struct kg_audio *audio, bool muted)
{
    atomic_store_explicit(&audio->muted, muted, memory_order_relaxed);
}

void kg_audio_set_volume(struct kg_audio *audio, float volume)
{
    atomic_store_explicit(&audio->volume, fminf(fmaxf(volume, 0), 1), memory_order_relaxed);
}

void kg_audio_get_stats(struct kg_audio *audio, struct kg_audio_stats *stats)
{
    *stats = (struct kg_audio_stats){
        .echo_delay_us = atomic_load_explicit(&audio->echo_delay_us, memory_order_relaxed),
        .played_blocks = blocks_of(audio, KG_AUDIO_SPEAKER),
        .captured_blocks = blocks_of(audio, KG_AUDIO_MICROPHONE),
        .restarts = atomic_load_explicit(&audio->restarts, memory_order_relaxed),
    };
}
