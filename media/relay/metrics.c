#include "relay/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "relay/process.h"

struct description {
    const char *name, *type, *help;
};

static const struct description descriptions[KG_METRIC_COUNT] = {
    [KG_METRIC_ROOMS_KNOWN] = {"kaigi_rooms_known", "gauge", "Rooms in the directory."},
    [KG_METRIC_ROOMS_CONNECTED] = {"kaigi_rooms_connected", "gauge", "Rooms with a control connection."},
    [KG_METRIC_MEETINGS] = {"kaigi_meetings", "gauge", "Meetings in which somebody sits."},
    [KG_METRIC_PARTIES] = {"kaigi_parties", "gauge", "Seats taken in meetings."},
    [KG_METRIC_PARTIES_AWAY] = {"kaigi_parties_away", "gauge", "Seats kept for a room whose line is lost."},
    [KG_METRIC_CONNECTIONS] = {"kaigi_connections", "gauge", "TLS connections."},
    [KG_METRIC_TUNNELS] = {"kaigi_tunnels", "gauge", "Rooms whose media comes over TLS."},
    [KG_METRIC_TUNNEL_DROPPED] = {"kaigi_tunnel_dropped_total", "counter",
                                  "Datagrams too late for a tunnel."},
    [KG_METRIC_STORE_OK] = {"kaigi_store_ok", "gauge", "1 when the last write to the store succeeded."},
    [KG_METRIC_STORE_LOST] = {"kaigi_store_lost_total", "counter", "Records that could not be written."},
    [KG_METRIC_RELAY_CERTIFICATE_END_S] = {"kaigi_relay_certificate_end_seconds", "gauge",
                                           "When the relay's certificate ends, seconds since 1970."},
    [KG_METRIC_ISSUING_CERTIFICATE_END_S] = {"kaigi_issuing_certificate_end_seconds", "gauge",
                                             "When the issuing authority ends, seconds since 1970."},
};
static const struct description worker_descriptions[KG_WORKER_METRIC_COUNT] = {
    [KG_WORKER_METRIC_PACKETS_IN] = {"kaigi_worker_packets_in_total", "counter", "Media packets taken."},
    [KG_WORKER_METRIC_PACKETS_OUT] = {"kaigi_worker_packets_out_total", "counter", "Media packets sent."},
    [KG_WORKER_METRIC_BYTES_IN] = {"kaigi_worker_bytes_in_total", "counter", "Media bytes taken."},
    [KG_WORKER_METRIC_BYTES_OUT] = {"kaigi_worker_bytes_out_total", "counter", "Media bytes sent."},
    [KG_WORKER_METRIC_DROPPED] = {"kaigi_worker_dropped_total", "counter", "Datagrams left out."},
};

void kg_metrics_set(struct kg_metrics *metrics, enum kg_metric metric, int64_t value)
{
    atomic_store_explicit(&metrics->value[metric], value, memory_order_relaxed);
}

void kg_metrics_set_worker(struct kg_metrics *metrics, unsigned worker, enum kg_worker_metric metric,
                           int64_t value)
{
    if (worker >= KG_METRICS_WORKERS)
        return;
    atomic_store_explicit(&metrics->worker[worker][metric], value, memory_order_relaxed);
    unsigned known = atomic_load(&metrics->workers);
    while (known <= worker && !atomic_compare_exchange_weak(&metrics->workers, &known, worker + 1)) {
    }
}

struct writer {
    char *text;
    size_t size, used;
    bool full;
};

KG_PRINTF(2, 3)
static void add(struct writer *w, const char *fmt, ...)
{
    if (w->full)
        return;
    va_list args;
    va_start(args, fmt);
    int added = vsnprintf(w->text + w->used, w->size - w->used, fmt, args);
    va_end(args);
    w->full = added < 0 || (size_t)added >= w->size - w->used;
    w->used += w->full ? 0 : (size_t)added;
}

static void add_head(struct writer *w, const struct description *d)
{
    add(w, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name, d->type);
}

/* The names are those every Prometheus client gives a process. */
static void add_process(struct writer *w)
{
    static const struct description memory = {"process_resident_memory_bytes", "gauge", "Resident memory."},
                                    cpu = {"process_cpu_seconds_total", "counter",
                                           "CPU time, user and system."};
    add_head(w, &memory);
    add(w, "%s %" PRId64 "\n", memory.name, kg_process_rss_kb() * 1024);
    add_head(w, &cpu);
    add(w, "%s %.3f\n", cpu.name, (double)kg_clock_cpu_us() / 1e6);
}

size_t kg_metrics_format(const struct kg_metrics *metrics, char *text, size_t size)
{
    struct writer w = {.text = text, .size = size};
    for (unsigned i = 0; i < KG_METRIC_COUNT; i++) {
        add_head(&w, &descriptions[i]);
        add(&w, "%s %" PRId64 "\n", descriptions[i].name, atomic_load(&metrics->value[i]));
    }
    unsigned workers = atomic_load(&metrics->workers);
    for (unsigned i = 0; i < KG_WORKER_METRIC_COUNT; i++) {
        add_head(&w, &worker_descriptions[i]);
        for (unsigned worker = 0; worker < workers; worker++)
            add(&w, "%s{worker=\"%u\"} %" PRId64 "\n", worker_descriptions[i].name, worker,
                atomic_load(&metrics->worker[worker][i]));
    }
    add_process(&w);
    return w.full ? 0 : w.used;
}
