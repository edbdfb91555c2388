#include "relay/ctl_target.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"

enum { HTTPS_PORT = 443, MAX_PORT = 65535 };

struct file {
    char *relay, *certificate, *key, *ca, *proxy;
};

static const struct kg_setting table[] = {
    {"ctl", "relay", KG_SETTING_TEXT, offsetof(struct file, relay), .min = 1, .max = 300},
    {"ctl", "certificate", KG_SETTING_PATH, offsetof(struct file, certificate), .min = 1, .max = 1024},
    {"ctl", "key", KG_SETTING_PATH, offsetof(struct file, key), .min = 1, .max = 1024},
    {"ctl", "ca", KG_SETTING_PATH, offsetof(struct file, ca), .min = 1, .max = 1024},
    {"ctl", "proxy", KG_SETTING_TEXT, offsetof(struct file, proxy), .min = 1, .max = 500},
};

static void take(char **into, char **from)
{
    if (*into)
        return;
    *into = *from;
    *from = NULL;
}

static bool read_file(struct kg_ctl_target *t, bool local, struct kg_problem *problem)
{
    char *path = t->config ? g_strdup(t->config)
                           : g_build_filename(g_get_user_config_dir(), "kaigi", "ctl.conf", NULL);
    struct file file = {0};
    struct kg_settings_error error;
    bool ok = true;
    if (t->config || access(path, F_OK) == 0) {
        ok = kg_settings_load(path, table, KG_ARRAY_LEN(table), &file, &error);
        if (!ok)
            kg_problem_set(problem, "%.500s", error.message);
    }
    if (ok && !local) {
        take(&t->relay, &file.relay);
        take(&t->certificate, &file.certificate);
        take(&t->key, &file.key);
        take(&t->ca, &file.ca);
        take(&t->proxy, &file.proxy);
    }
    kg_settings_finish(table, KG_ARRAY_LEN(table), &file);
    g_free(path);
    return ok;
}

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT". */
static bool split(const char *text, uint16_t fallback, char **host, uint16_t *port)
{
    const char *end, *digits = NULL;
    if (*text == '[') {
        end = strchr(++text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        digits = end[1] ? end + 2 : NULL;
    } else {
        end = strchr(text, ':');
        digits = end ? end + 1 : NULL;
        end = end ? end : text + strlen(text);
    }
    guint64 number = fallback;
    if (digits && !g_ascii_string_to_unsigned(digits, 10, 1, MAX_PORT, &number, NULL))
        return false;
    if (end == text || number == 0 || strcspn(text, "/@ \t?#") < (size_t)(end - text))
        return false;
    *host = g_strndup(text, (gsize)(end - text));
    *port = (uint16_t)number;
    return true;
}

static bool read_relay(struct kg_ctl_target *t, struct kg_problem *problem)
{
    static const char scheme[] = "https://";
    char *address = g_strdup(g_str_has_prefix(t->relay, scheme) ? t->relay + strlen(scheme) : t->relay);
    if (g_str_has_suffix(address, "/"))
        address[strlen(address) - 1] = '\0';
    bool ok = split(address, HTTPS_PORT, &t->host, &t->port);
    g_free(address);
    return ok || kg_problem_set(problem,
                                "\"%.100s\" is no relay's address; write https://HOST or https://HOST:PORT",
                                t->relay);
}

static bool read_proxy(struct kg_ctl_target *t, struct kg_problem *problem)
{
    const char *at = t->proxy ? strrchr(t->proxy, '@') : NULL;
    if (!t->proxy)
        return true;
    if (at) {
        char *login = g_strndup(t->proxy, (gsize)(at - t->proxy)), *colon = strchr(login, ':');
        t->proxy_password = g_strdup(colon ? colon + 1 : "");
        t->proxy_user = g_strndup(login, colon ? (gsize)(colon - login) : strlen(login));
        g_free(login);
    }
    return split(at ? at + 1 : t->proxy, 0, &t->proxy_host, &t->proxy_port) ||
           kg_problem_set(problem,
                          "the proxy is written HOST:PORT (in ctl.conf also USER:PASSWORD@HOST:PORT)");
}

bool kg_ctl_target_resolve(struct kg_ctl_target *t, bool local, struct kg_problem *problem)
{
    if (t->relay && local)
        return kg_problem_set(problem,
                              "--state means the relay on this machine and --relay another; give one");
    /* What is on the command line can be read by every user of the machine. */
    if (t->proxy && strchr(t->proxy, '@'))
        return kg_problem_set(problem,
                              "a proxy's password does not belong on the command line; write it in ctl.conf");
    if (!read_file(t, local, problem))
        return false;
    if (!t->relay)
        return !t->certificate && !t->key && !t->ca && !t->proxy
                   ? true
                   : kg_problem_set(problem,
                                    "--certificate, --key, --ca and --proxy are for a relay elsewhere; "
                                    "give its address with --relay");
    if (!t->certificate || !t->key || !t->ca)
        return kg_problem_set(
            problem, "a relay elsewhere needs --certificate and --key (the administrator's) and --ca "
                     "(the authority's certificate), or the same in ctl.conf");
    return read_relay(t, problem) && read_proxy(t, problem);
}

void kg_ctl_target_finish(struct kg_ctl_target *t)
{
    g_free(t->relay);
    g_free(t->certificate);
    g_free(t->key);
    g_free(t->ca);
    g_free(t->proxy);
    g_free(t->config);
    g_free(t->host);
    g_free(t->proxy_host);
    g_free(t->proxy_user);
    g_free(t->proxy_password);
    *t = (struct kg_ctl_target){0};
}
