/* Control: kaigi-ctl status: what is connected, what the workers have counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/control_internal.h"
#include "relay/process.h"
#include "relay/tunnel.h"

enum { WAIT_US = 1000000 };

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

static json_t *party_json(const struct kg_hall_seat *seat)
{
    /* "worker_party" is how the worker's figures find their place. */
    return json_pack("{s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:I}", "room", seat->room->id, "name",
                     seat->room->name, "away", !seat->session, "path", path_name(seat->path), "srtp_profile",
                     seat->srtp_profile, "microphone_muted", seat->muted[KG_SOURCE_MICROPHONE],
                     "camera_muted", seat->muted[KG_SOURCE_CAMERA], "worker_party",
                     (json_int_t)seat->worker_party);
}

/* Its own meetings, and those in which its rooms sit; of other organizations' parties their number alone. */
static json_t *meetings_json(const struct kg_control *c, const struct kg_call *call)
{
    json_t *meetings = json_array();
    for (const struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        const struct kg_meeting *m = kg_directory_meeting(c->directory, g->uid);
        char owner[KG_CA_ID_BYTES];
        kg_directory_meeting_owner(g->uid, owner);
        json_t *parties = json_array();
        int others = 0;
        for (const struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            if (sees(call, seat->room))
                json_array_append_new(parties, party_json(seat));
            else
                others++;
        }
        if (json_array_size(parties) || kg_call_sees(call, owner))
            json_array_append_new(meetings, json_pack("{s:s, s:s, s:i, s:i, s:O}", "uid", g->uid, "title",
                                                      m ? m->title : "", "worker", (int)g->worker, "others",
                                                      others, "parties", parties));
        json_decref(parties);
    }
    return meetings;
}

static json_t *store_json(const struct kg_control *c)
{
    uint64_t lost;
    enum kg_store_status status = kg_store_health(c->params.store, &lost);
    return json_pack("{s:b, s:s, s:I}", "ok", status == KG_STORE_OK, "text", kg_store_status_text(status),
                     "lost", (json_int_t)lost);
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

static json_t *begin(const struct kg_control *c, const struct kg_call *call)
{
    json_t *rooms = json_array();
    for (const struct kg_session *s = c->sessions; s; s = s->next) {
        if (s->room && s->greeted && !s->closing && sees(call, s->room))
            json_array_append_new(rooms, room_json(s));
    }
    json_t *reply =
        json_pack("{s:b, s:s, s:f, s:o, s:o, s:o, s:i}", "ok", 1, "software", "kaigi-relay " KAIGI_VERSION,
                  "uptime_s", (double)(kg_clock_now_us() - c->started_us) / 1e6, "rooms", rooms, "meetings",
                  meetings_json(c, call), "store", store_json(c), "rooms_known", rooms_known(c, call));
    /* How busy the relay is says how busy others are. */
    json_t *whole =
        call->by.organization[0]
            ? NULL
            : json_pack("{s:i, s:o, s:o, s:[], s:i, s:I, s:f}", "port", (int)c->params.port, "tunnel",
                        tunnel_json(c), "certificates", certificates_json(c), "workers", "connections",
                        (int)atomic_load(c->params.connections), "rss_kb", (json_int_t)kg_process_rss_kb(),
                        "cpu_s", (double)kg_clock_cpu_us() / 1e6);
    if (whole)
        json_object_update(reply, whole);
    json_decref(whole);
    return reply;
}

static void finish(struct kg_control *c, struct kg_status *status)
{
    struct kg_status **at = &c->statuses;
    while (*at != status)
        at = &(*at)->next;
    *at = status->next;
    struct kg_call *call = status->call;
    json_t *reply = status->reply;
    free(status);
    kg_call_reply(call, reply);
}

void kg_control_status(struct kg_control *c, struct kg_call *call)
{
    struct kg_status *status = calloc(1, sizeof *status);
    json_t *reply = begin(c, call);
    if (!status || !reply) {
        free(status);
        json_decref(reply);
        kg_call_reply(call, NULL);
        return;
    }
    *status = (struct kg_status){.call = call,
                                 .reply = reply,
                                 .request = c->next_request++,
                                 .missing = c->params.workers,
                                 .until_us = kg_clock_now_us() + WAIT_US,
                                 .next = c->statuses};
    c->statuses = status;
    /* Without the workers' figures the rest is still worth saying. */
    if (!kg_worker_request_stats(c->params.pool, status->request))
        finish(c, status);
}

void kg_control_drop_statuses(struct kg_control *c)
{
    while (c->statuses) {
        struct kg_status *status = c->statuses;
        c->statuses = status->next;
        json_decref(status->reply);
        free(status);
    }
}

static json_t *party_of(json_t *reply, uint64_t worker_party)
{
    size_t i, j;
    json_t *meeting, *party;
    json_array_foreach(json_object_get(reply, "meetings"), i, meeting)
    {
        json_array_foreach(json_object_get(meeting, "parties"), j, party)
        {
            if ((uint64_t)json_integer_value(json_object_get(party, "worker_party")) == worker_party)
                return party;
        }
    }
    return NULL;
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

static json_t *figures_json(const struct kg_worker_event *event)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:i, s:f, s:f}", "packets_in", (json_int_t)event->party_stats.packets_in,
        "bytes_in", (json_int_t)event->party_stats.bytes_in, "packets_out",
        (json_int_t)event->party_stats.packets_out, "bytes_out", (json_int_t)event->party_stats.bytes_out,
        "lost_in", (int)event->party_stats.lost_in, "loss_out_percent",
        event->party_stats.loss_out_256 / 2.56, "rtt_ms", event->party_stats.rtt_us / 1000.0);
}

void kg_control_status_event(struct kg_control *c, const struct kg_worker_event *event)
{
    bool totals = event->kind == KG_WORKER_EVENT_STATS;
    if (totals && event->worker < KG_WORKER_MAX)
        atomic_store(&c->worker_alive_us[event->worker], kg_clock_now_us());
    uint64_t request = totals ? event->stats.request : event->party_stats.request;
    struct kg_status *status = c->statuses;
    while (status && status->request != request)
        status = status->next;
    if (!status)
        return;
    if (totals) {
        json_array_append_new(json_object_get(status->reply, "workers"), totals_json(event));
        if (status->missing > 0)
            status->missing--;
        /* Each worker sends its parties' figures first. */
        if (status->missing == 0)
            finish(c, status);
    } else {
        json_t *party = party_of(status->reply, event->party);
        json_t *figures = figures_json(event);
        if (party && figures)
            json_object_update(party, figures);
        json_decref(figures);
    }
}

void kg_control_status_tick(struct kg_control *c, int64_t now_us)
{
    struct kg_status *status = c->statuses;
    while (status) {
        struct kg_status *next = status->next;
        if (status->until_us <= now_us)
            finish(c, status);
        status = next;
    }
}
