/* kaigi-relay: reads the settings, opens everything in order, waits for signals, closes in reverse order. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "net/identity.h"
#include "relay/acceptor.h"
#include "relay/admin.h"
#include "relay/ca.h"
#include "relay/control.h"
#include "relay/metrics.h"
#include "relay/gate.h"
#include "relay/places.h"
#include "relay/relay_settings.h"
#include "relay/signer_protocol.h"
#include "relay/signing.h"
#include "relay/store.h"
#include "relay/syslog.h"
#include "relay/tls_server.h"
#include "relay/tunnel.h"
#include "relay/worker.h"

enum {
    MAX_TUNNELS = KG_WORKER_MAX_TUNNEL_THREADS,
    MAX_PENDING = 1024,
    WORKER_EVENTS = 4096,
    STORE_RESULTS = 256,
    TLS_REFUSALS = 64,
    PORT_TRIES = 20,
    STOP_WAIT_MS = 2500,
    OTHER_FILES = 500, /* the store's, workers' and queues' */
};

/* Of certificates about to end: once a day. */
#define WARN_EVERY_US (INT64_C(86400) * 1000000)

struct relay {
    const char *settings_path; /* NULL: defaults */
    struct kg_relay_settings settings;
    struct kg_identity *identity;
    struct kg_syslog *syslog;
    struct kg_store *store;
    struct kg_store_snapshot snapshot;
    struct kg_acceptor *acceptor;
    struct kg_worker_pool *pool;
    struct kg_tunnels *tunnels;
    struct kg_control *control;
    struct kg_admin *admin;
    struct kg_metrics metrics;
    struct kg_metrics_server *metrics_server;
    struct kg_signing *signing;
    struct kg_tls_server_params tls;
    struct kg_gate *gate;
    struct kg_places *places;
    struct kg_queue *control_accepted, *worker_events, *store_results, *signatures, *tls_refusals;
    struct kg_queue *tunnel_accepted[MAX_TUNNELS], *tunnel_out[MAX_TUNNELS];
    atomic_uint connections;
    unsigned workers;
    uint16_t port;
    int lock;
};

static bool fail(const char *text)
{
    kg_log(KG_LOG_ERROR, "relay", "relay.failed", "%s", text);
    return false;
}

/* A shell gives 1,024 files, and libwebsockets takes its tables' size from that. */
static void raise_files(const struct kg_relay_settings *settings)
{
    struct rlimit files;
    rlim_t wanted = (rlim_t)settings->connections + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    if (files.rlim_max < wanted)
        kg_log(KG_LOG_WARN, "relay", "relay.files",
               "this process may have %llu files open, fewer than [limits] connections=%lld needs: raise its "
               "limit (LimitNOFILE) or set fewer connections",
               (unsigned long long)files.rlim_max, (long long)settings->connections);
    files.rlim_cur = KG_MIN(wanted, files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
}

static bool make_queues(struct relay *r)
{
    /* As many as may be connected: after a power cut every room is in this queue at once, and one that is
     * sent away there only comes again. */
    unsigned accepted = (unsigned)r->settings.connections;
    r->control_accepted = kg_queue_create(accepted, sizeof(struct kg_accepted));
    r->worker_events = kg_queue_create(WORKER_EVENTS, sizeof(struct kg_worker_event));
    r->store_results = kg_queue_create(STORE_RESULTS, sizeof(struct kg_store_result));
    r->signatures = kg_queue_create(KG_SIGNING_QUEUE, sizeof(struct kg_signing_answer));
    r->tls_refusals = kg_queue_create(TLS_REFUSALS, sizeof(struct kg_tls_refusal));
    r->tls.refusals = r->tls_refusals;
    r->gate = kg_gate_create();
    r->places = kg_places_create((unsigned)r->settings.connections_per_address);
    bool ok = r->control_accepted && r->worker_events && r->store_results && r->signatures &&
              r->tls_refusals && r->gate && r->places;
    for (int64_t i = 0; i < r->settings.tunnel_threads && ok; i++) {
        r->tunnel_accepted[i] = kg_queue_create(accepted, sizeof(struct kg_accepted));
        r->tunnel_out[i] = kg_queue_create(KG_TUNNEL_QUEUE, sizeof(struct kg_tunnel_datagram));
        ok = r->tunnel_accepted[i] && r->tunnel_out[i];
    }
    return ok || fail("no memory for the queues");
}

static bool open_acceptor(struct relay *r, struct kg_problem *problem)
{
    struct kg_acceptor_params params = {
        .listen = r->settings.listen,
        .listen_count = r->settings.listen_count,
        .hello_us = r->settings.handshake_seconds * 1000000,
        .max_pending = MAX_PENDING,
        .max_connections = (unsigned)r->settings.connections,
        .connections = &r->connections,
        .places = r->places,
        .control = r->control_accepted,
        .tunnels = r->tunnel_accepted,
        .tunnel_count = (unsigned)r->settings.tunnel_threads,
    };
    r->acceptor = kg_acceptor_create(&params, problem);
    return r->acceptor != NULL;
}

static bool open_workers(struct relay *r)
{
    struct sockaddr_storage listen[KG_RELAY_MAX_ADDRESSES];
    for (unsigned i = 0; i < r->settings.listen_count; i++) {
        listen[i] = r->settings.listen[i];
        if (listen[i].ss_family == AF_INET6)
            ((struct sockaddr_in6 *)&listen[i])->sin6_port = htons(r->port);
        else
            ((struct sockaddr_in *)&listen[i])->sin_port = htons(r->port);
    }
    struct kg_worker_params params = {
        .workers = r->workers,
        .listen = listen,
        .listen_count = r->settings.udp ? r->settings.listen_count : 0,
        .identity = r->identity,
        .events = r->worker_events,
        .tunnel_out = r->tunnel_out,
        .tunnel_capacity = KG_TUNNEL_QUEUE,
        .tunnel_threads = (unsigned)r->settings.tunnel_threads,
        .dscp_audio = (uint8_t)r->settings.dscp_audio,
        .dscp_video = (uint8_t)r->settings.dscp_video,
    };
    r->pool = kg_worker_pool_create(&params);
    return r->pool != NULL;
}

/* One number for TCP and UDP. When the system may choose it, its TCP choice may be taken in UDP: ask again.
 */
static bool open_ports(struct relay *r)
{
    for (int i = 0; i < (r->settings.port ? 1 : PORT_TRIES); i++) {
        struct kg_problem problem;
        if (!open_acceptor(r, &problem))
            return fail(problem.text);
        r->port = kg_acceptor_port(r->acceptor);
        if (open_workers(r))
            return true;
        kg_acceptor_destroy(r->acceptor);
        r->acceptor = NULL;
    }
    return fail(
        "cannot start the media workers: the reason stands above; when the UDP port is taken, stop the other "
        "program or set [listen] port");
}

static bool check_state(const char *state, const struct kg_tls_server_params *tls)
{
    struct stat st;
    struct kg_problem problem;
    if (stat(state, &st) != 0)
        kg_problem_set(&problem, "cannot use the state folder %s: %s%s", state, strerror(errno),
                       errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
    else if (!S_ISDIR(st.st_mode))
        kg_problem_set(&problem, "the state folder %s is not a folder", state);
    else if (access(state, R_OK | W_OK | X_OK) != 0)
        kg_problem_set(&problem,
                       "cannot use the state folder %s: %s; it must belong to the user who runs the relay",
                       state, strerror(errno));
    else if (kg_tls_server_check(tls, &problem))
        return true;
    return fail(problem.text);
}

/* Two relays on one folder would undo each other's seats. The lock goes with the process. */
static bool lock_state(struct relay *r)
{
    char path[4096], text[4200];
    snprintf(path, sizeof path, "%s/relay.lock", r->settings.state);
    r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock >= 0 && flock(r->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (r->lock >= 0 && errno == EWOULDBLOCK)
        snprintf(text, sizeof text, "another kaigi-relay is using the state folder %s; stop it first",
                 r->settings.state);
    else
        snprintf(text, sizeof text, "cannot lock %s: %s", path, strerror(errno));
    return fail(text);
}

/* A collector that cannot be reached holds nothing up: the trail is in the store. */
static bool open_syslog(struct relay *r)
{
    struct kg_syslog_target target;
    char hostname[256] = "-";
    if (!kg_syslog_target_parse(r->settings.syslog, &target) || target.transport == KG_SYSLOG_NONE)
        return true;
    gethostname(hostname, sizeof hostname - 1);
    r->syslog = kg_syslog_create(&target, hostname);
    return r->syslog != NULL;
}

static bool open_store(struct relay *r)
{
    char path[4096];
    struct kg_problem problem;
    snprintf(path, sizeof path, "%s/kaigi.db", r->settings.state);
    struct kg_store_params params = {
        .path = path,
        .results = r->store_results,
        .retention_days = r->settings.retention_days,
        .syslog = r->syslog,
    };
    r->store = kg_store_open(&params, &r->snapshot, &problem);
    return r->store || fail(problem.text);
}

static bool open_signing(struct relay *r)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", r->settings.state, KG_SIGNER_SOCKET);
    const char *socket = r->settings.signer_socket ? r->settings.signer_socket : path;
    r->signing = kg_signing_create(r->settings.state, socket, r->signatures);
    return r->signing || fail("cannot start the thread that asks the signer");
}

static bool open_services(struct relay *r)
{
    const struct kg_relay_settings *s = &r->settings;
    struct kg_problem problem;
    struct kg_tunnels_params tunnels = {
        .threads = (unsigned)s->tunnel_threads,
        .tls = &r->tls,
        .gate = r->gate,
        .ping_s = 20,
        .idle_s = (unsigned)s->idle_seconds,
        .hello_us = s->handshake_seconds * 1000000,
        .connections = &r->connections,
        .accepted = r->tunnel_accepted,
        .out = r->tunnel_out,
        .pool = r->pool,
    };
    r->tunnels = kg_tunnels_create(&tunnels);
    if (!r->tunnels)
        return false;
    struct kg_control_params control = {
        .settings = s,
        .port = r->port,
        .store = r->store,
        .store_results = r->store_results,
        .pool = r->pool,
        .worker_events = r->worker_events,
        .signing = r->signing,
        .tls = &r->tls,
        .tls_refusals = r->tls_refusals,
        .gate = r->gate,
        .signatures = r->signatures,
        .accepted = r->control_accepted,
        .tunnels = r->tunnels,
        .connections = &r->connections,
        .metrics = s->metrics_port ? &r->metrics : NULL,
        .workers = r->workers,
    };
    memcpy(control.dtls_fingerprint, kg_identity_fingerprint(r->identity), sizeof control.dtls_fingerprint);
    r->control = kg_control_create(&control, &r->snapshot);
    if (!r->control)
        return false;
    r->admin = kg_admin_create(s->state, r->control, &problem);
    if (!r->admin)
        return fail(problem.text);
    if (s->metrics_port) {
        r->metrics_server = kg_metrics_server_create(&r->metrics, (uint16_t)s->metrics_port, &problem);
        if (!r->metrics_server)
            return fail(problem.text);
    }
    return (kg_control_start(r->control) && kg_acceptor_start(r->acceptor)) || fail("cannot start a thread");
}

static unsigned count_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > KG_WORKER_MAX ? KG_WORKER_MAX : (unsigned)cores;
}

static bool open_relay(struct relay *r)
{
    r->tls = (struct kg_tls_server_params){.state = r->settings.state,
                                           .certificate = r->settings.tls_certificate,
                                           .key = r->settings.tls_key,
                                           .client_ca = r->settings.tls_client_ca};
    r->workers = r->settings.workers ? (unsigned)r->settings.workers : count_cores();
    raise_files(&r->settings);
    /* The store last of what can be refused: nothing is touched by a relay that cannot run. */
    if (!check_state(r->settings.state, &r->tls) || !lock_state(r) || !make_queues(r))
        return false;
    r->identity = kg_identity_create();
    return r->identity && open_ports(r) && open_syslog(r) && open_store(r) && open_signing(r) &&
           open_services(r);
}

static void close_relay(struct relay *r)
{
    kg_metrics_server_destroy(r->metrics_server);
    kg_acceptor_destroy(r->acceptor);
    kg_admin_stop(r->admin);
    kg_control_destroy(r->control);
    kg_signing_destroy(r->signing);
    kg_admin_destroy(r->admin);
    kg_tunnels_destroy(r->tunnels);
    kg_worker_pool_destroy(r->pool);
    kg_store_close(r->store);
    kg_syslog_destroy(r->syslog);
    kg_store_snapshot_finish(&r->snapshot);
    kg_identity_destroy(r->identity);
    struct kg_accepted accepted;
    for (int i = -1; i < MAX_TUNNELS; i++) {
        struct kg_queue *queue = i < 0 ? r->control_accepted : r->tunnel_accepted[i];
        while (queue && kg_queue_pop(queue, &accepted)) {
            close(accepted.fd);
            kg_places_leave(accepted.place);
        }
        kg_queue_destroy(queue);
        if (i >= 0)
            kg_queue_destroy(r->tunnel_out[i]);
    }
    struct kg_signing_answer signature;
    while (r->signatures && kg_queue_pop(r->signatures, &signature))
        kg_ca_certificate_finish(&signature.certificate);
    kg_queue_destroy(r->signatures);
    kg_queue_destroy(r->tls_refusals);
    kg_gate_destroy(r->gate);
    kg_places_destroy(r->places);
    kg_queue_destroy(r->worker_events);
    kg_queue_destroy(r->store_results);
    if (r->lock >= 0)
        close(r->lock);
}

static void announce(const struct relay *r)
{
    char path[4096], fingerprint[KG_FINGERPRINT_TEXT_BYTES] = "?",
                     *addresses = g_strjoinv(", ", r->settings.addresses);
    uint8_t bytes[KG_CA_FINGERPRINT_BYTES];
    snprintf(path, sizeof path, "%s/%s", r->settings.state, KG_CA_CERT_FILE);
    if (kg_ca_file_fingerprint(path, bytes, NULL, NULL))
        kg_fingerprint_text(bytes, fingerprint);
    kg_log(KG_LOG_INFO, "relay", "relay.started",
           "listening on %s port %u (%s), %u workers, authority SHA-256 %s", addresses, r->port,
           r->settings.udp ? "tcp and udp" : "tcp only", r->workers, fingerprint);
    g_free(addresses);
    sd_notifyf(0, "READY=1\nSTATUS=Listening on port %u", r->port);
}

static bool load_settings(struct relay *r, const char *state)
{
    struct kg_settings_error error;
    bool ok = r->settings_path
                  ? kg_relay_settings_load(r->settings_path, &r->settings, &error)
                  : kg_relay_settings_default(state ? state : "/var/lib/kaigi-relay", &r->settings, &error);
    if (!ok)
        kg_log(KG_LOG_ERROR, "relay", "settings.bad", "%s", error.message);
    if (ok && r->settings_path && state) {
        g_free(r->settings.state);
        r->settings.state = g_strdup(state);
    }
    return ok;
}

static void reload(struct relay *r)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)kg_clock_now_us());
    struct kg_relay_settings fresh = {0};
    struct kg_settings_error error;
    if (r->settings_path && !kg_relay_settings_load(r->settings_path, &fresh, &error)) {
        kg_log(KG_LOG_ERROR, "relay", "settings.bad", "keeping the settings as they were: %s", error.message);
    } else if (r->settings_path) {
        kg_log_setup((enum kg_log_level)fresh.log_level, (enum kg_log_format)r->settings.log_format);
        kg_relay_settings_finish(&fresh);
    }
    kg_control_reload(r->control);
    kg_tunnels_reload(r->tunnels);
    kg_log(KG_LOG_INFO, "relay", "relay.reloaded", "certificates and log level are read again");
    sd_notify(0, "READY=1");
}

/* Feeds the watchdog only while control and every worker are alive. */
static void feed_watchdog(const struct relay *r, bool enabled)
{
    int64_t stuck_us = kg_control_stuck_us(r->control, kg_clock_now_us());
    if (stuck_us > 0)
        kg_log(KG_LOG_ERROR, "relay", "relay.stuck", "a thread has not answered for %.1f s",
               (double)stuck_us / 1e6);
    else if (enabled)
        sd_notify(0, "WATCHDOG=1");
}

static void wait_for_signals(struct relay *r, const sigset_t *signals)
{
    uint64_t watchdog_us = 0;
    bool enabled = sd_watchdog_enabled(0, &watchdog_us) > 0;
    int64_t wait_us = enabled ? (int64_t)KG_MIN(watchdog_us / 3, 5000000) : 5000000;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int64_t warn_us = kg_clock_now_us() + WARN_EVERY_US;
    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &wait);
        if (signal_number == SIGTERM || signal_number == SIGINT)
            return;
        if (signal_number == SIGHUP)
            reload(r);
        feed_watchdog(r, enabled);
        if (kg_clock_now_us() >= warn_us) {
            kg_tls_server_warn(&r->tls);
            warn_us += WARN_EVERY_US;
        }
    }
}

static void say_goodbye(struct relay *r)
{
    sd_notify(0, "STOPPING=1");
    kg_log(KG_LOG_INFO, "relay", "relay.stopping", "telling the rooms");
    kg_control_stop(r->control);
    struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < STOP_WAIT_MS / 10 && !kg_control_stopped(r->control); i++)
        nanosleep(&pause, NULL);
}

static bool read_options(int *argc, char ***argv, char **settings, char **state)
{
    gboolean show_version = FALSE;
    GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, settings,
         "Settings file; without it every setting has its default", "FILE"},
        {"state", 's', 0, G_OPTION_ARG_FILENAME, state, "State folder, instead of the one in the settings",
         "DIR"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &show_version, "Print the version and end", NULL},
        {0},
    };
    GOptionContext *context = g_option_context_new("- the relay of Kaigi meetings");
    g_option_context_set_summary(
        context, "Admits rooms to their meetings and forwards sound and pictures between them.\n"
                 "\"kaigi-ctl ca init\" makes the state folder.");
    g_option_context_add_main_entries(context, entries, NULL);
    GError *error = NULL;
    bool ok = g_option_context_parse(context, argc, argv, &error);
    if (ok && *argc > 1) {
        ok = false;
        fprintf(stderr, "kaigi-relay: unexpected argument \"%s\"; see --help\n", (*argv)[1]);
    } else if (!ok) {
        fprintf(stderr, "kaigi-relay: %s; see --help\n", error->message);
        g_error_free(error);
    }
    g_option_context_free(context);
    if (ok && show_version) {
        puts("kaigi-relay " KAIGI_VERSION);
        exit(EXIT_SUCCESS);
    }
    return ok;
}

int main(int argc, char **argv)
{
    char *settings = NULL, *state = NULL;
    if (!read_options(&argc, &argv, &settings, &state))
        return 2;
    static struct relay relay = {.lock = -1};
    /* Without TZ, glibc looks at /etc/localtime again for every local time, and libwebsockets asks for one
     * each time it polls. */
    setenv("TZ", ":/etc/localtime", 0);
    tzset();
    relay.settings_path = settings;
    /* Blocked before any thread starts: only sigtimedwait takes them. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    bool ok = load_settings(&relay, state);
    if (ok) {
        kg_log_setup((enum kg_log_level)relay.settings.log_level,
                     (enum kg_log_format)relay.settings.log_format);
        ok = open_relay(&relay);
    }
    if (ok) {
        announce(&relay);
        wait_for_signals(&relay, &signals);
        say_goodbye(&relay);
    }
    close_relay(&relay);
    kg_relay_settings_finish(&relay.settings);
    g_free(settings);
    g_free(state);
    if (ok)
        kg_log(KG_LOG_INFO, "relay", "relay.stopped", "stopped");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
