#include "app/terminal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/agenda_cache.h"
#include "app/device_enrolment.h"
#include "app/finger.h"
#include "app/link.h"
#include "app/picture_slots.h"
#include "app/renewer.h"
#include "app/room_machine.h"
#include "app/room_memory.h"
#include "app/room_view.h"
#include "app/settings_words.h"
#include "app/signals.h"
#include "app/tap.h"
#include "app/time_zone.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "core/ui.h"

enum { INTENTS = 8, LONGEST_WAIT_MS = 1000, STILL_TAP_US = 100000 };

struct terminal {
    const struct kg_terminal_options *options;
    struct kg_terminal_settings settings;
    struct kg_ui *ui;
    struct kg_tap *tap;
    struct kg_finger *finger;
    struct kg_picture_slots *pictures;
    struct kg_agenda_cache *agenda;
    struct kg_room_machine *machine;
    struct kg_link *link;
    struct kg_renewer *renewer;
    struct kg_room_name name; /* as kept in the state folder */
    enum kg_media_path path;
    int64_t next_day_us; /* wall */
    int64_t end_us;      /* INT64_MAX: none */
    bool presenting;     /* a presentation has the large place */
    bool main_changed;   /* since it was tapped last */
    int64_t tapped_us;
    bool quit;
};

/* --- pictures ------------------------------------------------------------------------------------------- */

/* The presentation, when there is one, takes the large place, and the speaker becomes a thumbnail. */
static enum kg_ui_slot slot_of(unsigned place, bool presenting)
{
    if (place == KG_PICTURE_SELF)
        return KG_UI_SELF;
    if (place == KG_PICTURE_PRESENTATION)
        return KG_UI_MAIN;
    unsigned video = place - KG_PICTURE_VIDEO;
    if (presenting)
        return (enum kg_ui_slot)(KG_UI_THUMBNAIL + video);
    return video == 0 ? KG_UI_MAIN : (enum kg_ui_slot)(KG_UI_THUMBNAIL + video - 1);
}

static void show_pictures(struct terminal *t, int64_t now_us)
{
    for (unsigned place = 0; place < KG_PICTURE_PLACES; place++) {
        struct kg_frame *frame;
        if (!kg_picture_slots_take(t->pictures, place, now_us, &frame))
            continue;
        if (place == KG_PICTURE_PRESENTATION && t->presenting != (frame != NULL)) {
            t->presenting = frame != NULL;
            for (unsigned slot = KG_UI_THUMBNAIL; slot < KG_UI_SLOTS; slot++)
                kg_ui_set_frame(t->ui, (enum kg_ui_slot)slot, NULL);
        }
        enum kg_ui_slot slot = slot_of(place, t->presenting);
        if (slot < KG_UI_SLOTS)
            kg_ui_set_frame(t->ui, slot, frame);
        t->main_changed = t->main_changed || slot == KG_UI_MAIN;
        if (frame)
            kg_frame_unref(frame);
    }
}

/* A draw for the own picture alone has nothing new to measure; but that the other one stands still must show.
 */
static void on_drawn(void *user, struct kg_ui *ui, int64_t now_us)
{
    struct terminal *t = user;
    if (!t->main_changed && now_us - t->tapped_us < STILL_TAP_US)
        return;
    t->main_changed = false;
    t->tapped_us = now_us;
    kg_tap_screen(t->tap, ui, now_us);
}

/* --- the agenda ----------------------------------------------------------------------------------------- */

static void show_agenda(struct terminal *t)
{
    static struct kg_agenda_day day;
    static struct kg_room_meeting meetings[KG_ROOM_MAX_MEETINGS];
    int64_t wall_us = kg_clock_wall_us();
    kg_agenda_cache_day(t->agenda, wall_us, &day);
    uint32_t count = (uint32_t)KG_MIN(day.count, (size_t)KG_ROOM_MAX_MEETINGS);
    for (uint32_t i = 0; i < count; i++)
        kg_room_view_meeting(&meetings[i], &day.entries[i]);
    t->next_day_us = kg_agenda_next_day_us(wall_us);
    kg_room_machine_agenda(t->machine, meetings, count, kg_agenda_cache_time_us(t->agenda));
    kg_agenda_cache_next(t->agenda, wall_us, &day);
    kg_room_machine_next(t->machine, &day);
}

/* --- one turn of the main loop -------------------------------------------------------------------------- */

static void hear(struct terminal *t, struct kg_link_event *event)
{
    switch (event->kind) {
    case KG_LINK_CLOSED:
        kg_renewer_closed(t->renewer, event->close.failure, kg_clock_now_us());
        kg_room_machine_closed(t->machine, &event->close);
        break;
    case KG_LINK_MEDIA:
        kg_room_machine_media(t->machine, &event->media);
        break;
    case KG_LINK_MESSAGE:
        if (event->message->type == KG_MESSAGE_AGENDA &&
            kg_agenda_cache_put(t->agenda, event->message->agenda.calendar, kg_clock_wall_us()))
            show_agenda(t);
        if (event->message->type == KG_MESSAGE_WELCOME)
            kg_renewer_welcomed(t->renewer);
        kg_room_machine_message(t->machine, event->message);
        kg_room_memory_keep(t->settings.state_folder, &kg_room_machine_state(t->machine)->room, &t->name);
        kg_message_destroy(event->message);
        break;
    }
}

static void act(struct terminal *t)
{
    struct kg_room_action action;
    while (kg_room_machine_take(t->machine, &action)) {
        const struct kg_privacy privacy = {.microphone_off = action.muted.microphone,
                                           .camera_off = action.muted.camera};
        if (action.kind != KG_ROOM_SAVE_PRIVACY)
            kg_link_do(t->link, &action);
        else if (!kg_privacy_save(t->settings.state_folder, &privacy))
            kg_log(KG_LOG_WARN, "app", NULL, "the next start will find microphone and camera switched off");
    }
}

static int wait_ms(const struct terminal *t, int64_t now_us)
{
    int64_t next_us = KG_MIN(kg_room_machine_next_us(t->machine), kg_picture_slots_next_us(t->pictures));
    next_us = KG_MIN(next_us, t->end_us);
    int64_t ms = (next_us - now_us + 999) / 1000;
    return ms < 0 ? 0 : ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : (int)ms;
}

static void renew(struct terminal *t, int64_t now_us, int64_t wall_us)
{
    if (kg_renewer_tick(t->renewer, now_us, wall_us) && kg_room_machine_reconnect(t->machine))
        kg_renewer_connecting(t->renewer);
    kg_room_machine_certificate(t->machine, kg_renewer_end_us(t->renewer, wall_us));
}

static void turn(struct terminal *t)
{
    struct kg_intent intents[INTENTS];
    struct kg_link_event event;
    int64_t now_us = kg_clock_now_us(), wall_us = kg_clock_wall_us();
    kg_room_machine_tick(t->machine, now_us, wall_us);
    while (kg_link_take(t->link, &event))
        hear(t, &event);
    if (wall_us >= t->next_day_us)
        show_agenda(t);
    renew(t, now_us, wall_us);
    act(t);
    show_pictures(t, now_us);
    kg_ui_update(t->ui, kg_room_machine_state(t->machine));
    size_t count = kg_ui_step(t->ui, now_us, wait_ms(t, now_us), intents, INTENTS);
    kg_room_machine_tick(t->machine, kg_clock_now_us(), kg_clock_wall_us());
    for (size_t i = 0; i < count; i++) {
        kg_room_machine_intent(t->machine, &intents[i]);
        t->quit = t->quit || intents[i].kind == KG_INTENT_QUIT;
    }
    act(t);
    t->quit = !kg_finger_run(t->finger, t->ui) || t->quit || kg_signals_caught() || now_us >= t->end_us;
}

/* --- start and stop ------------------------------------------------------------------------------------- */

static bool replace(char **setting, const char *option)
{
    if (!option)
        return true;
    char *copy = strdup(option);
    if (!copy)
        return false;
    free(*setting);
    *setting = copy;
    return true;
}

static bool apply_options(struct terminal *t)
{
    if (!kg_terminal_settings_path(&t->settings, t->options->path, &t->path)) {
        kg_log(KG_LOG_ERROR, "app", "app.settings",
               "--path udp is refused: the settings say never (section media, key udp)");
        return false;
    }
    return replace(&t->settings.camera, t->options->camera) &&
           replace(&t->settings.microphone, t->options->microphone) &&
           replace(&t->settings.speaker, t->options->speaker);
}

static bool open_ui(struct terminal *t)
{
    const struct kg_terminal_settings *s = &t->settings;
    const struct kg_ui_options options = {.title = "Kaigi",
                                          .width = (int)s->screen_width,
                                          .height = (int)s->screen_height,
                                          .fullscreen = s->fullscreen,
                                          .headless = t->options->headless,
                                          .language =
                                              s->language == KG_LANGUAGE_EN ? KG_UI_ENGLISH : KG_UI_JAPANESE,
                                          .drawn = on_drawn,
                                          .user = t};
    t->ui = kg_ui_create(&options);
    return t->ui != NULL;
}

/* Makes and joins every part: pictures and events flow link → machine, pictures → ui; touches ui → machine →
 * link. */
static bool wire(struct terminal *t)
{
    const struct kg_privacy privacy = kg_privacy_load(t->settings.state_folder);
    t->pictures = kg_picture_slots_create(kg_ui_wake);
    t->agenda = kg_agenda_cache_create(t->settings.state_folder);
    t->machine = kg_room_machine_create(&privacy, kg_random_u32(), t->options->join, kg_clock_now_us(),
                                        kg_clock_wall_us());
    t->renewer = kg_renewer_create(&t->settings, kg_ui_wake);
    if (!t->pictures || !t->agenda || !t->machine || !t->renewer)
        return false;
    kg_room_memory_load(t->settings.state_folder, &t->name);
    kg_room_machine_remember(t->machine, &t->name);
    const struct kg_link_params link = {
        .settings = &t->settings, .path = t->path, .screen = t->pictures, .tap = t->tap, .wake = kg_ui_wake};
    t->link = kg_link_create(&link);
    if (!t->link)
        return false;
    show_agenda(t);
    return true;
}

/* Stop and join (link, finger), then destroy, in the opposite order of making. */
static void unwire(struct terminal *t)
{
    kg_link_destroy(t->link);
    kg_renewer_destroy(t->renewer);
    kg_room_machine_destroy(t->machine);
    kg_agenda_cache_destroy(t->agenda);
    kg_picture_slots_destroy(t->pictures);
}

/* What holds for the whole process: also when other threads run already, which ask for no local time. */
static void apply_to_process(const struct kg_terminal_settings *settings)
{
    kg_log_setup((enum kg_log_level)settings->log_level, (enum kg_log_format)settings->log_format);
    kg_time_zone_apply(settings->time_zone);
}

/* Until the file reads well: what is wrong stands on the screen, and 「もう一度試す」 reads it again. */
static bool wait_for_settings(struct terminal *t, const struct kg_settings_error *error)
{
    static struct kg_room_state state;
    struct kg_intent intents[INTENTS];
    struct kg_settings_error last = *error;
    char detail[sizeof state.error.detail];
    kg_room_state_init(&state);
    state.screen = KG_SCREEN_ERROR;
    state.error.problem = KG_PROBLEM_SETTINGS;
    state.error.retryable = true;
    while (!t->quit) {
        state.wall_us = kg_clock_wall_us();
        kg_settings_words(detail, sizeof detail, t->options->config, &last);
        kg_room_text_set(state.error.detail, sizeof state.error.detail, detail);
        kg_ui_update(t->ui, &state);
        int64_t now_us = kg_clock_now_us();
        size_t count = kg_ui_step(t->ui, now_us, LONGEST_WAIT_MS, intents, INTENTS);
        for (size_t i = 0; i < count; i++) {
            t->quit = t->quit || intents[i].kind == KG_INTENT_QUIT;
            if (intents[i].kind != KG_INTENT_RETRY)
                continue;
            struct kg_terminal_settings loaded;
            if (kg_terminal_settings_load(t->options->config, &loaded, &last)) {
                kg_terminal_settings_finish(&t->settings);
                t->settings = loaded;
                apply_to_process(&t->settings);
                return true;
            }
            kg_log(KG_LOG_ERROR, "app", "app.settings", "%s", last.message);
        }
        t->quit = !kg_finger_run(t->finger, t->ui) || t->quit || kg_signals_caught() || now_us >= t->end_us;
    }
    return false;
}

/* Until there is a certificate: the page of this device's code. */
static bool enrol(struct terminal *t)
{
    struct kg_intent intents[INTENTS];
    int64_t now_us = kg_clock_now_us();
    bool done = false;
    struct kg_device_enrolment *enrolment = kg_device_enrolment_create(&t->settings, kg_ui_wake, now_us);
    while (enrolment && !t->quit && !done) {
        done = kg_device_enrolment_tick(enrolment, now_us, kg_clock_wall_us());
        kg_ui_update(t->ui, kg_device_enrolment_state(enrolment));
        int64_t wait_us = KG_MAX(kg_device_enrolment_next_us(enrolment) - now_us, INT64_C(0));
        int wait = (int)KG_MIN(wait_us / 1000 + 1, (int64_t)LONGEST_WAIT_MS);
        size_t count = kg_ui_step(t->ui, now_us, done ? 0 : wait, intents, INTENTS);
        now_us = kg_clock_now_us();
        for (size_t i = 0; i < count; i++) {
            t->quit = t->quit || intents[i].kind == KG_INTENT_QUIT;
            if (intents[i].kind == KG_INTENT_RETRY)
                kg_device_enrolment_again(enrolment, now_us);
        }
        t->quit = !kg_finger_run(t->finger, t->ui) || t->quit || kg_signals_caught() || now_us >= t->end_us;
    }
    kg_device_enrolment_destroy(enrolment);
    return done;
}

static bool load_settings(struct terminal *t, struct kg_settings_error *error)
{
    if (kg_terminal_settings_load(t->options->config, &t->settings, error)) {
        apply_to_process(&t->settings);
        return true;
    }
    kg_log(KG_LOG_ERROR, "app", "app.settings", "%s", error->message);
    kg_terminal_settings_defaults(&t->settings);
    if (t->settings.time_zone)
        kg_time_zone_apply(t->settings.time_zone);
    return false;
}

int kg_terminal_run(const struct kg_terminal_options *options)
{
    struct terminal t = {.options = options, .end_us = INT64_MAX};
    struct kg_settings_error error;
    int status = EXIT_FAILURE;
    if (options->seconds > 0)
        t.end_us = kg_clock_now_us() + options->seconds * 1000000;
    bool loaded = load_settings(&t, &error);
    if (!kg_signals_start(kg_ui_wake))
        goto finish_settings;
    t.tap = kg_tap_create(options->tap_folder);
    if (!open_ui(&t))
        goto stop_signals;
    t.finger = kg_finger_create(options->tap_folder, kg_ui_wake);
    if (!loaded && !wait_for_settings(&t, &error)) {
        status = EXIT_SUCCESS;
        goto close_ui;
    }
    if (kg_device_enrolment_is_needed(&t.settings) && !enrol(&t)) {
        status = t.quit ? EXIT_SUCCESS : EXIT_FAILURE;
        goto close_ui;
    }
    if (apply_options(&t) && wire(&t)) {
        kg_log(KG_LOG_INFO, "app", "app.started", "the terminal runs");
        while (!t.quit)
            turn(&t);
        kg_log(KG_LOG_INFO, "app", "app.stopping", "the terminal stops");
        status = EXIT_SUCCESS;
    }
    unwire(&t);
close_ui:
    kg_finger_destroy(t.finger);
stop_signals:
    kg_signals_stop(); /* before the window: a signal wakes it */
    kg_ui_destroy(t.ui);
    kg_tap_destroy(t.tap);
finish_settings:
    kg_terminal_settings_finish(&t.settings);
    return status;
}
