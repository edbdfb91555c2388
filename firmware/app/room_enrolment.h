/* How a device without a certificate gets one: when to make a key, when to ask the relay, and what the page
 * of its code shows meanwhile. The code is good for half an hour from when the relay has it, then there is a
 * new key. Pure: no I/O, no clock; logs what changes. Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/est_reply.h"
#include "core/room_state.h"

enum {
    KG_ENROL_RETRY_MIN_S = 5,
    KG_ENROL_RETRY_S = 10,      /* when the relay names no time */
    KG_ENROL_RETRY_MAX_S = 120, /* somebody may stand before the screen */
    KG_ENROL_AWAY_FIRST_S = 2,  /* the relay does not answer: doubled each time */
    KG_ENROL_AWAY_MAX_S = 60,
    KG_ENROL_REJECTED_S = 300, /* then a new key by itself */
};
/* A minute less than the relay keeps it: the last question still finds it there, where a later one would
 * leave a new entry that nobody stands behind. */
#define KG_ENROL_KEY_US (INT64_C(29) * 60 * 1000000)

enum kg_enrol_act { KG_ENROL_WAIT, KG_ENROL_MAKE_KEY, KG_ENROL_ASK };

struct kg_room_enrolment {
    enum kg_enrolment_step step;
    bool keyed, asking;
    bool known;       /* the relay has this key: its time runs */
    bool last;        /* its time is over, and it was asked for once more */
    int64_t until_us; /* of the key; while known */
    int64_t next_us;  /* when to act */
    unsigned failures;
    struct kg_ws_close failure; /* of the last try; while failures > 0 */
    uint32_t random;
};

void kg_room_enrolment_init(struct kg_room_enrolment *e, uint32_t seed, int64_t now_us);
/* What is to be done now. MAKE_KEY is answered by keyed, ASK by answered, before the next. */
enum kg_enrol_act kg_room_enrolment_next(struct kg_room_enrolment *e, int64_t now_us);
void kg_room_enrolment_keyed(struct kg_room_enrolment *e, bool made, int64_t now_us);
/* An ISSUED whose certificate is of no use is to be told as STRANGE. */
void kg_room_enrolment_answered(struct kg_room_enrolment *e, const struct kg_est_reply *reply,
                                int64_t now_us);
/* Somebody touched the button: at once; after a refusal with a new key. */
void kg_room_enrolment_again(struct kg_room_enrolment *e, int64_t now_us);
/* When next may have something to do; INT64_MAX: not before answered. */
int64_t kg_room_enrolment_next_us(const struct kg_room_enrolment *e);

/* Screen, error and the moving parts of state->enrolment. */
void kg_room_enrolment_show(const struct kg_room_enrolment *e, int64_t now_us, int64_t wall_us,
                            struct kg_room_state *state);
