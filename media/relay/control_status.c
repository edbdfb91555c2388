/* Control: kaigi-ctl status: what is connected, what the workers have counted. The workers are asked once for
 * all who ask within a short time, so that askers cost media nothing more the more they are. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/control_internal.h"
#include "relay/process.h"
#include "relay/tunnel.h"

enum {
    WAIT_US = 1000000, /* for the workers */
    SHARE_US = 50000,  /* so long are their figures told again */
};

struct party_figures {
    guint64 party;
    struct kg_worker_event event;
};

struct asker {
    struct kg_call *call;
    struct asker *next;
};

struct kg_figures {
    uint64_t request; /* the workers' answers to it are awaited; 0: nothing is */
    unsigned missing; /* workers that have not answered */
    int64_t until_us; /* awaited, or told again, until then */
    struct asker *first, **last;
    GHashTable *parties; /* of struct party_figures, by the worker's number of the party */
    struct kg_worker_event workers[KG_WORKER_MAX];
    unsigned worker_count;
};

/* Who asks sees what is the relay's as a whole, and every room; or only what is of his organization. */
static bool sees(const struct kg_call *call, const struct kg_store_room *room)
{
    return kg_call_sees(call, room->organization_id);
}

static json_t *room_json(const struct kg_session *s)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "room", s->room->id, "organization",
                     s->room->organization_id, "peer", s->peer, "software", s->software, "meeting",
                     s->seat ? s->seat->gathering->uid : NULL);
}

static const char *path_name(enum kg_worker_path path)
{
    return path == KG_WORKER_PATH_UDP ? "udp" : path == KG_WORKER_PATH_TUNNEL ? "tunnel" : "none";
}

static json_t *figures_json(const struct kg_worker_event *event)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:i, s:f, s:f}", "packets_in", (json_int_t)event->party_stats.packets_in,
        "bytes_in", (json_int_t)event->party_stats.bytes_in, "packets_out",
        (json_int_t)event->party_stats.packets_out, "bytes_out", (json_int_t)event->party_stats.bytes_out,
        "lost_in", (int)event->party_stats.lost_in, "loss_out_percent",
        event->party_stats.loss_out_256 / 2.56, "rtt_ms", event->party_stats.rtt_us / 1000.0);
}

static json_t *party_json(const struct kg_control *c, const struct kg_hall_seat *seat)
{
    const guint64 party = seat->worker_party;
    const struct party_figures *figures = g_hash_table_lookup(c->figures->parties, &party);
    json_t *json = json_pack(
        "{s:s, s:s, s:b, s:s, s:s, s:b, s:b}", "room", seat->room->id, "name", seat->room->name, "away",
        !seat->session, "path", path_name(seat->path), "srtp_profile", seat->srtp_profile, "microphone_muted",
        seat->muted[KG_SOURCE_MICROPHONE], "camera_muted", seat->muted[KG_SOURCE_CAMERA]);
    json_t *counted = figures ? figures_json(&figures->event) : NULL;
    if (json && counted)
        json_object_update(json, counted);
    json_decref(counted);
    return json;
}

static json_t *meeting_json(const struct kg_control *c, const struct kg_call *call,
                            const struct kg_gathering *g, json_t *parties, int others)
{
    const struct kg_meeting *m = kg_directory_meeting(c->directory, g->uid);
    json_t *json = json_pack("{s:s, s:s, s:i, s:O}", "uid", g->uid, "title", m ? m->title : "", "others",
                             others, "parties", parties);
    /* Where meetings are put tells how many there are elsewhere. */
    if (!call->by.organization[0])
        json_object_set_new(json, "worker", json_integer(g->worker));
    return json;
}

/* Its own meetings, and those in which its rooms sit; of other organizations' parties their number alone. */
static json_t *meetings_json(const struct kg_control *c, const struct kg_call *call)
{
    json_t *meetings = json_array();
    for (const struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        char owner[KG_CA_ID_BYTES];
        kg_directory_meeting_owner(g->uid, owner);
        json_t *parties = json_array();
        int others = 0;
        for (const struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            if (sees(call, seat->room))
                json_array_append_new(parties, party_json(c, seat));
            else
                others++;
        }
        if (json_array_size(parties) || kg_call_sees(call, owner))
            json_array_append_new(meetings, meeting_json(c, call, g, parties, others));
        json_decref(parties);
    }
    return meetings;
}

static json_t *store_json(const struct kg_control *c, const struct kg_call *call)
{
    uint64_t lost;
    enum kg_store_status status = kg_store_health(c->params.store, &lost);
    json_t *json = json_pack("{s:b, s:s}", "ok", status == KG_STORE_OK, "text", kg_store_status_text(status));
    if (!call->by.organization[0])
        json_object_set_new(json, "lost", json_integer((json_int_t)lost));
    return json;
}

static json_t *tunnel_json(const struct kg_control *c)
{
    struct kg_tunnel_totals t;
    kg_tunnels_totals(c->params.tunnels, &t);
    return json_pack("{s:i, s:I, s:I, s:I}", "connections", (int)t.connections, "messages_in",
                     (json_int_t)t.messages_in, "messages_out", (json_int_t)t.messages_out, "dropped",
                     (json_int_t)t.dropped);
}

static json_t *end_json(int64_t end_s)
{
    int64_t soon_s = kg_clock_wall_us() / 1000000 + KG_TLS_WARN_DAYS * INT64_C(86400);
    return json_pack("{s:I, s:b}", "not_after", (json_int_t)end_s, "ends_soon", end_s > 0 && end_s <= soon_s);
}

/* So that nobody learns of an expired authority from rooms that are shut out. */
static json_t *certificates_json(const struct kg_control *c)
{
    return json_pack("{s:o, s:o, s:o}", "relay", end_json(c->ends.relay_s), "issuing",
                     end_json(c->ends.issuing_s), "root", end_json(c->ends.root_s));
}

static int rooms_known(const struct kg_control *c, const struct kg_call *call)
{
    size_t count, known = 0;
    const struct kg_store_room **rooms = kg_directory_rooms(c->directory, &count);
    for (size_t i = 0; i < count; i++)
        known += sees(call, rooms[i]);
    free(rooms);
    return (int)known;
}

static json_t *totals_json(const struct kg_worker_event *event)
{
    const struct kg_worker_totals *t = &event->stats.totals;
    return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker",
                     (int)event->worker, "parties", (int)t->parties, "meetings", (int)t->meetings,
                     "packets_in", (json_int_t)t->packets_in, "bytes_in", (json_int_t)t->bytes_in,
                     "packets_out", (json_int_t)t->packets_out, "bytes_out", (json_int_t)t->bytes_out,
                     "dropped", (json_int_t)t->dropped, "crossed", (json_int_t)t->crossed, "rtx_out",
                     (json_int_t)t->rtx_out, "pli_out", (json_int_t)t->pli_out, "nacks_in",
                     (json_int_t)t->nacks_in);
}

static json_t *workers_json(const struct kg_control *c)
{
    json_t *workers = json_array();
    for (unsigned i = 0; i < c->figures->worker_count; i++)
        json_array_append_new(workers, totals_json(&c->figures->workers[i]));
    return workers;
}

static json_t *reply_of(const struct kg_control *c, const struct kg_call *call)
{
    json_t *rooms = json_array();
    for (const struct kg_session *s = c->sessions; s; s = s->next) {
        if (s->room && s->greeted && !s->closing && sees(call, s->room))
            json_array_append_new(rooms, room_json(s));
    }
    json_t *reply =
        json_pack("{s:b, s:s, s:f, s:o, s:o, s:o, s:i}", "ok", 1, "software", "kaigi-relay " KAIGI_VERSION,
                  "uptime_s", (double)(kg_clock_now_us() - c->started_us) / 1e6, "rooms", rooms, "meetings",
                  meetings_json(c, call), "store", store_json(c, call), "rooms_known", rooms_known(c, call));
    /* How busy the relay is says how busy others are. */
    json_t *whole =
        call->by.organization[0]
            ? NULL
            : json_pack("{s:i, s:o, s:o, s:o, s:i, s:I, s:f}", "port", (int)c->params.port, "tunnel",
                        tunnel_json(c), "certificates", certificates_json(c), "workers", workers_json(c),
                        "connections", (int)atomic_load(c->params.connections), "rss_kb",
                        (json_int_t)kg_process_rss_kb(), "cpu_s", (double)kg_clock_cpu_us() / 1e6);
    if (whole)
        json_object_update(reply, whole);
    json_decref(whole);
    return reply;
}

static struct kg_figures *create_figures(void)
{
    struct kg_figures *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->last = &f->first;
    f->parties = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    return f;
}

static void collect(struct kg_control *c, int64_t now_us)
{
    struct kg_figures *f = c->figures;
    g_hash_table_remove_all(f->parties);
    f->worker_count = 0;
    f->missing = c->params.workers;
    f->request = c->next_request++;
    f->until_us = now_us + WAIT_US;
    /* Without the workers' figures the rest is still worth saying. */
    if (!kg_worker_request_stats(c->params.pool, f->request)) {
        f->request = 0;
        f->until_us = now_us + SHARE_US;
    }
}

/* Whatever has come by now is told, for a while to those who ask later too. */
static void tell(struct kg_control *c)
{
    struct kg_figures *f = c->figures;
    struct asker *asker = f->first;
    f->request = 0;
    f->until_us = kg_clock_now_us() + SHARE_US;
    f->first = NULL;
    f->last = &f->first;
    while (asker) {
        struct asker *next = asker->next;
        kg_call_reply(asker->call, reply_of(c, asker->call));
        free(asker);
        asker = next;
    }
}

void kg_control_status(struct kg_control *c, struct kg_call *call)
{
    int64_t now_us = kg_clock_now_us();
    struct kg_figures *f = c->figures ? c->figures : create_figures();
    struct asker *asker = f ? calloc(1, sizeof *asker) : NULL;
    c->figures = f;
    if (!asker) {
        kg_call_reply(call, NULL);
        return;
    }
    if (!f->request && f->until_us <= now_us)
        collect(c, now_us);
    if (!f->request) {
        free(asker);
        kg_call_reply(call, reply_of(c, call));
        return;
    }
    asker->call = call;
    *f->last = asker;
    f->last = &asker->next;
}

void kg_control_drop_statuses(struct kg_control *c)
{
    struct kg_figures *f = c->figures;
    while (f && f->first) {
        struct asker *asker = f->first;
        f->first = asker->next;
        free(asker);
    }
    if (f)
        g_hash_table_unref(f->parties);
    free(f);
    c->figures = NULL;
}

static void note_party(struct kg_figures *f, const struct kg_worker_event *event)
{
    struct party_figures *figures = g_new(struct party_figures, 1);
    *figures = (struct party_figures){.party = event->party, .event = *event};
    g_hash_table_replace(f->parties, &figures->party, figures);
}

void kg_control_status_event(struct kg_control *c, const struct kg_worker_event *event)
{
    struct kg_figures *f = c->figures;
    bool totals = event->kind == KG_WORKER_EVENT_STATS;
    if (totals && event->worker < KG_WORKER_MAX)
        atomic_store(&c->worker_alive_us[event->worker], kg_clock_now_us());
    uint64_t request = totals ? event->stats.request : event->party_stats.request;
    if (!f || request == 0 || request != f->request)
        return;
    if (!totals) {
        note_party(f, event);
        return;
    }
    if (f->worker_count < KG_WORKER_MAX)
        f->workers[f->worker_count++] = *event;
    if (f->missing > 0)
        f->missing--;
    /* Each worker sends its parties' figures first. */
    if (f->missing == 0)
        tell(c);
}

void kg_control_status_tick(struct kg_control *c, int64_t now_us)
{
    struct kg_figures *f = c->figures;
    if (!f || f->until_us > now_us)
        return;
    if (f->request) {
        tell(c);
    } else {
        g_hash_table_remove_all(f->parties);
        f->until_us = 0;
    }
}
