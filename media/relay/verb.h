/* What administrators may ask for: one table of verbs says who may, what a request holds and who carries it
 * out. A change is carried out one at a time, answered when the store has it together with its audit row, and
 * takes effect then; a revocation takes effect at once, on what the revoked has asked for and what waits too.
 * Every request leaves an audit row, refused ones too, and is answered after it: while the store fails, who
 * looks from afar is refused, and changes nothing. What a principal may not see is answered exactly as what
 * does not exist. ADMIN.md is the wire. Thread: control. Owns: the requests under way. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/check.h"
#include "relay/directory.h"
#include "relay/principal.h"
#include "relay/signing.h"
#include "relay/store.h"

struct kg_agenda_reading;
struct kg_call;
struct kg_enrolment;
struct kg_queue;
struct kg_relay_settings;
struct kg_verbs;

enum { KG_VERB_MAX_FIELDS = 12 };

struct kg_verb_field {
    const char *name;
    enum kg_check_kind kind;
    bool required;
};
enum kg_verb_way {
    KG_VERB_READS,
    KG_VERB_CHANGES,
    KG_VERB_SIGNS, /* changes; may need a certificate first, and so runs twice */
};
struct kg_verb {
    const char *name;  /* "room-add": kaigi-ctl's words */
    const char *event; /* of its audit row */
    unsigned roles;    /* KG_ROLE_BIT of each that may */
    enum kg_verb_way way;
    /* Checks what the table cannot, then replies, or says what to write (verb_internal.h). */
    void (*run)(struct kg_call *call);
    /* What must not wait for other changes or the store; NULL: nothing. */
    void (*at_once)(struct kg_call *call);
    /* Once written and in the directory; NULL: nothing. */
    void (*written)(struct kg_call *call);
    /* The first one names what it is done to. */
    struct kg_verb_field fields[KG_VERB_MAX_FIELDS];
};
/* For lists, tests and documents. */
const struct kg_verb *kg_verb_at(size_t i); /* NULL: there are fewer */
const struct kg_verb *kg_verb_find(const char *name);

/* What the verbs do outside the store and the directory. None may be NULL. */
struct kg_verbs_effects {
    /* Its connections and seats end, media and tunnels with them. */
    void (*room_shut_out)(void *user, const struct kg_store_room *room);
    void (*administrator_shut_out)(void *user, const struct kg_store_administrator *administrator);
    void (*names_changed)(void *user);
    void (*agenda_changed)(void *user);
    void (*settings_changed)(void *user);
    /* Tells each room that is connected. */
    void (*connected)(void *user, void (*tell)(void *to, const struct kg_store_room *room), void *to);
    /* As kg_signing_ask. */
    bool (*sign)(void *user, uint64_t request, const struct kg_ca_subject *subject, const char *csr);
    /* Is a principal from afar still who he was when he asked? */
    bool (*stands)(void *user, const struct kg_principal *by);
    /* Answers by kg_call_reply, now or later. */
    void (*status)(void *user, struct kg_call *call);
};

struct kg_verbs_params {
    struct kg_directory *directory; /* borrowed, as is everything here */
    struct kg_store *store;
    const struct kg_relay_settings *settings;
    struct kg_enrolment *enrolment; /* NULL: no device asks for anything here */
    const struct kg_verbs_effects *effects;
    void *user;             /* of effects */
    uint64_t *next_request; /* numbers for the store and the signer, shared with whoever else asks them */
};
/* NULL: memory. */
struct kg_verbs *kg_verbs_create(const struct kg_verbs_params *params);
/* Answers what still waits. */
void kg_verbs_destroy(struct kg_verbs *verbs);

/* Exactly one reply (struct json_t *, the taker's) comes in `replies`, which outlives the verbs. Takes
 * request and calendar (the request's, read; NULL when there is none). stopping: only reading goes on.
 */
void kg_verbs_ask(struct kg_verbs *verbs, const struct kg_principal *by, json_t *request,
                  struct kg_agenda_reading *calendar, bool stopping, struct kg_queue *replies);
/* false: it answers nothing of ours. If it is, the answer (the certificate) is taken. */
KG_MUST_CHECK bool kg_verbs_stored(struct kg_verbs *verbs, const struct kg_store_result *result);
KG_MUST_CHECK bool kg_verbs_signed(struct kg_verbs *verbs, struct kg_signing_answer *answer);
