/* One control connection of a room: identity from its certificate, whole JSON messages in and out, limits on
 * size, rate and queue. What messages mean is control's affair. Thread: control. Owns: its buffers; the
 * connection is libwebsockets'. */
#pragma once

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/ws_queue.h"
#include "relay/store.h"
#include "signal/message.h"

struct kg_control;
struct kg_hall_seat;

struct kg_session {
    struct kg_control *control;
    struct lws *wsi;
    const struct kg_store_room *room; /* the directory's; NULL until known */
    struct sockaddr_storage local;    /* the relay's address as this room reached it */
    char peer[64];
    char software[KG_MAX_NAME_BYTES + 1];
    bool greeted; /* hello came */
    bool closing; /* ends once its queue is sent */
    bool last_words_sent;
    bool finished; /* … and heard, as far as can be known: send the close frame */
    bool aborted;  /* ends now */
    int64_t close_by_us;
    bool ping_due;
    int64_t pinged_us;
    int64_t heard_us; /* when anything last came: message or pong */
    struct kg_hall_seat *seat;
    bool has_agenda;
    bool agenda_due;                 /* it may have changed since it was sent */
    struct kg_message_policy policy; /* as it was told last */
    uint64_t agenda_revision;
    uint64_t agenda_stamp; /* kg_directory_agenda_stamp when it was written */
    struct kg_ws_queue queue;
    uint8_t *incoming;
    size_t incoming_size, incoming_capacity;
    bool oversized; /* the rest of this message is skipped */
    unsigned bad_messages;
    int64_t tokens_us; /* rate limit: microseconds of sending right left */
    int64_t refilled_us;
    struct kg_loop_timer timer; /* hello is due; later: closing takes too long */
    struct kg_session *previous, *next;
};

/* The libwebsockets callback of the rooms' subprotocol; the vhost's user is the kg_control. */
int kg_session_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* Queues a message. A connection that does not take what it is sent is ended. */
void kg_session_send(struct kg_session *session, const struct kg_message *message);
void kg_session_error(struct kg_session *session, uint32_t request, enum kg_error_code code,
                      const char *text);
/* Says closing, then ends the connection. */
void kg_session_close(struct kg_session *session, enum kg_reason reason, uint32_t retry_ms);
/* Pings every 20 s (or a third of idle_us), and ends the connections from which nothing came for idle_us:
 * their seats are away from now on. */
void kg_session_check_idle(struct kg_session *first, int64_t now_us, int64_t idle_us);
