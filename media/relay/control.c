#include "relay/control_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "relay/acceptor.h"
#include "relay/pace.h"
#include "relay/places.h"
#include "relay/agenda_read.h"
#include "relay/calendars.h"
#include "relay/revision.h"
#include "relay/tls_server.h"
#include "relay/verb.h"

enum {
    BATCH = 256,
    ADOPT_BATCH = 16,
    ASK_WORKERS_EVERY_S = 5,
    TURN_PAGE_EVERY_S = 3600,
    RETRY_BASE_MS = 200,
    RETRY_SPREAD_MS = 800,
    AGENDAS_AT_ONCE = 32,
    AGENDAS_TURN_US = 20000,
    AGENDAS_PAUSE_US = 1000,
    REFUSED_JOINS = 10, /* of one room at once, then one each … */
    REFUSED_JOINS_US = 5000000,
    REFUSED_ROOMS = 4096,
};

/* What a room's agenda covers, and how long meetings that are over stay joinable by their seats' tokens. */
#define AGENDA_BEFORE_US (INT64_C(86400) * 1000000)
#define AGENDA_AFTER_US  (INT64_C(31) * 86400 * 1000000)
#define KEEP_ENDED_US    (INT64_C(2) * 86400 * 1000000)
/* The rest of a message around the calendar, whose quotes and line ends grow in JSON. */
#define AGENDA_MAX_BYTES ((size_t)KG_MESSAGE_MAX_BYTES * 3 / 4)

struct kg_control *kg_control_of(struct lws *wsi)
{
    struct lws_vhost *vhost = wsi ? lws_get_vhost(wsi) : NULL;
    return vhost ? lws_vhost_user(vhost) : NULL;
}

int kg_control_count_end(struct kg_control *c, struct lws *wsi)
{
    if (c) {
        c->ended++;
        kg_places_leave(lws_get_opaque_user_data(wsi));
        lws_set_opaque_user_data(wsi, NULL);
        atomic_fetch_sub(c->params.connections, 1);
    }
    return 0;
}

struct kg_admin_remote *kg_control_admin_remote(struct kg_control *c)
{
    return c->admin_remote;
}

static void on_gather(void *user, int64_t now_us)
{
    struct kg_control *c = user;
    (void)now_us;
    for (struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        if (g->changed)
            kg_control_send_participants(c, g);
    }
}

void kg_control_gather(struct kg_control *c, struct kg_gathering *g)
{
    g->changed = true;
    if (!c->gather.set)
        kg_loop_timer_set(c->loop, &c->gather, kg_clock_now_us() + KG_CONTROL_GATHER_US);
}

void kg_control_send_agenda(struct kg_control *c, struct kg_session *s)
{
    s->agenda_due = false;
    s->agenda_stamp = kg_directory_agenda_stamp(c->directory, s->room->id);
    int64_t now_us = kg_clock_wall_us();
    char *calendar = kg_directory_calendar(c->directory, s->room->id, now_us - AGENDA_BEFORE_US,
                                           now_us + AGENDA_AFTER_US, AGENDA_MAX_BYTES);
    if (!calendar)
        return;
    struct kg_message message = {
        .type = KG_MESSAGE_AGENDA,
        .agenda = {.revision = (uint64_t)kg_revision_of(calendar, NULL), .calendar = calendar}};
    if (!s->has_agenda || s->agenda_revision != message.agenda.revision)
        kg_session_send(s, &message);
    s->has_agenda = true;
    s->agenda_revision = message.agenda.revision;
    free(calendar);
}

/* Thousands of agendas at once, or few of many meetings, would keep everything else waiting: some, then the
 * loop turns. */
static void on_rename(void *user, int64_t now_us)
{
    struct kg_control *c = user;
    int left = AGENDAS_AT_ONCE;
    (void)now_us; /* when the loop woke up: other timers may have taken their time */
    int64_t until_us = kg_clock_now_us() + AGENDAS_TURN_US;
    for (struct kg_session *s = c->sessions; s; s = s->next) {
        if (!s->agenda_due || s->closing)
            continue;
        if (left == 0 || (left < AGENDAS_AT_ONCE && kg_clock_now_us() >= until_us)) {
            kg_loop_timer_set(c->loop, &c->rename, kg_clock_now_us() + AGENDAS_PAUSE_US);
            return;
        }
        left--;
        kg_control_send_agenda(c, s);
    }
}

/* Writing two thousand calendars takes most of a second: only where something may be new. */
static void mark_agendas(struct kg_control *c)
{
    for (struct kg_session *s = c->sessions; s; s = s->next)
        s->agenda_due = s->greeted && !s->closing &&
                        s->agenda_stamp != kg_directory_agenda_stamp(c->directory, s->room->id);
}

void kg_control_send_agendas(struct kg_control *c)
{
    mark_agendas(c);
    kg_loop_timer_set(c->loop, &c->rename, kg_clock_now_us());
}

void kg_control_rename(struct kg_control *c)
{
    mark_agendas(c);
    if (!c->rename.set)
        kg_loop_timer_set(c->loop, &c->rename, kg_clock_now_us() + KG_CONTROL_RENAME_US);
}

/* Days pass while rooms stay connected: what an agenda covers moves on. */
static void turn_page(struct kg_control *c)
{
    kg_control_enforce_agenda(c);
    kg_directory_prune(c->directory, kg_clock_wall_us() - KEEP_ENDED_US);
    kg_control_send_agendas(c);
    kg_tls_server_ends(c->params.tls, &c->ends);
}

/* The queues' readers. Each takes a batch and lets the loop turn: the queue's descriptor stays readable. */

/* Few in a turn, so that those whose handshakes have begun come first: two thousand handshakes begun together
 * would also end together, past everybody's time limit, and all begin again. */
static void on_accepted(void *user)
{
    struct kg_control *c = user;
    struct kg_accepted accepted;
    for (int i = 0; i < ADOPT_BATCH && kg_queue_pop(c->params.accepted, &accepted); i++) {
        unsigned before = c->ended;
        /* A refused socket has been closed, with or without notice to kg_session_callback. */
        struct lws *wsi = lws_adopt_socket_vhost(c->vhost, accepted.fd);
        if (wsi)
            lws_set_opaque_user_data(wsi, accepted.place);
        else
            kg_places_leave(accepted.place);
        if (!wsi && c->ended == before)
            atomic_fetch_sub(c->params.connections, 1);
    }
}

static void on_worker_event(void *user)
{
    struct kg_control *c = user;
    struct kg_worker_event event;
    for (int i = 0; i < BATCH && kg_queue_pop(c->params.worker_events, &event); i++)
        kg_control_worker_event(c, &event);
}

static void on_store_result(void *user)
{
    struct kg_control *c = user;
    struct kg_store_result result;
    while (kg_queue_pop(c->params.store_results, &result))
        kg_control_store_result(c, &result);
    kg_control_set_gate(c);
}

static void on_stop_timer(void *user, int64_t now_us)
{
    struct kg_control *c = user;
    static const int64_t again_us = 20000;
    if ((c->session_count == 0 && kg_admin_remote_count(c->admin_remote) == 0) || now_us >= c->stop_by_us) {
        atomic_store(&c->stopped, true);
        kg_loop_stop(c->loop);
        return;
    }
    kg_loop_timer_set(c->loop, &c->stop, now_us + again_us);
}

static void begin_stop(struct kg_control *c)
{
    if (c->stopping)
        return;
    c->stopping = true;
    /* Spread, so that a restarted relay is not met by every room at once. */
    for (struct kg_session *s = c->sessions; s; s = s->next)
        kg_session_close(s, KG_REASON_SHUTTING_DOWN, RETRY_BASE_MS + kg_random_u32() % RETRY_SPREAD_MS);
    kg_admin_remote_close_all(c->admin_remote);
    c->stop_by_us = kg_clock_now_us() + KG_CONTROL_STOP_US;
    kg_loop_timer_set(c->loop, &c->stop, kg_clock_now_us());
}

static void reload(struct kg_control *c)
{
    kg_tls_server_reload(c->tls, c->params.tls);
    kg_tls_server_ends(c->params.tls, &c->ends);
    kg_est_server_reload(c->est);
}

static void on_command(void *user)
{
    struct kg_control *c = user;
    struct kg_control_command command;
    while (kg_queue_pop(c->commands, &command)) {
        if (command.kind == KG_CONTROL_RELOAD)
            reload(c);
        else if (command.kind == KG_CONTROL_STOP)
            begin_stop(c);
        else
            kg_control_request(c, &command);
    }
    kg_control_set_gate(c);
}

static void on_tls_refusal(void *user)
{
    struct kg_control *c = user;
    struct kg_tls_refusal refusal;
    for (int i = 0; i < BATCH && kg_queue_pop(c->params.tls_refusals, &refusal); i++)
        kg_control_tls_refusal(c, &refusal);
}

static void on_signature(void *user)
{
    struct kg_control *c = user;
    struct kg_signing_answer answer;
    while (kg_queue_pop(c->params.signatures, &answer)) {
        kg_control_signature(c, &answer);
        kg_ca_certificate_finish(&answer.certificate);
    }
}

static void on_tick(void *user, int64_t now_us)
{
    struct kg_control *c = user;
    atomic_store(&c->alive_us, now_us);
    kg_session_check_idle(c->sessions, now_us, c->params.settings->idle_seconds * 1000000);
    kg_front_check(c->front, now_us);
    kg_est_server_check(c->est, now_us);
    kg_admin_remote_check(c->admin_remote, now_us);
    kg_control_check_refusals(c, now_us);
    kg_control_expire_seats(c, now_us);
    kg_control_status_tick(c, now_us);
    kg_control_set_gate(c);
    if (c->ticks % TURN_PAGE_EVERY_S == 0)
        turn_page(c);
    if (c->ticks++ % ASK_WORKERS_EVERY_S == 0 && !kg_worker_request_stats(c->params.pool, 0))
        kg_log(KG_LOG_WARN, "relay", "worker.full", "a worker takes no commands");
    kg_loop_timer_set(c->loop, &c->tick, now_us + KG_CONTROL_TICK_US);
}

int64_t kg_control_stuck_us(const struct kg_control *c, int64_t now_us)
{
    /* Workers are asked every five seconds: two missed answers are a stuck worker. */
    static const int64_t control_us = 3 * INT64_C(1000000), worker_us = 12 * INT64_C(1000000);
    int64_t stuck_us = now_us - atomic_load(&c->alive_us);
    if (stuck_us > control_us)
        return stuck_us;
    for (unsigned i = 0; i < c->params.workers; i++) {
        stuck_us = now_us - atomic_load(&c->worker_alive_us[i]);
        if (stuck_us > worker_us)
            return stuck_us;
    }
    return 0;
}

static void run(void *arg)
{
    struct kg_control *c = arg;
    kg_loop_timer_set(c->loop, &c->tick, kg_clock_now_us());
    kg_loop_run(c->loop);
    atomic_store(&c->stopped, true);
}

static bool open_service(struct kg_control *c)
{
    /* The first protocol meets every request; the others are those WebSockets ask for. Each keeps one pointer
     * with a connection. */
    c->protocols[0] = (struct lws_protocols){
        .name = "http", .callback = kg_front_callback, .per_session_data_size = sizeof(void *)};
    c->protocols[1] = (struct lws_protocols){.name = KG_FRONT_CONTROL_PROTOCOL,
                                             .callback = kg_session_callback,
                                             .per_session_data_size = sizeof(void *),
                                             .rx_buffer_size = 16384};
    c->protocols[2] = (struct lws_protocols){.name = KG_FRONT_ADMIN_PROTOCOL,
                                             .callback = kg_admin_remote_callback,
                                             .per_session_data_size = sizeof(void *),
                                             .rx_buffer_size = 16384,
                                             /* A list of thousands of rooms: otherwise one turn of the loop
                                              * for each 16 KiB of it. */
                                             .tx_packet_size = 256 * 1024};
    c->loop = kg_loop_create();
    c->front = kg_front_create(c);
    c->admin_remote = c->loop ? kg_admin_remote_create(c) : NULL;
    if (!c->front || !c->admin_remote)
        return false;
    c->vhost = kg_tls_server_vhost(kg_loop_lws(c->loop), "kaigi-control", "http/1.1", c->protocols, NULL, c);
    if (!c->vhost)
        return false;
    kg_tls_server_ends(c->params.tls, &c->ends);
    c->watches[0] = kg_loop_watch(c->loop, kg_queue_fd(c->commands), on_command, c);
    c->watches[1] = kg_loop_watch(c->loop, kg_queue_fd(c->params.accepted), on_accepted, c);
    c->watches[2] = kg_loop_watch(c->loop, kg_queue_fd(c->params.worker_events), on_worker_event, c);
    c->watches[3] = kg_loop_watch(c->loop, kg_queue_fd(c->params.store_results), on_store_result, c);
    c->watches[5] = kg_loop_watch(c->loop, kg_queue_fd(c->params.tls_refusals), on_tls_refusal, c);
    c->watches[4] = kg_loop_watch(c->loop, kg_queue_fd(c->params.signatures), on_signature, c);
    return c->watches[0] && c->watches[1] && c->watches[2] && c->watches[3] && c->watches[4] && c->watches[5];
}

static bool load(struct kg_control *c, struct kg_store_snapshot *snapshot)
{
    int64_t keep_us = kg_clock_wall_us() - KEEP_ENDED_US;
    bool ok = kg_directory_load(c->directory, snapshot, keep_us);
    if (ok)
        kg_control_restore_seats(c, snapshot);
    kg_control_set_gate(c);
    kg_store_snapshot_finish(snapshot);
    return ok;
}

struct kg_control *kg_control_create(const struct kg_control_params *params,
                                     struct kg_store_snapshot *snapshot)
{
    struct kg_control *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->params = *params;
    c->next_party = c->next_request = 1;
    c->started_us = kg_clock_now_us();
    c->tick = (struct kg_loop_timer){.fire = on_tick, .user = c};
    c->gather = (struct kg_loop_timer){.fire = on_gather, .user = c};
    c->rename = (struct kg_loop_timer){.fire = on_rename, .user = c};
    c->stop = (struct kg_loop_timer){.fire = on_stop_timer, .user = c};
    atomic_store(&c->alive_us, c->started_us);
    for (unsigned i = 0; i < KG_WORKER_MAX; i++)
        atomic_store(&c->worker_alive_us[i], c->started_us);
    c->directory = kg_directory_create();
    c->hall = kg_hall_create();
    c->refusals = kg_refusals_create();
    c->joins = kg_pace_create(&(struct kg_pace_params){REFUSED_JOINS, REFUSED_JOINS_US, REFUSED_ROOMS});
    c->commands = kg_queue_create(KG_CONTROL_COMMANDS, sizeof(struct kg_control_command));
    c->est = kg_est_server_create(c);
    c->verbs = c->directory && c->est ? kg_control_make_verbs(c) : NULL;
    c->calendars = c->commands ? kg_calendars_create(c->commands, NULL) : NULL;
    if (c->directory && c->hall && c->refusals && c->joins && c->calendars && c->verbs && load(c, snapshot) &&
        open_service(c))
        return c;
    kg_log(KG_LOG_ERROR, "relay", "relay.failed", "cannot set up the control service");
    kg_control_destroy(c);
    return NULL;
}

bool kg_control_start(struct kg_control *c)
{
    c->started = kg_thread_start(&c->thread, "control", run, c);
    return c->started;
}

static void post(struct kg_control *c, enum kg_control_command_kind kind)
{
    struct kg_control_command command = {.kind = kind};
    if (!kg_queue_push(c->commands, &command))
        kg_log(KG_LOG_ERROR, "relay", NULL, "the control thread takes no commands");
}

void kg_control_reload(struct kg_control *c)
{
    post(c, KG_CONTROL_RELOAD);
}

void kg_control_stop(struct kg_control *c)
{
    post(c, KG_CONTROL_STOP);
}

bool kg_control_stopped(const struct kg_control *c)
{
    return atomic_load(&c->stopped);
}

/* As a calendar that could not be read, so that it is answered and noted as one. */
static struct kg_agenda_reading *unread(const char *why)
{
    struct kg_agenda_reading *reading = calloc(1, sizeof *reading);
    if (reading)
        kg_problem_set(&reading->problem, "%s", why);
    return reading;
}

bool kg_control_ask(struct kg_control *c, const struct kg_principal *by, json_t *request,
                    struct kg_queue *replies)
{
    struct kg_control_command command = {
        .kind = KG_CONTROL_REQUEST, .by = *by, .request = request, .replies = replies};
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct kg_verb *verb = name ? kg_verb_find(name) : NULL;
    /* Reading one costs much: not for a role that will be refused anyway. */
    if (verb && strcmp(verb->name, "agenda-import") == 0 && verb->roles & KG_ROLE_BIT(by->role) &&
        json_is_string(json_object_get(request, "calendar"))) {
        const char *why = kg_calendars_offer(c->calendars, &command);
        if (!why)
            return true;
        command.calendar = unread(why);
    }
    if (kg_queue_push(c->commands, &command))
        return true;
    kg_agenda_reading_destroy(command.calendar);
    json_decref(request);
    return false;
}

void kg_control_destroy(struct kg_control *c)
{
    if (!c)
        return;
    kg_calendars_destroy(c->calendars);
    if (c->started) {
        kg_loop_stop(c->loop);
        kg_thread_join(&c->thread);
    }
    /* Closes what is still connected, which calls back into what is freed below. */
    kg_loop_destroy(c->loop);
    kg_front_destroy(c->front);
    kg_admin_remote_destroy(c->admin_remote);
    kg_control_drop_statuses(c);
    kg_verbs_destroy(c->verbs);
    struct kg_control_command left;
    while (c->commands && kg_queue_pop(c->commands, &left)) {
        json_decref(left.request);
        kg_agenda_reading_destroy(left.calendar);
    }
    kg_queue_destroy(c->commands);
    kg_hall_destroy(c->hall);
    kg_directory_destroy(c->directory);
    kg_est_server_destroy(c->est);
    kg_refusals_destroy(c->refusals);
    kg_pace_destroy(c->joins);
    free(c);
}
