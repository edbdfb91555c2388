/* kaigi-relay's settings, as relay.conf describes them. Read once at start and again at SIGHUP, then const.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/settings.h"

enum { KG_RELAY_MAX_ADDRESSES = 2 };

struct kg_relay_settings {
    /* [relay] */
    char *state; /* folder of keys, store and admin.sock */
    /* [listen] */
    char **addresses; /* numeric, without port: one IPv4, one IPv6 or both */
    int64_t port;     /* TCP and UDP; 0: any free one (tests) */
    bool udp;
    char **advertised; /* numeric; NULL: the address the room connected to */
    /* [tls] */
    char *tls_certificate, *tls_key; /* the relay's own chain and key; NULL: the state folder's */
    char *tls_client_ca;             /* a foreign authority of devices; NULL: none */
    /* [signer] */
    char *signer_socket; /* NULL: KG_SIGNER_SOCKET in the state folder */
    /* [media] */
    int64_t workers; /* 0: one a core */
    int64_t tunnel_threads;
    int64_t dscp_audio, dscp_video;
    /* [meeting] */
    int64_t open_before_minutes;
    int64_t seat_seconds;
    /* [limits] */
    int64_t connections, connections_per_address;
    int64_t handshake_seconds; /* from the first TCP byte to hello */
    int64_t idle_seconds;
    int64_t message_bytes;
    int64_t messages_per_second;
    /* [audit] */
    int64_t retention_days; /* 0: for ever */
    char *syslog;           /* as kg_syslog_target_parse reads it; NULL: not forwarded */
    /* [metrics] */
    int64_t metrics_port; /* 0: none */
    /* [log] */
    int log_level;  /* enum kg_log_level */
    int log_format; /* enum kg_log_format */

    /* `addresses` as the system wants them, with the port. */
    struct sockaddr_storage listen[KG_RELAY_MAX_ADDRESSES];
    unsigned listen_count;
};

/* Zero settings before the first call. false: *error says file, line and remedy; settings untouched. */
KG_MUST_CHECK bool kg_relay_settings_load(const char *path, struct kg_relay_settings *settings,
                                          struct kg_settings_error *error);
/* No file: the defaults with this state folder. */
KG_MUST_CHECK bool kg_relay_settings_default(const char *state, struct kg_relay_settings *settings,
                                             struct kg_settings_error *error);
void kg_relay_settings_finish(struct kg_relay_settings *settings);
