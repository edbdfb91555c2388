/* kaigi-ctl: options, the admin socket, and telling what went wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "relay/admin.h"
#include "relay/ctl.h"

enum { REPLY_WAIT_S = 45 };

bool kg_ctl_options(struct kg_ctl *ctl, int argc, char **argv, const char *usage, const char *summary,
                    const GOptionEntry *entries, int words, const char **word)
{
    const GOptionEntry common[] = {
        {"state", 's', 0, G_OPTION_ARG_FILENAME, &ctl->state,
         "The relay's state folder (default /var/lib/kaigi-relay)", "DIR"},
        {"json", 'j', 0, G_OPTION_ARG_NONE, &ctl->json, "Answer as one JSON object", NULL},
        {"relay", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.relay, "A relay elsewhere: https://HOST[:PORT]",
         "URL"},
        {"certificate", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.certificate,
         "… with this administrator's certificate", "FILE"},
        {"key", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.key, "… and its key", "FILE"},
        {"ca", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.ca, "… trusting this authority alone", "FILE"},
        {"proxy", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.proxy, "… through this HTTP proxy", "HOST:PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &ctl->target.config,
         "Where the same is written (default ~/.config/kaigi/ctl.conf)", "FILE"},
        {0},
    };
    GOptionContext *context = g_option_context_new(usage);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, common, NULL);
    if (entries)
        g_option_context_add_main_entries(context, entries, NULL);
    GError *error = NULL;
    bool ok = g_option_context_parse(context, &argc, &argv, &error);
    if (!ok) {
        fprintf(stderr, "kaigi-ctl: %s; see --help\n", error->message);
        g_error_free(error);
    } else if (argc - 1 != words) {
        char *help = g_option_context_get_help(context, TRUE, NULL);
        fprintf(stderr, "kaigi-ctl: %s argument\n\n%s", argc - 1 < words ? "missing" : "unexpected", help);
        g_free(help);
        ok = false;
    }
    for (int i = 0; i < words && ok; i++)
        word[i] = argv[i + 1];
    g_option_context_free(context);
    struct kg_problem problem;
    if (ok && !kg_ctl_target_resolve(&ctl->target, ctl->state != NULL, &problem)) {
        kg_ctl_fail(ctl, "%s", problem.text);
        ok = false;
    }
    if (!ctl->state)
        ctl->state = g_strdup("/var/lib/kaigi-relay");
    return ok;
}

void kg_ctl_finish(struct kg_ctl *ctl)
{
    g_free(ctl->state);
    ctl->state = NULL;
    kg_ctl_target_finish(&ctl->target);
}

int kg_ctl_fail(const struct kg_ctl *ctl, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_t *object = ctl->json ? json_pack("{s:b, s:s}", "ok", 0, "error", text) : NULL;
    if (object)
        kg_ctl_print_json(ctl, object);
    else
        fprintf(stderr, "kaigi-ctl: %s\n", text);
    json_decref(object);
    return KG_CTL_FAILED;
}

bool kg_ctl_print_json(const struct kg_ctl *ctl, const json_t *object)
{
    if (!ctl->json)
        return false;
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    return true;
}

char *kg_ctl_read_file(const struct kg_ctl *ctl, const char *path, size_t max_bytes)
{
    struct stat st;
    char *text = NULL;
    GError *error = NULL;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size > max_bytes) {
        kg_ctl_fail(ctl, "%s is too large (more than %zu bytes)", path, max_bytes);
        return NULL;
    }
    if (!g_file_get_contents(path, &text, NULL, &error)) {
        kg_ctl_fail(ctl, "%s", error->message);
        g_error_free(error);
        return NULL;
    }
    return text;
}

static int open_socket(const struct kg_ctl *ctl)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", ctl->state, KG_ADMIN_SOCKET);
    if (size < 0 || (size_t)size >= sizeof address.sun_path) {
        kg_ctl_fail(ctl, "the state folder's path is too long for a socket");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        struct timeval wait = {.tv_sec = REPLY_WAIT_S};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        return fd;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (error == ENOENT || error == ECONNREFUSED)
        kg_ctl_fail(ctl, "no relay is running with the state folder %s; start kaigi-relay, or give --state",
                    ctl->state);
    else if (error == EACCES)
        kg_ctl_fail(ctl, "%s: %s; run this as root or as the relay's user", address.sun_path,
                    strerror(error));
    else
        kg_ctl_fail(ctl, "cannot reach the relay at %s: %s", address.sun_path, strerror(error));
    return -1;
}

static bool send_all(int fd, const char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(fd, text + done, size - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    return true;
}

static json_t *receive(int fd)
{
    GString *line = g_string_new(NULL);
    char bytes[16384];
    json_t *reply = NULL;
    for (;;) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        g_string_append_len(line, bytes, size);
        if (memchr(bytes, '\n', (size_t)size)) {
            reply = json_loadb(line->str, line->len, 0, NULL);
            break;
        }
    }
    g_string_free(line, TRUE);
    return reply;
}

static json_t *ask_local(const struct kg_ctl *ctl, const char *text)
{
    int fd = open_socket(ctl);
    if (fd < 0)
        return NULL;
    json_t *reply = send_all(fd, text, strlen(text)) && send_all(fd, "\n", 1) ? receive(fd) : NULL;
    close(fd);
    if (!reply)
        kg_ctl_fail(ctl,
                    "the relay gives no answer; a change may or may not be made: look with \"room list\" "
                    "or the like before you ask for it again");
    return reply;
}

json_t *kg_ctl_ask(const struct kg_ctl *ctl, json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    bool is_export = strcmp(kg_ctl_text_of(request, "command"), "audit-export") == 0;
    json_decref(request);
    if (!text) {
        kg_ctl_fail(ctl, "the request cannot be written: is every text UTF-8?");
        return NULL;
    }
    json_t *reply = ctl->target.relay ? kg_ctl_ask_remote(ctl, text) : ask_local(ctl, text);
    free(text);
    if (!ctl->json)
        kg_ctl_make_printable(reply, is_export);
    const char *warning = json_string_value(json_object_get(reply, "warning"));
    if (warning)
        fprintf(stderr, "kaigi-ctl: warning: %s\n", warning);
    if (!reply || json_is_true(json_object_get(reply, "ok")))
        return reply;
    const char *error = json_string_value(json_object_get(reply, "error"));
    kg_ctl_fail(ctl, "%s", error ? error : "the relay refuses without a reason");
    json_decref(reply);
    return NULL;
}
