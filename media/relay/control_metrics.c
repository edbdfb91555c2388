/* Control: keeps the figures for /metrics current. */
#include "relay/control_internal.h"
#include "relay/metrics.h"
#include "relay/tunnel.h"

static void set_meetings(const struct kg_control *c, struct kg_metrics *m)
{
    int64_t meetings = 0, parties = 0, away = 0, connected = 0;
    for (const struct kg_gathering *g = kg_hall_first(c->hall); g; g = g->next) {
        meetings++;
        for (const struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            parties++;
            away += !seat->session;
        }
    }
    for (const struct kg_session *s = c->sessions; s; s = s->next)
        connected += s->room && s->greeted && !s->closing;
    kg_metrics_set(m, KG_METRIC_MEETINGS, meetings);
    kg_metrics_set(m, KG_METRIC_PARTIES, parties);
    kg_metrics_set(m, KG_METRIC_PARTIES_AWAY, away);
    kg_metrics_set(m, KG_METRIC_ROOMS_CONNECTED, connected);
    kg_metrics_set(m, KG_METRIC_ROOMS_KNOWN, (int64_t)kg_directory_room_count(c->directory));
}

static void set_worker(struct kg_metrics *m, const struct kg_worker_event *event)
{
    const struct kg_worker_totals *t = &event->stats.totals;
    kg_metrics_set_worker(m, event->worker, KG_WORKER_METRIC_PACKETS_IN, (int64_t)t->packets_in);
    kg_metrics_set_worker(m, event->worker, KG_WORKER_METRIC_PACKETS_OUT, (int64_t)t->packets_out);
    kg_metrics_set_worker(m, event->worker, KG_WORKER_METRIC_BYTES_IN, (int64_t)t->bytes_in);
    kg_metrics_set_worker(m, event->worker, KG_WORKER_METRIC_BYTES_OUT, (int64_t)t->bytes_out);
    kg_metrics_set_worker(m, event->worker, KG_WORKER_METRIC_DROPPED, (int64_t)t->dropped);
}

void kg_control_count(const struct kg_control *c, const struct kg_worker_event *event)
{
    struct kg_metrics *m = c->params.metrics;
    if (!m || event->kind != KG_WORKER_EVENT_STATS)
        return;
    uint64_t lost;
    struct kg_tunnel_totals tunnels;
    enum kg_store_status store = kg_store_health(c->params.store, &lost);
    kg_tunnels_totals(c->params.tunnels, &tunnels);
    set_worker(m, event);
    set_meetings(c, m);
    kg_metrics_set(m, KG_METRIC_CONNECTIONS, (int64_t)atomic_load(c->params.connections));
    kg_metrics_set(m, KG_METRIC_TUNNELS, (int64_t)tunnels.connections);
    kg_metrics_set(m, KG_METRIC_TUNNEL_DROPPED, (int64_t)tunnels.dropped);
    kg_metrics_set(m, KG_METRIC_STORE_OK, store == KG_STORE_OK);
    kg_metrics_set(m, KG_METRIC_STORE_LOST, (int64_t)lost);
    kg_metrics_set(m, KG_METRIC_RELAY_CERTIFICATE_END_S, c->ends.relay_s);
    kg_metrics_set(m, KG_METRIC_ISSUING_CERTIFICATE_END_S, c->ends.issuing_s);
}
