#include "core/window.h"

#include <SDL_ttf.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/theme.h"

static const char display_remedy[] =
    "start it inside a desktop (DISPLAY or WAYLAND_DISPLAY), or let this user open /dev/dri and /dev/input "
    "(groups video, render, input), or give --headless";

static void set_hints(const struct kg_ui_options *options)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_TOUCH_MOUSE_EVENTS, "0"); /* a touch is a touch, once */
    SDL_SetHint(SDL_HINT_MOUSE_TOUCH_EVENTS, "0");
    SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
    SDL_SetHint(SDL_HINT_APP_NAME, "Kaigi");
    if (options->headless) {
        /* Measured: 0.03 core for 720p30 drawn this way, 0.4 through a software GL. */
        SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
        SDL_SetHint(SDL_HINT_RENDER_DRIVER, "software");
    }
}

static bool start_video(bool headless)
{
    if (!headless)
        return SDL_InitSubSystem(SDL_INIT_VIDEO) == 0;
    SDL_SetHint(SDL_HINT_VIDEODRIVER, "offscreen");
    if (SDL_InitSubSystem(SDL_INIT_VIDEO) == 0)
        return true;
    SDL_SetHint(SDL_HINT_VIDEODRIVER, "dummy");
    return SDL_InitSubSystem(SDL_INIT_VIDEO) == 0;
}

/* OpenGL without a GPU costs ten times what SDL's own software renderer does. */
static bool is_software_gl(SDL_Renderer *renderer)
{
    SDL_RendererInfo info;
    if (SDL_GetRendererInfo(renderer, &info) != 0 || !strstr(info.name, "opengl"))
        return false;
    const unsigned char *(*get_string)(unsigned) = NULL;
    void *address = SDL_GL_GetProcAddress("glGetString");
    memcpy(&get_string, &address, sizeof(address));
    const char *name = get_string ? (const char *)get_string(0x1f01 /* GL_RENDERER */) : NULL;
    return name && (strstr(name, "llvmpipe") || strstr(name, "softpipe") || strstr(name, "swrast"));
}

static SDL_Renderer *make_renderer(SDL_Window *window, bool headless)
{
    SDL_Renderer *renderer = NULL;
    /* Without a GPU, asking OpenGL would load 60 MB of compiler only to be turned down below. */
    if (!headless && access("/dev/dri/renderD128", F_OK) == 0) {
        renderer = SDL_CreateRenderer(window, -1, SDL_RENDERER_ACCELERATED);
        if (renderer && is_software_gl(renderer)) {
            SDL_DestroyRenderer(renderer);
            renderer = NULL;
        }
    }
    if (!renderer) {
        SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
        renderer = SDL_CreateRenderer(window, -1, SDL_RENDERER_SOFTWARE);
    }
    return renderer;
}

/* SDL falls back on drivers that show nothing: fine when asked for, else nobody would ever see the terminal.
 */
static bool shows_something(bool headless)
{
    const char *driver = SDL_GetCurrentVideoDriver();
    if (headless || SDL_getenv("SDL_VIDEODRIVER") || !driver)
        return true;
    return strcmp(driver, "offscreen") != 0 && strcmp(driver, "dummy") != 0 && strcmp(driver, "evdev") != 0;
}

bool kg_window_open(struct kg_window *w, const struct kg_ui_options *options)
{
    *w = (struct kg_window){0};
    set_hints(options);
    if (!start_video(options->headless)) {
        kg_log(KG_LOG_ERROR, "ui", "ui.no_display", "no display: %s; %s", SDL_GetError(), display_remedy);
        return false;
    }
    if (!shows_something(options->headless)) {
        kg_log(KG_LOG_ERROR, "ui", "ui.no_display", "no display is found; %s", display_remedy);
        SDL_QuitSubSystem(SDL_INIT_VIDEO);
        return false;
    }
    if (TTF_Init() != 0) {
        kg_log(KG_LOG_ERROR, "ui", NULL, "cannot start SDL_ttf: %s", TTF_GetError());
        SDL_QuitSubSystem(SDL_INIT_VIDEO);
        return false;
    }
    Uint32 flags = SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_RESIZABLE;
    if (options->fullscreen)
        flags = SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_FULLSCREEN_DESKTOP;
    int width = options->width > 0 ? options->width : KG_PANEL_WIDTH;
    int height = options->height > 0 ? options->height : KG_PANEL_HEIGHT;
    w->window = SDL_CreateWindow(options->title ? options->title : "Kaigi", SDL_WINDOWPOS_CENTERED,
                                 SDL_WINDOWPOS_CENTERED, width, height, flags);
    if (w->window)
        w->renderer = make_renderer(w->window, options->headless);
    if (!w->renderer) {
        kg_log(KG_LOG_ERROR, "ui", "ui.no_display", "cannot open a %dx%d window: %s", width, height,
               SDL_GetError());
        kg_window_close(w);
        return false;
    }
    SDL_SetWindowMinimumSize(w->window, KG_PANEL_WIDTH / 2, KG_PANEL_HEIGHT / 2);
    if (options->fullscreen)
        SDL_ShowCursor(SDL_DISABLE);
    SDL_RendererInfo info = {.name = "?"};
    SDL_GetRendererInfo(w->renderer, &info);
    kg_log(KG_LOG_INFO, "ui", "ui.opened", "window %dx%d, video %s, renderer %s", width, height,
           SDL_GetCurrentVideoDriver(), info.name);
    return true;
}

void kg_window_close(struct kg_window *w)
{
    if (w->renderer)
        SDL_DestroyRenderer(w->renderer);
    if (w->window)
        SDL_DestroyWindow(w->window);
    *w = (struct kg_window){0};
    TTF_Quit();
    SDL_QuitSubSystem(SDL_INIT_VIDEO);
    SDL_Quit();
}
