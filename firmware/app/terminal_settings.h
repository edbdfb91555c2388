/* The terminal's settings file, terminal.conf: one table, one default each, strict (base/settings.h).
 * Thread: read once by main, const afterwards. Owns its strings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"

enum kg_media_udp { KG_MEDIA_UDP_AUTO, KG_MEDIA_UDP_NEVER };
/* How media may go; `auto` falls back to the tunnel by itself. */
enum kg_media_path { KG_MEDIA_PATH_AUTO, KG_MEDIA_PATH_UDP, KG_MEDIA_PATH_TUNNEL };
enum kg_language { KG_LANGUAGE_JA, KG_LANGUAGE_EN };

struct kg_terminal_settings {
    char *relay_host;
    int64_t relay_port;
    char *relay_ca_file;
    char *identity_key_file, *identity_certificate_file;
    char *state_folder;
    char *proxy_host; /* NULL: none */
    int64_t proxy_port;
    char *proxy_user, *proxy_password; /* NULL: none */
    int media_udp;                     /* enum kg_media_udp */
    int64_t media_max_kbps;            /* sent, sound included */
    char *camera;
    int64_t width, height, fps;
    char *microphone, *speaker;
    int64_t volume_percent;
    int language; /* enum kg_language */
    char *time_zone;
    bool fullscreen;
    int64_t screen_width, screen_height; /* 0: the display's own */
    int log_level;                       /* enum kg_log_level */
    int log_format;                      /* enum kg_log_format */
};

/* false: *error says what and where; *settings is untouched. */
KG_MUST_CHECK bool kg_terminal_settings_load(const char *path, struct kg_terminal_settings *settings,
                                             struct kg_settings_error *error);
/* How media goes. option: NULL, "auto", "udp" or "tunnel". What the settings forbid an option cannot allow:
 * false when it asks for UDP and they say never. */
KG_MUST_CHECK bool kg_terminal_settings_path(const struct kg_terminal_settings *settings, const char *option,
                                             enum kg_media_path *path);
/* What stands when no file can be read: enough to show an error page. */
void kg_terminal_settings_defaults(struct kg_terminal_settings *settings);
void kg_terminal_settings_finish(struct kg_terminal_settings *settings);
