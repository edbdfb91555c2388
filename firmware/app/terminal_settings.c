#include "app/terminal_settings.h"

#include <stdio.h>
#include <string.h>

#include "app/time_zone.h"

#define FIELD(name) offsetof(struct kg_terminal_settings, name)

static const char *const udp_choices[] = {"auto", "never", NULL};
static const char *const language_choices[] = {"ja", "en", NULL};
static const char *const level_choices[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_choices[] = {"text", "json", NULL};

static const struct kg_setting table[] = {
    {"relay", "host", KG_SETTING_TEXT, FIELD(relay_host), .min = 1, .max = 253, .required = true},
    {"relay", "port", KG_SETTING_INTEGER, FIELD(relay_port), .min = 1, .max = 65535, .fallback = "443"},
    {"relay", "ca-file", KG_SETTING_PATH, FIELD(relay_ca_file), .required = true},
    {"identity", "key-file", KG_SETTING_PATH, FIELD(identity_key_file), .required = true},
    {"identity", "certificate-file", KG_SETTING_PATH, FIELD(identity_certificate_file), .required = true},
    {"state", "folder", KG_SETTING_PATH, FIELD(state_folder), .required = true},
    {"proxy", "host", KG_SETTING_TEXT, FIELD(proxy_host), .min = 1, .max = 253},
    {"proxy", "port", KG_SETTING_INTEGER, FIELD(proxy_port), .min = 1, .max = 65535, .fallback = "8080"},
    /* Together at most 95 bytes with the colon: libwebsockets' limit. A colon cannot be in the name (RFC
       7617). */
    {"proxy", "user", KG_SETTING_TEXT, FIELD(proxy_user), .min = 1, .max = 40},
    {"proxy", "password", KG_SETTING_TEXT, FIELD(proxy_password), .min = 1, .max = 54},
    {"media", "udp", KG_SETTING_CHOICE, FIELD(media_udp), .choices = udp_choices, .fallback = "auto"},
    {"media", "max-kbps", KG_SETTING_INTEGER, FIELD(media_max_kbps), .min = 100, .max = 20000,
     .fallback = "2000"},
    {"video", "camera", KG_SETTING_TEXT, FIELD(camera), .fallback = "auto"},
    {"video", "width", KG_SETTING_INTEGER, FIELD(width), .min = 160, .max = 1920, .fallback = "1280"},
    {"video", "height", KG_SETTING_INTEGER, FIELD(height), .min = 90, .max = 1200, .fallback = "720"},
    {"video", "fps", KG_SETTING_INTEGER, FIELD(fps), .min = 1, .max = 60, .fallback = "30"},
    {"audio", "microphone", KG_SETTING_TEXT, FIELD(microphone), .fallback = "auto"},
    {"audio", "speaker", KG_SETTING_TEXT, FIELD(speaker), .fallback = "auto"},
    {"audio", "volume-percent", KG_SETTING_INTEGER, FIELD(volume_percent), .min = 0, .max = 100,
     .fallback = "100"},
    {"screen", "language", KG_SETTING_CHOICE, FIELD(language), .choices = language_choices, .fallback = "ja"},
    {"screen", "time-zone", KG_SETTING_TEXT, FIELD(time_zone), .min = 1, .max = 63, .fallback = "Asia/Tokyo",
     .expected = kg_time_zone_expected},
    {"screen", "fullscreen", KG_SETTING_BOOLEAN, FIELD(fullscreen), .fallback = "false"},
    {"screen", "width", KG_SETTING_INTEGER, FIELD(screen_width), .min = 0, .max = 7680, .fallback = "0"},
    {"screen", "height", KG_SETTING_INTEGER, FIELD(screen_height), .min = 0, .max = 4320, .fallback = "0"},
    {"log", "level", KG_SETTING_CHOICE, FIELD(log_level), .choices = level_choices, .fallback = "info"},
    {"log", "format", KG_SETTING_CHOICE, FIELD(log_format), .choices = format_choices, .fallback = "text"},
};

static bool refuse(const char *path, const char *section, const char *key, const char *expected,
                   struct kg_settings_error *error)
{
    *error = (struct kg_settings_error){.problem = KG_SETTINGS_BAD_VALUE};
    snprintf(error->section, sizeof error->section, "%s", section);
    snprintf(error->key, sizeof error->key, "%s", key);
    snprintf(error->expected, sizeof error->expected, "%s", expected);
    snprintf(error->message, sizeof error->message, "%s: [%s] %s: expected %s", path, section, key, expected);
    return false;
}

/* What one key alone cannot tell. */
static bool check(const char *path, const struct kg_terminal_settings *settings,
                  struct kg_settings_error *error)
{
    if (settings->width % 2 != 0)
        return refuse(path, "video", "width", "an even number", error);
    if (settings->height % 2 != 0)
        return refuse(path, "video", "height", "an even number", error);
    if (settings->proxy_user && strchr(settings->proxy_user, ':'))
        return refuse(path, "proxy", "user", "a name without a colon", error);
    if (settings->proxy_password && !settings->proxy_user)
        return refuse(path, "proxy", "password", "a user beside it", error);
    if (settings->proxy_user && !settings->proxy_host)
        return refuse(path, "proxy", "user", "a host beside it", error);
    return true;
}

bool kg_terminal_settings_load(const char *path, struct kg_terminal_settings *settings,
                               struct kg_settings_error *error)
{
    struct kg_terminal_settings loaded;
    if (!kg_settings_load(path, table, KG_ARRAY_LEN(table), &loaded, error))
        return false;
    if (!check(path, &loaded, error)) {
        kg_terminal_settings_finish(&loaded);
        return false;
    }
    *settings = loaded;
    return true;
}

bool kg_terminal_settings_path(const struct kg_terminal_settings *settings, const char *option,
                               enum kg_media_path *path)
{
    bool never = settings->media_udp == KG_MEDIA_UDP_NEVER, udp = option && strcmp(option, "udp") == 0;
    if (never && udp)
        return false;
    bool tunnel = never || (option && strcmp(option, "tunnel") == 0);
    *path = udp ? KG_MEDIA_PATH_UDP : tunnel ? KG_MEDIA_PATH_TUNNEL : KG_MEDIA_PATH_AUTO;
    return true;
}

void kg_terminal_settings_defaults(struct kg_terminal_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    kg_settings_defaults(table, KG_ARRAY_LEN(table), settings);
}

void kg_terminal_settings_finish(struct kg_terminal_settings *settings)
{
    kg_settings_finish(table, KG_ARRAY_LEN(table), settings);
}
