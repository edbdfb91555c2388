#include "relay/relay_settings.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct kg_relay_settings, field)

/* In the order of enum kg_log_level and enum kg_log_format. */
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

static const struct kg_setting table[] = {
    {"relay", "state", KG_SETTING_PATH, AT(state), 1, 1024, NULL, "/var/lib/kaigi-relay", false},
    {"listen", "addresses", KG_SETTING_LIST, AT(addresses), 1, KG_RELAY_MAX_ADDRESSES, NULL,
     "0.0.0.0;::", false},
    {"listen", "port", KG_SETTING_INTEGER, AT(port), 0, 65535, NULL, "443", false},
    {"listen", "udp", KG_SETTING_BOOLEAN, AT(udp), 0, 0, NULL, "true", false},
    {"listen", "advertised", KG_SETTING_LIST, AT(advertised), 1, KG_RELAY_MAX_ADDRESSES, NULL, NULL, false},
    {"media", "workers", KG_SETTING_INTEGER, AT(workers), 0, 64, NULL, "0", false},
    {"media", "tunnel-threads", KG_SETTING_INTEGER, AT(tunnel_threads), 1, 16, NULL, "1", false},
    {"media", "dscp-audio", KG_SETTING_INTEGER, AT(dscp_audio), 0, 63, NULL, "46", false},
    {"media", "dscp-video", KG_SETTING_INTEGER, AT(dscp_video), 0, 63, NULL, "34", false},
    {"meeting", "open-before-minutes", KG_SETTING_INTEGER, AT(open_before_minutes), 0, 1440, NULL, "10",
     false},
    {"meeting", "seat-seconds", KG_SETTING_INTEGER, AT(seat_seconds), 1, 3600, NULL, "30", false},
    {"limits", "connections", KG_SETTING_INTEGER, AT(connections), 2, 50000, NULL, "2000", false},
    {"limits", "handshake-seconds", KG_SETTING_INTEGER, AT(handshake_seconds), 1, 120, NULL, "10", false},
    {"limits", "idle-seconds", KG_SETTING_INTEGER, AT(idle_seconds), 5, 3600, NULL, "60", false},
    {"limits", "message-bytes", KG_SETTING_INTEGER, AT(message_bytes), 4096, 262144, NULL, "262144", false},
    {"limits", "messages-per-second", KG_SETTING_INTEGER, AT(messages_per_second), 1, 1000, NULL, "20",
     false},
    {"log", "level", KG_SETTING_CHOICE, AT(log_level), 0, 0, log_levels, "info", false},
    {"log", "format", KG_SETTING_CHOICE, AT(log_format), 0, 0, log_formats, "text", false},
};

static bool read_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return true;
    }
    return false;
}

static bool bad_address(const char *path, const char *key, const char *text, const char *expected,
                        struct kg_settings_error *error)
{
    *error = (struct kg_settings_error){.problem = KG_SETTINGS_BAD_VALUE, .section = "listen"};
    snprintf(error->expected, sizeof error->expected, "%s", expected);
    snprintf(error->key, sizeof error->key, "%s", key);
    snprintf(error->message, sizeof error->message,
             "%s: \"%s\" in [listen] cannot hold \"%.80s\"; expected %s", path, key, text, error->expected);
    return false;
}

static const char numeric[] = "numeric IPv4 or IPv6 addresses, IPv6 without brackets";

static bool resolve(const char *path, struct kg_relay_settings *s, struct kg_settings_error *error)
{
    struct sockaddr_storage ignored;
    s->listen_count = 0;
    for (char **p = s->addresses; *p; p++) {
        if (!read_address(*p, (uint16_t)s->port, &s->listen[s->listen_count++]))
            return bad_address(path, "addresses", *p, numeric, error);
    }
    /* The workers have one socket a family. */
    if (s->listen_count == 2 && s->listen[0].ss_family == s->listen[1].ss_family)
        return bad_address(path, "addresses", s->addresses[1], "one of each kind, IPv4 and IPv6", error);
    for (char **p = s->advertised; p && *p; p++) {
        if (!read_address(*p, (uint16_t)s->port, &ignored))
            return bad_address(path, "advertised", *p, numeric, error);
    }
    return true;
}

static bool take(const char *path, struct kg_relay_settings *read, struct kg_relay_settings *settings,
                 struct kg_settings_error *error)
{
    if (!resolve(path, read, error)) {
        kg_relay_settings_finish(read);
        return false;
    }
    kg_relay_settings_finish(settings);
    *settings = *read;
    return true;
}

bool kg_relay_settings_load(const char *path, struct kg_relay_settings *settings,
                            struct kg_settings_error *error)
{
    struct kg_relay_settings read = {0};
    return kg_settings_load(path, table, KG_ARRAY_LEN(table), &read, error) &&
           take(path, &read, settings, error);
}

bool kg_relay_settings_default(const char *state, struct kg_relay_settings *settings,
                               struct kg_settings_error *error)
{
    struct kg_relay_settings read = {0};
    kg_settings_defaults(table, KG_ARRAY_LEN(table), &read);
    g_free(read.state);
    read.state = g_strdup(state);
    return take("defaults", &read, settings, error);
}

void kg_relay_settings_finish(struct kg_relay_settings *settings)
{
    kg_settings_finish(table, KG_ARRAY_LEN(table), settings);
}
