/* The meetings that are going on: who sits where, with which source ids, whose line is lost and what brings
 * it back. No I/O and no clock: times are passed in. Thread: control. Owns: meetings and seats; borrows
 * rooms. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/directory.h"
#include "relay/slots.h"
#include "relay/worker.h"
#include "signal/message.h"

enum {
    KG_HALL_TOKEN_SIZE = 33, /* 32 characters of 5.95 bits, and NUL */
    KG_HALL_MAX_SEATS = KG_MAX_PARTICIPANTS
};

struct kg_session;
struct kg_hall;
struct kg_gathering;

struct kg_hall_seat {
    struct kg_gathering *gathering;
    const struct kg_store_room *room;
    uint32_t party;                   /* unique in the meeting, kept by resume */
    uint32_t source[KG_SOURCE_KINDS]; /* ids, unique in the meeting, kept by resume */
    bool offered[KG_SOURCE_KINDS];    /* its last offer can send this kind */
    bool muted[KG_SOURCE_KINDS];
    bool has_token;
    uint8_t token_hash[KG_STORE_HASH_BYTES];
    struct kg_session *session; /* NULL: away */
    int64_t away_since_us;
    uint64_t worker_party; /* 0: no media */
    bool wished[KG_SLOTS];
    struct kg_message_want wish[KG_SLOTS];
    uint32_t slot[KG_SLOTS]; /* what the party was told last */
    enum kg_worker_path path;
    char srtp_profile[32];
    struct kg_hall_seat *next;
};

/* One meeting with at least one seat. */
struct kg_gathering {
    struct kg_hall *hall;
    char *uid;
    uint64_t number; /* for the workers; never used again */
    unsigned worker;
    int64_t keep_us; /* how long an empty seat is kept */
    unsigned seat_count;
    struct kg_hall_seat *seats; /* in order of joining */
    bool changed;               /* participants are to be sent */
    uint64_t names;             /* kg_hall_names when they were sent last; 0: never */
    struct kg_gathering *next;
};

struct kg_hall *kg_hall_create(void);
void kg_hall_destroy(struct kg_hall *hall);
/* For walking: ->next. */
struct kg_gathering *kg_hall_first(const struct kg_hall *hall);
struct kg_gathering *kg_hall_find(const struct kg_hall *hall, const char *uid);
/* uid: the meeting's id. NULL: memory. */
struct kg_gathering *kg_hall_open(struct kg_hall *hall, const char *uid, unsigned worker, int64_t keep_us);

/* After opening a meeting in which nobody could be seated. */
void kg_hall_close_if_empty(struct kg_gathering *gathering);

/* May this room join now? KG_ERROR_NONE: yes. meeting NULL: unknown. From open_before_us ahead of the start
 * to the end. */
enum kg_error_code kg_hall_admits(const struct kg_directory *directory, const struct kg_meeting *meeting,
                                  const char *room, int64_t wall_us, int64_t open_before_us);

/* A number for the names of all who sit there, as others see them: another when any of them is. */
uint64_t kg_hall_names(const struct kg_directory *directory, const struct kg_gathering *gathering);

struct kg_hall_seat *kg_hall_seat_of(const struct kg_gathering *gathering, const struct kg_store_room *room);
struct kg_hall_seat *kg_hall_seat_of_party(const struct kg_hall *hall, uint64_t worker_party);
/* A new seat, away, with fresh ids. NULL: the meeting is full or memory is short. */
struct kg_hall_seat *kg_hall_seat_add(struct kg_gathering *gathering, const struct kg_store_room *room,
                                      int64_t now_us);
/* A seat as the store kept it; false: its ids collide or memory is short. */
KG_MUST_CHECK bool kg_hall_seat_restore(struct kg_gathering *gathering, const struct kg_store_room *room,
                                        const struct kg_store_seat *stored, int64_t now_us);
/* Frees the seat, and the meeting with its last one: true then. */
bool kg_hall_seat_remove(struct kg_hall_seat *seat);
/* A seat that has been away for its meeting's keep_us, or NULL. */
struct kg_hall_seat *kg_hall_expired(const struct kg_hall *hall, int64_t now_us);

/* A new resume token for the seat, valid once and only with this room's present certificate; the one before
 * is void. */
void kg_hall_token_issue(struct kg_hall_seat *seat, char token[KG_HALL_TOKEN_SIZE]);
KG_MUST_CHECK bool kg_hall_token_check(const struct kg_hall_seat *seat, const char *token);
