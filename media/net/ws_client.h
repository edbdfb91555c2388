/* One WebSocket connection as a client over TLS (RFC 6455), directly or through an HTTP CONNECT proxy.
 * Contacts nothing but the host given (or the proxy given); environment variables are ignored.
 * Thread: the loop's. Owns: its queue and its connection. Reads files at kg_ws_client_create. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/loop.h"

enum kg_ws_failure {
    KG_WS_CLOSED,            /* it was open and ended: by the peer, or the line */
    KG_WS_NAME,              /* the host has no address */
    KG_WS_UNREACHABLE,       /* refused, no route, no answer */
    KG_WS_PROXY_UNREACHABLE, /* the proxy has no address, refuses, or answers nothing a proxy would */
    KG_WS_PROXY,             /* the proxy would not connect us: status */
    KG_WS_PROXY_AUTH,        /* 407: name or password */
    KG_WS_IDENTITY,          /* our own CA, certificate or key file cannot be used: no connection was tried */
    KG_WS_TLS_UNTRUSTED,     /* not our CA */
    KG_WS_TLS_EXPIRED,       /* theirs has expired, or our clock is ahead */
    KG_WS_TLS_NOT_YET,       /* theirs is of the future, or our clock is behind */
    KG_WS_TLS_NAME,          /* another server's certificate */
    KG_WS_REJECTED,          /* our certificate is refused */
    KG_WS_REJECTED_EXPIRED,  /* … as expired */
    KG_WS_TLS,               /* the peer does not speak TLS 1.2 or newer */
    KG_WS_HTTP,              /* answered, but not with a WebSocket: status */
    KG_WS_TIMEOUT,           /* no progress in connect_timeout_us */
    KG_WS_FAILURES
};
/* "tls-untrusted", … for logs. */
const char *kg_ws_failure_name(enum kg_ws_failure failure);

struct kg_ws_close {
    enum kg_ws_failure failure;
    int status; /* PROXY, HTTP: the HTTP status, 0 when none was read; CLOSED: the close code (RFC 6455 §7.4)
                 */
    char detail[160]; /* English, one line, for the log and the IT staff */
};

struct kg_ws_client_params {
    const char *host; /* name or address */
    uint16_t port;
    const char *path;        /* "/v1/control" */
    const char *subprotocol; /* NULL: none */
    const char *alpn;        /* NULL: "http/1.1" */
    const char *ca_file, *certificate_file, *key_file;
    const char *proxy_host; /* NULL: no proxy */
    uint16_t proxy_port;
    const char *proxy_user, *proxy_password; /* NULL: none */
    size_t max_message_bytes;                /* a longer message ends the connection */
    size_t max_queued_bytes;                 /* see kg_ws_client_send */
    uint32_t ping_s;                         /* 0: never; a peer silent for twice this is gone */
    int64_t connect_timeout_us;
};

struct kg_ws_client_events {
    void (*opened)(void *user);
    /* data lives until the return. */
    void (*message)(void *user, const void *data, size_t size, bool binary);
    /* Once, and last. Not called for a client that is destroyed. The callee may destroy the client. */
    void (*closed)(void *user, const struct kg_ws_close *close);
};

struct kg_ws_client;

/* Starts connecting; every event comes later, from the loop. NULL when memory is short (logged). */
KG_MUST_CHECK struct kg_ws_client *kg_ws_client_create(struct kg_loop *loop,
                                                       const struct kg_ws_client_params *params,
                                                       const struct kg_ws_client_events *events, void *user);
/* Ends the connection at once, without a word if it is not idle. Accepts NULL. Not from `message`. */
void kg_ws_client_destroy(struct kg_ws_client *client);
/* Sends what is queued, then a close frame; `closed` follows. */
void kg_ws_client_close(struct kg_ws_client *client);

enum kg_ws_priority {
    KG_WS_KEEP, /* control messages, audio, RTCP, DTLS, STUN */
    KG_WS_DROP, /* video: the oldest of these gives way when the queue is full */
};
/* Queues one message. false: not open, or no room even after dropping. */
bool kg_ws_client_send(struct kg_ws_client *client, const void *data, size_t size, bool binary,
                       enum kg_ws_priority priority);
bool kg_ws_client_is_open(const struct kg_ws_client *client);
