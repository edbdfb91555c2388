/* One HTTP request over TLS, directly or through an HTTP CONNECT proxy: whole, with its answer, then the
 * connection is closed. Contacts nothing but the host given (or the proxy given); environment variables are
 * ignored. Blocks, within timeout_us: for a thread that has nothing else to do. SIGPIPE must be ignored.
 * Borrows everything in its parameters. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/http_answer.h"
#include "net/ws_client.h"

struct kg_https_ask {
    const char *host; /* name or address: must be in the server's certificate */
    uint16_t port;
    const char *path;
    const char *type, *body;                 /* text: a POST; NULL, NULL: a GET */
    const char *ca_file;                     /* PEM; the only trust anchors */
    const char *certificate_file, *key_file; /* PEM, ours; NULL: none is shown */
    const char *proxy_host;                  /* NULL: no proxy */
    uint16_t proxy_port;
    const char *proxy_user, *proxy_password; /* NULL: none */
    int64_t timeout_us;                      /* for all of it */
    int cancel_fd;                           /* gives up as soon as it is readable; -1: none */
};

/* true: *answer, whatever its status, is the caller's (kg_http_answer_finish). false: *close says why, as it
 * does for WebSocket connections; KG_WS_CLOSED: cancelled, or the line ended. */
KG_MUST_CHECK bool kg_https_ask(const struct kg_https_ask *post, struct kg_http_answer *answer,
                                struct kg_ws_close *close);
