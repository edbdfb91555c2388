/* The relay's figures for Prometheus (text exposition format 0.0.4), at /metrics on this host's loopback
 * alone. Counting is any thread's and never waits; a thread of its own answers. Thread: the server is created
 * and destroyed by main. Owns: its listening socket and thread. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

enum { KG_METRICS_WORKERS = 64, KG_METRICS_MAX_BYTES = 32768 };

enum kg_metric {
    KG_METRIC_ROOMS_KNOWN,
    KG_METRIC_ROOMS_CONNECTED,
    KG_METRIC_MEETINGS,
    KG_METRIC_PARTIES,
    KG_METRIC_PARTIES_AWAY,
    KG_METRIC_CONNECTIONS,
    KG_METRIC_TUNNELS,
    KG_METRIC_TUNNEL_DROPPED,
    KG_METRIC_STORE_OK,
    KG_METRIC_STORE_LOST,
    KG_METRIC_RELAY_CERTIFICATE_END_S,
    KG_METRIC_ISSUING_CERTIFICATE_END_S,
    KG_METRIC_COUNT,
};
/* One of each per worker thread. */
enum kg_worker_metric {
    KG_WORKER_METRIC_PACKETS_IN,
    KG_WORKER_METRIC_PACKETS_OUT,
    KG_WORKER_METRIC_BYTES_IN,
    KG_WORKER_METRIC_BYTES_OUT,
    KG_WORKER_METRIC_DROPPED,
    KG_WORKER_METRIC_COUNT,
};

/* Zero at start. Thread: any. */
struct kg_metrics {
    _Atomic int64_t value[KG_METRIC_COUNT];
    _Atomic int64_t worker[KG_METRICS_WORKERS][KG_WORKER_METRIC_COUNT];
    atomic_uint workers;
};
void kg_metrics_set(struct kg_metrics *metrics, enum kg_metric metric, int64_t value);
/* Also counts the worker in. Out of range: nothing. */
void kg_metrics_set_worker(struct kg_metrics *metrics, unsigned worker, enum kg_worker_metric metric,
                           int64_t value);
/* Writes them with HELP and TYPE, and this process's memory and CPU. Bytes, without the final NUL; 0: does
 * not fit. */
size_t kg_metrics_format(const struct kg_metrics *metrics, char *text, size_t size);

struct kg_metrics_server;
/* metrics: borrowed. NULL: *problem. */
struct kg_metrics_server *kg_metrics_server_create(const struct kg_metrics *metrics, uint16_t port,
                                                   struct kg_problem *problem);
void kg_metrics_server_destroy(struct kg_metrics_server *server);
