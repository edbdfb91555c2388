/* kaigi-terminal: the room's terminal. */
#include <glib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/room_identity.h"
#include "app/terminal.h"
#include "base/log.h"

struct arguments {
    struct kg_terminal_options terminal;
    gboolean headless, make_identity;
    char *csr, *name;
};

static bool parse(int *argc, char ***argv, struct arguments *a)
{
    const GOptionEntry entries[] = {
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &a->terminal.config, "Settings file (terminal.conf)", "FILE"},
        {"make-identity", 0, 0, G_OPTION_ARG_NONE, &a->make_identity,
         "Make this room's key and a certificate request, and end", NULL},
        {"csr", 0, 0, G_OPTION_ARG_FILENAME, &a->csr, "Where the certificate request goes", "FILE"},
        {"name", 0, 0, G_OPTION_ARG_STRING, &a->name, "Name in the certificate request", "TEXT"},
        {"headless", 0, 0, G_OPTION_ARG_NONE, &a->headless, "Draw without a display", NULL},
        {"join", 0, 0, G_OPTION_ARG_STRING, &a->terminal.join,
         "Join this meeting, or the one that is open (auto)", "UID"},
        {"camera", 0, 0, G_OPTION_ARG_STRING, &a->terminal.camera, "Instead of the setting", "CAMERA"},
        {"microphone", 0, 0, G_OPTION_ARG_STRING, &a->terminal.microphone, "Instead of the setting",
         "MICROPHONE"},
        {"speaker", 0, 0, G_OPTION_ARG_STRING, &a->terminal.speaker, "Instead of the setting", "SPEAKER"},
        {"path", 0, 0, G_OPTION_ARG_STRING, &a->terminal.path, "auto, udp or tunnel, instead of the setting",
         "PATH"},
        {"seconds", 0, 0, G_OPTION_ARG_INT64, &a->terminal.seconds, "Stop after so long", "N"},
        {"tap", 0, 0, G_OPTION_ARG_FILENAME, &a->terminal.tap_folder,
         "Write what is captured and shown (measuring)", "DIR"},
        G_OPTION_ENTRY_NULL};
    GError *error = NULL;
    GOptionContext *context = g_option_context_new("- the room's terminal");
    g_option_context_add_main_entries(context, entries, NULL);
    bool ok = g_option_context_parse(context, argc, argv, &error);
    if (!ok)
        fprintf(stderr, "kaigi-terminal: %s\n", error->message);
    else if (*argc > 1)
        fprintf(stderr, "kaigi-terminal: %s: what is that?\n", (*argv)[1]);
    ok = ok && *argc == 1;
    g_clear_error(&error);
    g_option_context_free(context);
    a->terminal.headless = a->headless;
    return ok;
}

static bool check(const struct arguments *a)
{
    const char *path = a->terminal.path;
    const char *wrong =
        !a->terminal.config           ? "--config is needed"
        : a->make_identity && !a->csr ? "--make-identity needs --csr"
        : a->csr && !a->make_identity ? "--csr goes with --make-identity"
        : a->terminal.seconds < 0     ? "--seconds is negative"
        : path && strcmp(path, "auto") != 0 && strcmp(path, "udp") != 0 && strcmp(path, "tunnel") != 0
            ? "--path is auto, udp or tunnel"
            : NULL;
#ifndef KAIGI_TAPS
    if (!wrong && a->terminal.tap_folder)
        wrong = "--tap is not part of this program";
#endif
    if (wrong)
        fprintf(stderr, "kaigi-terminal: %s; see --help\n", wrong);
    return !wrong;
}

static int make_identity(const struct arguments *a)
{
    struct kg_terminal_settings settings;
    struct kg_settings_error error;
    if (!kg_terminal_settings_load(a->terminal.config, &settings, &error)) {
        kg_log(KG_LOG_ERROR, "app", "app.settings", "%s", error.message);
        return EXIT_FAILURE;
    }
    bool ok = kg_room_identity_make(settings.identity_key_file, a->csr, a->name ? a->name : "kaigi-room");
    kg_terminal_settings_finish(&settings);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void free_arguments(struct arguments *a)
{
    char *texts[] = {(char *)a->terminal.config,
                     (char *)a->terminal.join,
                     (char *)a->terminal.camera,
                     (char *)a->terminal.speaker,
                     (char *)a->terminal.microphone,
                     (char *)a->terminal.path,
                     (char *)a->terminal.tap_folder,
                     a->csr,
                     a->name};
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++)
        g_free(texts[i]);
}

/* Pictures, of a megabyte each and freed on other threads than made them, are mapped one by one and given
 * back: left to grow its threshold, glibc would keep heaps of them for every thread. */
static void map_pictures(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024); /* else it falls with the other, and the heap breathes */
    (void)mallopt(M_ARENA_MAX, 4);
#endif
}

int main(int argc, char **argv)
{
    /* libwebsockets would take a proxy from here; the only proxy is the one in the settings. */
    static const char *const ignored[] = {"http_proxy", "https_proxy", "all_proxy", "socks_proxy", "no_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"};
    for (size_t i = 0; i < KG_ARRAY_LEN(ignored); i++)
        unsetenv(ignored[i]);
    map_pictures();
    struct arguments arguments = {0};
    int status = 2;
    if (parse(&argc, &argv, &arguments) && check(&arguments))
        status = arguments.make_identity ? make_identity(&arguments) : kg_terminal_run(&arguments.terminal);
    free_arguments(&arguments);
    return status;
}
