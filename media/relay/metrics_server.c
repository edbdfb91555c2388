/* /metrics over plain HTTP on loopback: whoever may log in to this host may read figures, nothing else. */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "net/loop.h"
#include "relay/metrics.h"

struct kg_metrics_server {
    const struct kg_metrics *metrics;
    struct kg_loop *loop;
    struct lws_protocols protocols[2];
    struct kg_thread thread;
    bool started;
    unsigned char answer[LWS_PRE + KG_METRICS_MAX_BYTES];
};

static int write_head(struct lws *wsi, unsigned status, size_t size)
{
    unsigned char head[LWS_PRE + 1024], *start = head + LWS_PRE, *at = start, *end = head + sizeof head - 1;
    if (lws_add_http_common_headers(wsi, status, "text/plain; version=0.0.4; charset=utf-8", size, &at,
                                    end) ||
        lws_finalize_write_http_header(wsi, start, &at, end))
        return 1;
    return 0;
}

static int on_request(struct lws *wsi, const char *path)
{
    if (strcmp(path, "/metrics") != 0 || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0) {
        lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, "only GET /metrics is here");
        return lws_http_transaction_completed(wsi) ? -1 : 0;
    }
    lws_callback_on_writable(wsi);
    return 0;
}

/* Head and body from one formatting: two that ask at once share the buffer. */
static int on_writable(struct kg_metrics_server *s, struct lws *wsi)
{
    size_t size = kg_metrics_format(s->metrics, (char *)s->answer + LWS_PRE, KG_METRICS_MAX_BYTES);
    if (write_head(wsi, size ? HTTP_STATUS_OK : HTTP_STATUS_INTERNAL_SERVER_ERROR, size) ||
        lws_write(wsi, s->answer + LWS_PRE, size, LWS_WRITE_HTTP_FINAL) < (int)size)
        return -1;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    (void)user;
    (void)size;
    struct lws_vhost *vhost = lws_get_vhost(wsi);
    struct kg_metrics_server *s = vhost ? lws_get_vhost_user(vhost) : NULL;
    if (reason == LWS_CALLBACK_HTTP)
        return on_request(wsi, in);
    if (s && reason == LWS_CALLBACK_HTTP_WRITEABLE)
        return on_writable(s, wsi);
    return lws_callback_http_dummy(wsi, reason, user, in, size);
}

static void run(void *arg)
{
    struct kg_metrics_server *s = arg;
    kg_loop_run(s->loop);
}

struct kg_metrics_server *kg_metrics_server_create(const struct kg_metrics *metrics, uint16_t port,
                                                   struct kg_problem *problem)
{
    struct kg_metrics_server *s = calloc(1, sizeof *s);
    if (!s || !(s->loop = kg_loop_create())) {
        free(s);
        kg_problem_set(problem, "no memory for the metrics server");
        return NULL;
    }
    s->metrics = metrics;
    s->protocols[0] = (struct lws_protocols){.name = "metrics", .callback = on_http};
    struct lws_context_creation_info info = {
        .port = port,
        .iface = "127.0.0.1",
        .vhost_name = "kaigi-metrics",
        .protocols = s->protocols,
        .options = LWS_SERVER_OPTION_DISABLE_IPV6, /* else the address is not heeded */
        .user = s,
        .keepalive_timeout = 5,
        .timeout_secs = 5,
    };
    if (!lws_create_vhost(kg_loop_lws(s->loop), &info))
        kg_problem_set(
            problem,
            "cannot listen on 127.0.0.1:%u for metrics; stop the other program or set [metrics] port", port);
    else if (!(s->started = kg_thread_start(&s->thread, "metrics", run, s)))
        kg_problem_set(problem, "cannot start a thread");
    if (s->started) {
        kg_log(KG_LOG_INFO, "relay", "metrics.started", "figures at http://127.0.0.1:%u/metrics", port);
        return s;
    }
    kg_metrics_server_destroy(s);
    return NULL;
}

void kg_metrics_server_destroy(struct kg_metrics_server *s)
{
    if (!s)
        return;
    if (s->started) {
        kg_loop_stop(s->loop);
        kg_thread_join(&s->thread);
    }
    kg_loop_destroy(s->loop);
    free(s);
}
