/* The relay's memory on disk: rooms, meetings, seats and what happened, in one SQLite database (WAL, every
 * acknowledged write synced). The control thread posts copies of what to write; the store thread writes them
 * in order and answers in a queue. Reading happens once, at start, into a snapshot: the control thread's own
 * tables are the truth while the relay runs. A store that fails refuses writes and says so; it never stops
 * the relay. Thread: opened, posted to and closed by control; owns its thread and connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "relay/problem.h"
#include "signal/agenda.h"

struct kg_store;
struct kg_queue;

enum { KG_STORE_HASH_BYTES = 32, KG_STORE_QUEUE = 1024 };

enum kg_store_status {
    KG_STORE_OK,
    KG_STORE_FULL,    /* disk or quota */
    KG_STORE_LOCKED,  /* another program holds it */
    KG_STORE_CORRUPT, /* not a database any more */
    KG_STORE_FAILED,  /* anything else: read-only, I/O error */
};
/* One English line with the remedy: "the store's disk is full; ...". */
const char *kg_store_status_text(enum kg_store_status status);

struct kg_store_room {
    char *id, *organization, *department, *name;
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s; /* of its certificate */
    int64_t revoked_s;   /* 0: valid */
};
/* A party's place, so that a restarted relay gives it back. The token itself is never stored. */
struct kg_store_seat {
    uint8_t token_hash[KG_STORE_HASH_BYTES];
    char *meeting_uid, *room;
    uint32_t party;
    uint32_t source[3];
    bool muted[3];
};

struct kg_store_snapshot {
    struct kg_store_room *rooms;
    size_t room_count;
    struct kg_meeting *meetings; /* rooms and texts owned */
    size_t meeting_count;
    struct kg_store_seat *seats;
    size_t seat_count;
};

struct kg_store_result {
    uint64_t request;
    enum kg_store_status status;
};

/* Opens (makes) the database, brings it to the newest version, reads *snapshot and starts the thread.
 * results: of struct kg_store_result, borrowed. NULL: cannot start so: *problem. A corrupt file is put
 * aside as PATH.corrupt-SECONDS and the newest good copy (PATH.backup, made after each change to rooms or
 * meetings) takes its place, which is logged. */
struct kg_store *kg_store_open(const char *path, struct kg_queue *results, struct kg_store_snapshot *snapshot,
                               struct kg_problem *problem);
/* Writes what is queued (at most 2 s), then ends. */
void kg_store_close(struct kg_store *store);
void kg_store_snapshot_finish(struct kg_store_snapshot *snapshot);
void kg_store_room_finish(struct kg_store_room *room);
void kg_store_meeting_finish(struct kg_meeting *meeting);
/* Deep copies; false: memory. */
KG_MUST_CHECK bool kg_store_room_copy(struct kg_store_room *out, const struct kg_store_room *room);
KG_MUST_CHECK bool kg_store_meeting_copy(struct kg_meeting *out, const struct kg_meeting *meeting);
void kg_store_seat_finish(struct kg_store_seat *seat);

/* Each copies its arguments. false: the queue is full or the store has closed; nothing is written. With
 * request 0 no result is sent, and a failure is logged and counted; otherwise exactly one result comes. */
KG_MUST_CHECK bool kg_store_put_room(struct kg_store *store, uint64_t request,
                                     const struct kg_store_room *room);
/* All in one transaction; a meeting of the same UID is replaced. */
KG_MUST_CHECK bool kg_store_put_meetings(struct kg_store *store, uint64_t request,
                                         const struct kg_meeting *meetings, size_t count);
/* Replaces the seat of (meeting, room). */
KG_MUST_CHECK bool kg_store_put_seat(struct kg_store *store, uint64_t request,
                                     const struct kg_store_seat *seat);
KG_MUST_CHECK bool kg_store_remove_seat(struct kg_store *store, uint64_t request, const char *meeting_uid,
                                        const char *room);
/* What happened, for audit: kind is "meeting.started", "meeting.ended", "room.joined", "room.left",
 * "room.refused", "room.added", "room.revoked", "agenda.imported". Any text may be "". */
KG_MUST_CHECK bool kg_store_put_event(struct kg_store *store, int64_t wall_us, const char *kind,
                                      const char *meeting_uid, const char *room, const char *detail);

/* The last write's fate and how many were lost since start. Thread: any. */
enum kg_store_status kg_store_health(struct kg_store *store, uint64_t *lost);
