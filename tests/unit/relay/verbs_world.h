/* A store, a directory and the verbs on them, with two organizations and their people, for tests of the
 * verbs. What verbs do elsewhere (connections, signatures) is counted, and signed by a fake. Single-threaded
 * but for the store's own threads. */
#pragma once

#include "relay/enrolment.h"
#include "relay/principal.h"
#include "relay/relay_settings.h"
#include "relay/verb_internal.h"

struct verbs_world {
    char folder[64], path[128];
    struct kg_queue *results, *replies;
    struct kg_store *store;
    struct kg_directory *directory;
    struct kg_verbs *verbs;
    struct kg_enrolment *enrolment;
    struct kg_relay_settings settings; /* read at every request */
    uint64_t next_request;
    /* The signer's question that waits, and how many it has answered. */
    uint64_t to_sign;
    unsigned signed_count;
    bool signer_refuses;
    unsigned rooms_shut_out, administrators_shut_out, names_changed, agenda_changed, settings_changed;
};

/* Empty. */
void verbs_world_begin(struct verbs_world *w);
/* a-shi and b-cho, each with rooms, an administrator, an auditor, a meeting, a setting; community "mutual" of
 * both (a-shi's room a-shi-3 is in it) and "theirs" of b-cho alone. Devices with the codes 000-000-000 and
 * ZZZ-ZZZ-ZZZ wait. */
void verbs_world_fill(struct verbs_world *w);
/* As after a restart. */
void verbs_world_reopen(struct verbs_world *w);
void verbs_world_end(struct verbs_world *w);

struct kg_principal verbs_operator(void);
struct kg_principal verbs_someone(enum kg_role_kind role, const char *id, const char *organization);

/* Text of a JSON object: its reply, waited for. A "calendar" in it is read as control's callers do. */
json_t *verbs_ask(struct verbs_world *w, const struct kg_principal *by, const char *request);
/* The same, taking the object; later: posts it only. */
json_t *verbs_ask_json(struct verbs_world *w, const struct kg_principal *by, json_t *request);
void verbs_post(struct verbs_world *w, const struct kg_principal *by, const char *request);
json_t *verbs_next_reply(struct verbs_world *w);
/* Is well answered; frees it. */
void verbs_must(struct verbs_world *w, const struct kg_principal *by, const char *request);

/* Everything the store holds but its trail, as text; free(). */
char *verbs_dump(const struct verbs_world *w);
/* Everything the directory says to an operator, as text; free(). */
char *verbs_view(struct verbs_world *w);
/* The trail's length once everything asked so far is in it, one row for asking that included. */
int64_t verbs_settle(struct verbs_world *w);
/* One row as "event|actor|role|organization|object|result"; "": there is none. */
void verbs_row(const struct verbs_world *w, int64_t seq, char text[500]);
