/* What the files of the control thread share. Thread: control, but for the atomics. */
#pragma once

#include <libwebsockets.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "net/loop.h"
#include "relay/admin_remote.h"
#include "relay/control.h"
#include "relay/directory.h"
#include "relay/est_server.h"
#include "relay/front.h"
#include "relay/hall.h"
#include "relay/refusals.h"
#include "relay/session.h"
#include "relay/signing.h"
#include "relay/tls_server.h"
#include "relay/verb_internal.h"
#include "relay/worker.h"

enum {
    KG_CONTROL_COMMANDS = 128,
    KG_CONTROL_TICK_US = 1000000,
    KG_CONTROL_GATHER_US = 5000,   /* changes within this go out as one participants message */
    KG_CONTROL_RENAME_US = 200000, /* many rooms may be enrolled in a row: one agenda for all that */
    KG_CONTROL_STOP_US = 2000000,
};

enum kg_control_command_kind { KG_CONTROL_RELOAD, KG_CONTROL_STOP, KG_CONTROL_REQUEST };
struct kg_control_command {
    enum kg_control_command_kind kind;
    /* KG_CONTROL_REQUEST */
    struct kg_principal by;
    json_t *request;
    struct kg_agenda_reading *calendar; /* the request's; NULL: it has none */
    struct kg_queue *replies;
};

struct kg_calendars;
struct kg_figures; /* control_status.c's */

struct kg_control {
    struct kg_control_params params;
    struct kg_loop *loop;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[4];
    SSL_CTX *tls; /* the vhost's */
    struct kg_loop_watch *watches[6];
    struct kg_queue *commands; /* of struct kg_control_command */
    struct kg_calendars *calendars;
    struct kg_loop_timer tick, gather, rename, stop;
    struct kg_thread thread;
    bool started, stopping;
    int64_t stop_by_us;
    uint64_t ticks;

    struct kg_directory *directory;
    struct kg_hall *hall;
    struct kg_session *sessions;
    unsigned session_count;
    unsigned ended; /* libwebsockets connections gone so far */
    struct kg_front *front;
    struct kg_est_server *est;
    struct kg_admin_remote *admin_remote;
    struct kg_verbs *verbs;
    struct kg_figures *figures; /* NULL: nobody has asked for them yet */
    uint64_t next_party, next_request;
    int64_t started_us;
    struct kg_refusals *refusals;
    struct kg_pace *joins;          /* refused ones, by room */
    struct kg_tls_server_ends ends; /* of the relay's certificates, for status */
    uint64_t gate_changes;          /* kg_directory_changes as the gate knows it */

    atomic_bool stopped;
    _Atomic int64_t alive_us;                       /* the loop turned */
    _Atomic int64_t worker_alive_us[KG_WORKER_MAX]; /* it answered */
};

/* control.c */
/* Whose connection this is; NULL: none of ours. */
struct kg_control *kg_control_of(struct lws *wsi);
/* One of libwebsockets' connections is gone. Always 0. */
int kg_control_count_end(struct kg_control *control, struct lws *wsi);
void kg_control_gather(struct kg_control *control, struct kg_gathering *gathering);
/* If it differs from what the room has. */
void kg_control_send_agenda(struct kg_control *control, struct kg_session *session);
void kg_control_send_agendas(struct kg_control *control);
/* The directory has other rooms or names: agendas that tell of them follow. */
void kg_control_rename(struct kg_control *control);

/* control_meeting.c: what rooms ask for while they are connected, and what workers tell. */
void kg_control_message(struct kg_control *control, struct kg_session *session,
                        const struct kg_message *message);
void kg_control_session_gone(struct kg_control *control, struct kg_session *session);
void kg_control_seat_end(struct kg_control *control, struct kg_hall_seat *seat, enum kg_reason reason);
void kg_control_expire_seats(struct kg_control *control, int64_t now_us);
void kg_control_worker_event(struct kg_control *control, const struct kg_worker_event *event);
void kg_control_restore_seats(struct kg_control *control, const struct kg_store_snapshot *snapshot);
void kg_control_send_participants(struct kg_control *control, struct kg_gathering *gathering);
/* Meetings that were cancelled or long over, and rooms no longer invited: their parties leave. */
void kg_control_enforce_agenda(struct kg_control *control);
/* Wherever this room sits. */
void kg_control_end_seats(struct kg_control *control, const struct kg_store_room *room,
                          enum kg_reason reason);
void kg_control_end_media(struct kg_control *control, struct kg_hall_seat *seat);
void kg_control_store_seat(struct kg_control *control, const struct kg_hall_seat *seat);
uint8_t kg_control_list_participants(const struct kg_control *control, const struct kg_gathering *gathering,
                                     struct kg_participant list[KG_MAX_PARTICIPANTS]);

/* control_gate.c */
struct kg_tls_refusal;
/* After the directory may have changed. */
void kg_control_set_gate(struct kg_control *control);
void kg_control_tls_refusal(struct kg_control *control, const struct kg_tls_refusal *refusal);
/* Somebody is turned away: a line of the log and a row of the trail, unless there have been too many
 * (refusals.h). fingerprint: of a certificate that passed TLS, by which actor and organization are named if
 * the directory knows it; NULL: none did. */
void kg_control_refusal(struct kg_control *control, const struct kg_enrolment_source *source,
                        const uint8_t *fingerprint, const struct kg_audit_entry *entry);
/* Each second: how many were left out. */
void kg_control_check_refusals(struct kg_control *control, int64_t now_us);

/* control_join.c */
void kg_control_join(struct kg_control *control, struct kg_session *session,
                     const struct kg_message *message);

/* control_admin.c */
struct kg_verbs *kg_control_make_verbs(struct kg_control *control);
void kg_control_request(struct kg_control *control, const struct kg_control_command *command);
void kg_control_store_result(struct kg_control *control, const struct kg_store_result *result);
void kg_control_signature(struct kg_control *control, struct kg_signing_answer *answer);
/* Settings by the meeting's organization. */
int64_t kg_control_keep_us(const struct kg_control *control, const char *meeting);
int64_t kg_control_open_before_us(const struct kg_control *control, const char *meeting);
/* What is set for the room, if it is not what it was told last. */
void kg_control_send_policy(struct kg_control *control, struct kg_session *session);
/* A row of the audit trail: what a room (NULL: the relay itself) did, of a meeting ("": none). */
void kg_control_note(struct kg_control *control, const char *event, enum kg_audit_result result,
                     const struct kg_store_room *room, const char *source, const char *meeting,
                     const char *detail);

/* Any row; a busy store is logged. */
void kg_control_audit(struct kg_control *control, const struct kg_audit_entry *entry);

/* control_metrics.c: by what a worker told. */
void kg_control_count(const struct kg_control *control, const struct kg_worker_event *event);

/* control_status.c */
void kg_control_status(struct kg_control *control, struct kg_call *call);
/* Before the calls go. */
void kg_control_drop_statuses(struct kg_control *control);
void kg_control_status_event(struct kg_control *control, const struct kg_worker_event *event);
void kg_control_status_tick(struct kg_control *control, int64_t now_us);
