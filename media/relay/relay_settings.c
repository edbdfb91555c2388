#include "relay/relay_settings.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "relay/syslog.h"

#define AT(field) offsetof(struct kg_relay_settings, field)

/* In the order of enum kg_log_level and enum kg_log_format. */
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};

static const struct kg_setting table[] = {
    {"relay", "state", KG_SETTING_PATH, AT(state), .min = 1, .max = 1024, .fallback = "/var/lib/kaigi-relay"},
    {"listen", "addresses", KG_SETTING_LIST, AT(addresses), .min = 1, .max = KG_RELAY_MAX_ADDRESSES,
     .fallback = "0.0.0.0;::"},
    {"listen", "port", KG_SETTING_INTEGER, AT(port), .min = 0, .max = 65535, .fallback = "443"},
    {"listen", "udp", KG_SETTING_BOOLEAN, AT(udp), .fallback = "true"},
    {"listen", "advertised", KG_SETTING_LIST, AT(advertised), .min = 1, .max = KG_RELAY_MAX_ADDRESSES},
    {"tls", "certificate", KG_SETTING_PATH, AT(tls_certificate), .min = 1, .max = 1024},
    {"tls", "key", KG_SETTING_PATH, AT(tls_key), .min = 1, .max = 1024},
    {"tls", "client-ca", KG_SETTING_PATH, AT(tls_client_ca), .min = 1, .max = 1024},
    {"signer", "socket", KG_SETTING_PATH, AT(signer_socket), .min = 1, .max = 100},
    {"media", "workers", KG_SETTING_INTEGER, AT(workers), .min = 0, .max = 64, .fallback = "0"},
    {"media", "tunnel-threads", KG_SETTING_INTEGER, AT(tunnel_threads), .min = 1, .max = 16, .fallback = "1"},
    {"media", "dscp-audio", KG_SETTING_INTEGER, AT(dscp_audio), .min = 0, .max = 63, .fallback = "46"},
    {"media", "dscp-video", KG_SETTING_INTEGER, AT(dscp_video), .min = 0, .max = 63, .fallback = "34"},
    {"meeting", "open-before-minutes", KG_SETTING_INTEGER, AT(open_before_minutes), .min = 0, .max = 1440,
     .fallback = "10"},
    {"meeting", "seat-seconds", KG_SETTING_INTEGER, AT(seat_seconds), .min = 1, .max = 3600,
     .fallback = "30"},
    {"limits", "connections", KG_SETTING_INTEGER, AT(connections), .min = 2, .max = 50000,
     .fallback = "10000"},
    {"limits", "connections-per-address", KG_SETTING_INTEGER, AT(connections_per_address), .min = 1,
     .max = 50000, .fallback = "5000"},
    {"limits", "handshake-seconds", KG_SETTING_INTEGER, AT(handshake_seconds), .min = 1, .max = 120,
     .fallback = "10"},
    {"limits", "idle-seconds", KG_SETTING_INTEGER, AT(idle_seconds), .min = 5, .max = 3600, .fallback = "60"},
    {"limits", "message-bytes", KG_SETTING_INTEGER, AT(message_bytes), .min = 4096, .max = 262144,
     .fallback = "262144"},
    {"limits", "messages-per-second", KG_SETTING_INTEGER, AT(messages_per_second), .min = 1, .max = 1000,
     .fallback = "20"},
    {"audit", "retention-days", KG_SETTING_INTEGER, AT(retention_days), .min = 0, .max = 36500,
     .fallback = "1825"},
    {"audit", "syslog", KG_SETTING_TEXT, AT(syslog), .min = 1, .max = 160,
     .expected = kg_syslog_target_expected},
    {"metrics", "port", KG_SETTING_INTEGER, AT(metrics_port), .min = 0, .max = 65535, .fallback = "0"},
    {"log", "level", KG_SETTING_CHOICE, AT(log_level), .choices = log_levels, .fallback = "info"},
    {"log", "format", KG_SETTING_CHOICE, AT(log_format), .choices = log_formats, .fallback = "text"},
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

/* One without the other would be a chain with another's key. */
static bool pair_up(const char *path, const struct kg_relay_settings *s, struct kg_settings_error *error)
{
    if (!s->tls_certificate == !s->tls_key)
        return true;
    const char *missing = s->tls_key ? "certificate" : "key";
    *error = (struct kg_settings_error){.problem = KG_SETTINGS_MISSING, .section = "tls"};
    snprintf(error->key, sizeof error->key, "%s", missing);
    snprintf(error->message, sizeof error->message,
             "%s: [tls] sets \"%s\" without \"%s\"; set both or neither", path,
             s->tls_key ? "key" : "certificate", missing);
    return false;
}

static bool resolve(const char *path, struct kg_relay_settings *s, struct kg_settings_error *error)
{
    struct sockaddr_storage ignored;
    if (!pair_up(path, s, error))
        return false;
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
