#include "core/ui.h"

#include <SDL.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/canvas.h"
#include "core/i18n.h"
#include "core/window.h"
#include "screens/screen.h"
#include "widgets/notice.h"

#define BIZ_FONT(face) "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-" face ".ttf"
#define ICON_FONT      "/usr/share/fonts/truetype/material-design-icons-iconfont/MaterialIcons-Regular.ttf"

enum { MAX_INTENTS = 16 };

struct kg_ui {
    struct kg_owner owner;
    struct kg_ui_options options;
    struct kg_window window;
    struct kg_canvas *canvas;
    struct kg_room_state state; /* what is, or is about to be, on screen */
    struct kg_room_state next;  /* as given last, but for the times */
    struct kg_view view;
    bool dirty; /* everything must be drawn */
    uint64_t draws;
    bool finger_down;
    SDL_FingerID finger;
    struct kg_target touched; /* under the finger when it came down; id "" for nothing */
    struct kg_intent intents[MAX_INTENTS];
    size_t intent_count;
};

/* Ends a wait. In a headless window no event source exists that SDL could sleep on: it would poll every
 * millisecond; so that wait is on this descriptor. -1: no window is open. */
static atomic_int wake_fd = -1;
static atomic_bool wake_by_event;

static bool open_wake(bool headless)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "no eventfd: %s", strerror(errno));
        return false;
    }
    atomic_store(&wake_by_event, !headless);
    atomic_store(&wake_fd, fd);
    return true;
}

static void close_wake(void)
{
    int fd = atomic_exchange(&wake_fd, -1);
    if (fd >= 0)
        close(fd);
}

void kg_ui_wake(void)
{
    int fd = atomic_load(&wake_fd);
    if (fd < 0)
        return;
    uint64_t one = 1;
    /* A full counter (EAGAIN) has already woken the reader. */
    if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        kg_log(KG_LOG_WARN, "ui", NULL, "cannot wake the screen: %s", strerror(errno));
    if (atomic_load(&wake_by_event)) {
        SDL_Event event = {.type = SDL_USEREVENT};
        SDL_PushEvent(&event);
    }
}

struct kg_ui *kg_ui_create(const struct kg_ui_options *options)
{
    struct kg_ui *ui = calloc(1, sizeof(*ui));
    if (!ui) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "out of memory for the screen");
        return NULL;
    }
    ui->options = *options;
    kg_owner_check(&ui->owner);
    kg_i18n_set_language(options->language);
    if (!kg_window_open(&ui->window, options))
        goto free_ui;
    if (!open_wake(options->headless))
        goto close_window;
    const char *fonts[KG_FACES] = {
        [KG_FACE_REGULAR] = options->font_text ? options->font_text : BIZ_FONT("Regular"),
        [KG_FACE_BOLD] = options->font_bold ? options->font_bold : BIZ_FONT("Bold"),
        [KG_FACE_ICONS] = options->font_icons ? options->font_icons : ICON_FONT,
    };
    ui->canvas = kg_canvas_create(ui->window.renderer, fonts);
    if (!ui->canvas)
        goto close_wake;
    kg_room_state_init(&ui->state);
    ui->dirty = true;
    return ui;

close_wake:
    close_wake();
close_window:
    kg_window_close(&ui->window);
free_ui:
    free(ui);
    return NULL;
}

void kg_ui_destroy(struct kg_ui *ui)
{
    if (!ui)
        return;
    close_wake();
    kg_canvas_destroy(ui->canvas);
    kg_window_close(&ui->window);
    free(ui);
}

void kg_ui_update(struct kg_ui *ui, const struct kg_room_state *state)
{
    kg_owner_check(&ui->owner);
    const int64_t minute_us = 60 * INT64_C(1000000); /* no screen shows less: less must not draw */
    bool same_minute = state->wall_us / minute_us == ui->state.wall_us / minute_us &&
                       state->agenda_us / minute_us == ui->state.agenda_us / minute_us;
    /* A hundred kilobytes, looked at for every picture: copied only when something is new. */
    ui->next.wall_us = state->wall_us;
    ui->next.agenda_us = state->agenda_us;
    // NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c): both were copied byte by byte
    if (same_minute && memcmp(&ui->next, state, sizeof(ui->next)) == 0)
        return;
    memcpy(&ui->next, state, sizeof(ui->next));
    ui->next.wall_us -= ui->next.wall_us % minute_us;
    ui->next.agenda_us -= ui->next.agenda_us % minute_us;
    if (ui->next.screen >= KG_SCREEN_COUNT)
        ui->next.screen = KG_SCREEN_HOME;
    // NOLINTNEXTLINE(*-memory-comparison,cert-exp42-c,cert-flp37-c)
    if (memcmp(&ui->state, &ui->next, sizeof(ui->state)) == 0)
        return;
    if (ui->next.screen != ui->state.screen)
        ui->view = (struct kg_view){0};
    memcpy(&ui->state, &ui->next, sizeof(ui->state));
    ui->dirty = true;
}

void kg_ui_set_frame(struct kg_ui *ui, enum kg_ui_slot slot, struct kg_frame *frame)
{
    kg_owner_check(&ui->owner);
    if (slot < KG_UI_SLOTS)
        kg_pictures_set(kg_canvas_own_pictures(ui->canvas), slot, frame);
}

void kg_ui_set_language(struct kg_ui *ui, enum kg_ui_language language)
{
    kg_i18n_set_language(language);
    ui->dirty = true;
}

static void add_intent(struct kg_ui *ui, struct kg_intent intent)
{
    if (intent.kind == KG_INTENT_NONE)
        return;
    if (ui->intent_count == MAX_INTENTS) {
        kg_log(KG_LOG_WARN, "ui", NULL, "touches come faster than they are taken: one is dropped");
        return;
    }
    ui->intents[ui->intent_count++] = intent;
}

static bool same_target(const struct kg_target *a, const struct kg_target *b)
{
    return a && strcmp(a->shown.id, b->shown.id) == 0 && strcmp(a->value, b->value) == 0;
}

static void touch_down(struct kg_ui *ui, int x, int y)
{
    const struct kg_target *target = kg_canvas_hit(ui->canvas, x, y);
    ui->touched = target ? *target : (struct kg_target){0};
    kg_canvas_press(ui->canvas, target ? target->shown.id : NULL);
    ui->dirty |= target != NULL;
}

/* A finger that slides off its target takes the touch back. */
static void touch_move(struct kg_ui *ui, int x, int y)
{
    if (!ui->touched.shown.id[0] || same_target(kg_canvas_hit(ui->canvas, x, y), &ui->touched))
        return;
    ui->touched = (struct kg_target){0};
    kg_canvas_press(ui->canvas, NULL);
    ui->dirty = true;
}

static void touch_up(struct kg_ui *ui, int x, int y)
{
    touch_move(ui, x, y);
    if (!ui->touched.shown.id[0])
        return;
    struct kg_target target = ui->touched;
    ui->touched = (struct kg_target){0};
    kg_canvas_press(ui->canvas, NULL);
    add_intent(ui, kg_screens[ui->state.screen]->touch(&ui->state, &ui->view, &target));
    ui->dirty = true;
}

static void handle_finger(struct kg_ui *ui, const SDL_TouchFingerEvent *e)
{
    int w, h;
    kg_ui_size(ui, &w, &h);
    int x = (int)(e->x * (float)w), y = (int)(e->y * (float)h);
    if (e->type == SDL_FINGERDOWN && !ui->finger_down) {
        ui->finger_down = true;
        ui->finger = e->fingerId;
        touch_down(ui, x, y);
    } else if (ui->finger_down && e->fingerId == ui->finger) {
        if (e->type == SDL_FINGERUP) {
            ui->finger_down = false;
            touch_up(ui, x, y);
        } else if (e->type == SDL_FINGERMOTION) {
            touch_move(ui, x, y);
        }
    }
}

/* Mouse positions come in window units, which are not pixels on a dense display. */
static void handle_mouse(struct kg_ui *ui, int x, int y, void (*handle)(struct kg_ui *, int, int))
{
    int units = 0, w, h;
    SDL_GetWindowSize(ui->window.window, &units, NULL);
    kg_ui_size(ui, &w, &h);
    if (units > 0 && units != w) {
        x = x * w / units;
        y = y * w / units;
    }
    handle(ui, x, y);
}

static void handle_event(struct kg_ui *ui, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT:
        add_intent(ui, kg_intent_of(KG_INTENT_QUIT));
        break;
    case SDL_FINGERDOWN:
    case SDL_FINGERUP:
    case SDL_FINGERMOTION:
        handle_finger(ui, &e->tfinger);
        break;
    case SDL_MOUSEBUTTONDOWN:
        if (e->button.button == SDL_BUTTON_LEFT)
            handle_mouse(ui, e->button.x, e->button.y, touch_down);
        break;
    case SDL_MOUSEMOTION:
        if (e->motion.state & SDL_BUTTON_LMASK)
            handle_mouse(ui, e->motion.x, e->motion.y, touch_move);
        break;
    case SDL_MOUSEBUTTONUP:
        if (e->button.button == SDL_BUTTON_LEFT)
            handle_mouse(ui, e->button.x, e->button.y, touch_up);
        break;
    case SDL_WINDOWEVENT:
        if (e->window.event == SDL_WINDOWEVENT_SIZE_CHANGED || e->window.event == SDL_WINDOWEVENT_EXPOSED)
            ui->dirty = true;
        break;
    case SDL_RENDER_TARGETS_RESET:
        ui->dirty = true;
        break;
    default:
        break;
    }
}

static void draw(struct kg_ui *ui, int64_t now_us, const struct kg_rect *clip)
{
    kg_canvas_begin(ui->canvas, now_us, clip);
    kg_screens[ui->state.screen]->draw(ui->canvas, &ui->state, &ui->view);
    kg_canvas_end(ui->canvas);
}

/* The software renderer keeps what it drew: a new video frame then costs its own pixels only. */
static bool keeps_pixels(const struct kg_ui *ui)
{
    SDL_RendererInfo info;
    return SDL_GetRendererInfo(ui->window.renderer, &info) == 0 && (info.flags & SDL_RENDERER_SOFTWARE);
}

static void draw_if_needed(struct kg_ui *ui, int64_t now_us)
{
    struct kg_rect changed[KG_UI_SLOTS];
    bool layout_changed = false;
    size_t pictures = kg_pictures_take_changed(kg_canvas_own_pictures(ui->canvas), changed, &layout_changed);
    bool all = ui->dirty || layout_changed || now_us >= kg_canvas_next_draw_us(ui->canvas);
    if (!all && pictures == 0)
        return;
    ui->dirty = false;
    if (all || !keeps_pixels(ui)) {
        draw(ui, now_us, NULL);
    } else {
        for (size_t i = 0; i < pictures; i++)
            draw(ui, now_us, &changed[i]);
    }
    ui->draws++;
    if (ui->options.drawn)
        ui->options.drawn(ui->options.user, ui, kg_clock_now_us());
    SDL_RenderPresent(ui->window.renderer);
}

static bool must_draw(const struct kg_ui *ui, int64_t now_us)
{
    return ui->dirty || kg_pictures_changed(kg_canvas_pictures(ui->canvas)) ||
           now_us >= kg_canvas_next_draw_us(ui->canvas);
}

static void wait_for_event(struct kg_ui *ui, int64_t now_us, int timeout_ms)
{
    int64_t until_draw_us = kg_canvas_next_draw_us(ui->canvas) - now_us;
    if (until_draw_us < (int64_t)timeout_ms * 1000)
        timeout_ms = (int)((until_draw_us + 999) / 1000);
    int fd = atomic_load(&wake_fd);
    uint64_t count;
    if (!ui->options.headless) {
        SDL_WaitEventTimeout(NULL, timeout_ms);
    } else if (!SDL_HasEvents(SDL_FIRSTEVENT, SDL_LASTEVENT)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, timeout_ms);
    }
    while (read(fd, &count, sizeof(count)) > 0)
        ;
}

size_t kg_ui_step(struct kg_ui *ui, int64_t now_us, int timeout_ms, struct kg_intent *intents, size_t max)
{
    kg_owner_check(&ui->owner);
    if (timeout_ms > 0 && ui->intent_count == 0 && !must_draw(ui, now_us))
        wait_for_event(ui, now_us, timeout_ms);
    SDL_Event event;
    while (SDL_PollEvent(&event))
        handle_event(ui, &event);
    draw_if_needed(ui, now_us);
    size_t n = KG_MIN(ui->intent_count, max);
    for (size_t i = 0; i < n; i++)
        intents[i] = ui->intents[i];
    memmove(ui->intents, ui->intents + n, (ui->intent_count - n) * sizeof(ui->intents[0]));
    ui->intent_count -= n;
    return n;
}

struct kg_canvas *kg_ui_canvas(struct kg_ui *ui)
{
    return ui->canvas;
}

uint64_t kg_ui_draws(const struct kg_ui *ui)
{
    return ui->draws;
}

void kg_ui_size(const struct kg_ui *ui, int *width, int *height)
{
    *width = KG_PANEL_WIDTH;
    *height = KG_PANEL_HEIGHT;
    SDL_GetRendererOutputSize(ui->window.renderer, width, height);
}

struct kg_rect kg_ui_main_picture_rect(const struct kg_ui *ui)
{
    return kg_pictures_place(kg_canvas_pictures(ui->canvas), KG_UI_MAIN);
}

bool kg_ui_read_pixels(struct kg_ui *ui, struct kg_rect rect, uint8_t *rgba)
{
    int w, h;
    kg_ui_size(ui, &w, &h);
    if (rect.x < 0 || rect.y < 0 || rect.w <= 0 || rect.h <= 0 || rect.x + rect.w > w || rect.y + rect.h > h)
        return false;
    SDL_Rect r = {rect.x, rect.y, rect.w, rect.h};
    if (SDL_RenderReadPixels(ui->window.renderer, &r, SDL_PIXELFORMAT_RGBA32, rgba, rect.w * 4) != 0) {
        kg_log(KG_LOG_WARN, "ui", NULL, "cannot read the screen: %s", SDL_GetError());
        return false;
    }
    return true;
}

void kg_ui_push_touch(struct kg_ui *ui, int x, int y)
{
    int w, h;
    kg_ui_size(ui, &w, &h);
    SDL_Event event = {.tfinger = {.type = SDL_FINGERDOWN,
                                   .touchId = 1,
                                   .fingerId = 1,
                                   .x = ((float)x + 0.5f) / (float)w,
                                   .y = ((float)y + 0.5f) / (float)h,
                                   .pressure = 1,
                                   .windowID = SDL_GetWindowID(ui->window.window)}};
    if (SDL_PushEvent(&event) < 0)
        kg_log(KG_LOG_WARN, "ui", NULL, "cannot push a touch: %s", SDL_GetError());
    event.tfinger.type = SDL_FINGERUP;
    if (SDL_PushEvent(&event) < 0)
        kg_log(KG_LOG_WARN, "ui", NULL, "cannot push a touch: %s", SDL_GetError());
    kg_ui_wake();
}

size_t kg_ui_targets(const struct kg_ui *ui, struct kg_ui_target *targets, size_t max)
{
    size_t count;
    const struct kg_target *all = kg_canvas_targets(ui->canvas, &count);
    for (size_t i = 0; i < count && i < max; i++) {
        targets[i] = all[i].shown;
        targets[i].rect = kg_canvas_to_window(ui->canvas, all[i].shown.rect);
    }
    return count;
}
