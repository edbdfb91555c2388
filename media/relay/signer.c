/* kaigi-signer: the only program that reads the issuing authority's key. It answers on one unix socket, to
 * root, its own user and the one it was told of; it opens no network and no files but those in its folder. */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/clock_floor.h"
#include "base/log.h"
#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/signer_protocol.h"
#include "relay/signer_work.h"
#include "relay/unix_socket.h"

enum { LINE_WAIT_US = 3000000, BACKLOG = 16, FILES_MAX = 32, PER_MINUTE = 120, PER_MINUTE_MAX = 100000 };

struct program {
    char *folder, *socket_path, *user;
    gint64 per_minute;
    gboolean json;
    uid_t allowed;
    bool any_allowed;
    int fd, signals;
    struct kg_signer *signer;
    struct kg_log_limit strangers;
};

KG_PRINTF(1, 2)
static bool fail(const char *fmt, ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    kg_log(KG_LOG_ERROR, "signer", "signer.failed", "%s", text);
    return false;
}

static bool read_options(struct program *p, int argc, char **argv)
{
    gboolean show_version = FALSE;
    const GOptionEntry entries[] = {
        {"folder", 'f', 0, G_OPTION_ARG_FILENAME, &p->folder,
         "Folder of the issuing authority's key (default /var/lib/kaigi-signer)", "DIR"},
        {"socket", 's', 0, G_OPTION_ARG_FILENAME, &p->socket_path,
         "Where to listen (default " KG_SIGNER_SYSTEM_SOCKET ")", "PATH"},
        {"allow-user", 'u', 0, G_OPTION_ARG_STRING, &p->user,
         "Who may ask, besides root and this program's own user", "NAME"},
        {"per-minute", 0, 0, G_OPTION_ARG_INT64, &p->per_minute,
         "Signatures a minute, on average (default 120)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &p->json, "Log as JSON, for journald", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &show_version, "Print the version and end", NULL},
        {0},
    };
    GOptionContext *context = g_option_context_new("- signs certificates for Kaigi's relay");
    g_option_context_set_summary(context, "Keeps the issuing authority's key and signs what the relay asks "
                                          "for.\n\"kaigi-ctl ca init\" makes its folder.");
    g_option_context_add_main_entries(context, entries, NULL);
    GError *error = NULL;
    bool ok = g_option_context_parse(context, &argc, &argv, &error);
    if (!ok) {
        fprintf(stderr, "kaigi-signer: %s; see --help\n", error->message);
        g_error_free(error);
    } else if (argc > 1) {
        fprintf(stderr, "kaigi-signer: unexpected argument \"%s\"; see --help\n", argv[1]);
        ok = false;
    } else if (p->per_minute < 1 || p->per_minute > PER_MINUTE_MAX) {
        fprintf(stderr, "kaigi-signer: --per-minute must be 1 to %d\n", PER_MINUTE_MAX);
        ok = false;
    }
    g_option_context_free(context);
    if (ok && show_version) {
        puts("kaigi-signer " KAIGI_VERSION);
        exit(EXIT_SUCCESS);
    }
    if (!p->folder)
        p->folder = g_strdup("/var/lib/kaigi-signer");
    if (!p->socket_path)
        p->socket_path = g_strdup(KG_SIGNER_SYSTEM_SOCKET);
    return ok;
}

static bool find_user(struct program *p)
{
    if (!p->user)
        return true;
    errno = 0;
    const struct passwd *entry = getpwnam(p->user);
    if (!entry)
        return fail("there is no user \"%s\": %s", p->user, errno ? strerror(errno) : "create it first");
    p->allowed = entry->pw_uid;
    p->any_allowed = true;
    return true;
}

/* Under its name only once it listens: whoever sees the socket can ask. */
static bool open_socket(struct program *p)
{
    struct sockaddr_un address, fresh;
    char path[sizeof address.sun_path + sizeof ".new"];
    int size = snprintf(path, sizeof path, "%s.new", p->socket_path);
    if (size < 0 || (size_t)size >= sizeof path || !kg_unix_address(&fresh, path) ||
        !kg_unix_address(&address, p->socket_path))
        return fail("the path %s is too long for a socket", p->socket_path);
    if (kg_unix_is_served(&address))
        return fail("another kaigi-signer answers at %s; stop it first", p->socket_path);
    unlink(fresh.sun_path);
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Another user must be able to connect at all; who he is decides. */
    mode_t before = umask(p->any_allowed ? 0111 : 0177);
    bool ok = p->fd >= 0 && bind(p->fd, (struct sockaddr *)&fresh, sizeof fresh) == 0;
    int error = errno;
    umask(before);
    if (!ok)
        return fail("cannot open %s: %s", p->socket_path, strerror(error));
    if (listen(p->fd, BACKLOG) == 0 && rename(fresh.sun_path, p->socket_path) == 0)
        return true;
    error = errno;
    unlink(fresh.sun_path);
    return fail("cannot open %s: %s", p->socket_path, strerror(error));
}

/* Whatever the service manager grants, this program needs none of it any more. */
static void drop_rights(void)
{
    const struct rlimit none = {0}, files = {FILES_MAX, FILES_MAX};
    prctl(PR_SET_DUMPABLE, 0); /* no core, no ptrace: the key is in memory */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_NOFILE, &files);
    /* Only root may, and an unprivileged one has no way out through its sandbox: a network with nothing in
     * it. */
    if (geteuid() == 0 && unshare(CLONE_NEWNET) != 0)
        kg_log(KG_LOG_DEBUG, "signer", NULL, "cannot leave the network: %s", strerror(errno));
}

static bool may_ask(struct program *p, int fd, struct ucred *peer)
{
    uint32_t suppressed;
    socklen_t size = sizeof *peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) == 0 &&
        (peer->uid == 0 || peer->uid == geteuid() || (p->any_allowed && peer->uid == p->allowed)))
        return true;
    if (kg_log_allow(&p->strangers, kg_clock_now_us(), &suppressed))
        kg_log(KG_LOG_WARN, "signer", "signer.stranger", "user %u may not ask (%u more not logged)",
               peer->uid, suppressed);
    return false;
}

/* Strangers go before anything is waited for: there is one thread, and its time is the relay's. */
static void serve(struct program *p, int fd)
{
    static char line[KG_SIGNER_MAX_BYTES];
    struct ucred peer = {0};
    size_t size;
    if (!may_ask(p, fd, &peer)) {
        kg_unix_turn_away(
            fd, "{\"ok\":false,\"error\":\"this user may not ask kaigi-signer: see its --allow-user\"}\n");
        return;
    }
    char *answer =
        kg_unix_receive(fd, line, sizeof line, &size, kg_clock_now_us() + LINE_WAIT_US)
            ? kg_signer_answer(p->signer, line, size, &peer, kg_clock_now_us(), kg_clock_wall_us() / 1000000)
            : NULL;
    if (answer && !kg_unix_send(fd, answer, kg_clock_now_us() + LINE_WAIT_US))
        kg_log(KG_LOG_DEBUG, "signer", NULL, "an answer is not taken");
    free(answer);
    close(fd);
}

static void run(struct program *p)
{
    struct pollfd watched[] = {{.fd = p->fd, .events = POLLIN}, {.fd = p->signals, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            return;
        if (watched[1].revents)
            return;
        int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                usleep(100000); /* the listener stays readable: without a pause this would spin */
            continue;
        }
        serve(p, fd);
    }
}

static void announce(const struct program *p)
{
    char path[KG_CA_PATH_BYTES], text[KG_CA_FINGERPRINT_TEXT] = "?";
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    int64_t not_after_s = 0;
    if (kg_ca_path(path, p->folder, KG_CA_ISSUING_CERT, NULL) &&
        kg_ca_file_fingerprint(path, fingerprint, &not_after_s, NULL))
        kg_ca_fingerprint_text(fingerprint, text);
    kg_log(KG_LOG_INFO, "signer", "signer.started",
           "answering at %s, %llu signed so far, issuing authority SHA-256 %s", p->socket_path,
           (unsigned long long)kg_signer_count(p->signer), text);
    if (not_after_s < kg_clock_wall_us() / 1000000 + INT64_C(30) * 86400)
        kg_log(KG_LOG_WARN, "signer", "signer.expiring",
               "the issuing authority ends in less than 30 days: make a new one with \"kaigi-ctl ca issue\"");
    sd_notify(0, "READY=1");
}

static bool open_program(struct program *p)
{
    struct kg_problem problem;
    const struct kg_signer_params params = {
        .folder = p->folder, .per_minute = p->per_minute, .build_s = kg_clock_floor_build_s()};
    p->signer = kg_signer_create(&params, &problem);
    return p->signer ? find_user(p) && open_socket(p) : fail("%s", problem.text);
}

int main(int argc, char **argv)
{
    struct program p = {.fd = -1, .signals = -1, .per_minute = PER_MINUTE};
    p.strangers = (struct kg_log_limit){.burst = 10, .interval_us = 10000000};
    if (!read_options(&p, argc, argv))
        return 2;
    kg_log_setup(KG_LOG_INFO, p.json ? KG_LOG_JSON : KG_LOG_TEXT);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    p.signals = signalfd(-1, &signals, SFD_CLOEXEC);
    bool ok = p.signals >= 0 && open_program(&p);
    if (ok) {
        drop_rights();
        announce(&p);
        run(&p);
        kg_log(KG_LOG_INFO, "signer", "signer.stopped", "stopped");
        unlink(p.socket_path);
    }
    if (p.fd >= 0)
        close(p.fd);
    if (p.signals >= 0)
        close(p.signals);
    kg_signer_destroy(p.signer);
    g_free(p.folder);
    g_free(p.socket_path);
    g_free(p.user);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
