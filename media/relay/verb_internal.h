/* What the verbs' files share: one request on its way, and what its verb may do with it. A verb ends with
 * exactly one of kg_call_refuse, kg_call_reply, kg_call_commit, kg_call_read or a certificate to wait for.
 * Thread: control. */
#pragma once

#include "relay/verb.h"

struct kg_call {
    struct kg_verbs *verbs;
    const struct kg_verb *verb;
    struct kg_principal by;
    json_t *request;
    struct kg_agenda_reading *calendar;
    struct kg_queue *replies;
    json_t *reply;
    /* For the audit row. */
    char object[KG_CHECK_QUOTE_BYTES + KG_CHECK_MEETING_BYTES];
    char organization[KG_CA_ID_BYTES];
    char detail[KG_AUDIT_MAX_TEXT_BYTES + 1];
    /* What is to be written: copies of its own. */
    struct kg_store_change *changes;
    size_t change_count, change_capacity;
    bool short_of_memory;
    uint64_t number; /* of the question to the store or the signer; 0: none */
    bool signing, refused, done_at_once;
    bool looks;          /* nothing is changed: the reply waits for its row alone */
    bool noted, replied; /* of a look: the row is written, or cannot be; the reply is there */
    const char *unnoted; /* why it cannot be */
    bool overtaken;      /* a revocation came while its certificate was being signed */
    bool shuts_out;      /* whoever is connected as this room or administrator, once written */
    struct kg_ca_certificate certificate;                                       /* pem NULL: not signed yet */
    void (*answer)(struct kg_call *call, const struct kg_store_result *result); /* to what was read */
    struct kg_call *next;                                                       /* of all under way */
    struct kg_call *next_turn; /* of the changes waiting for theirs */
};

struct kg_verbs {
    struct kg_verbs_params params;
    struct kg_call *calls;         /* all under way */
    struct kg_call *first, **last; /* changes waiting for their turn */
    struct kg_call *writing;       /* the change that has its turn */
};

/* verb.c. */

/* Ends with {"ok":false,"error":...}. */
void kg_call_refuse(struct kg_call *call, const char *fmt, ...) KG_PRINTF(2, 3);
/* To be called where nothing is refused any more, before a long reply is put together: the row is written
 * meanwhile. */
void kg_call_looks(struct kg_call *call);
/* Ends with this reply, taken, once the row is written; NULL: memory. */
void kg_call_reply(struct kg_call *call, json_t *reply);
/* Ends when what was put is written, with this reply. */
void kg_call_commit(struct kg_call *call, json_t *reply);
/* To be called before asking the store to read: the number to give it. `answer` ends the call. */
uint64_t kg_call_read(struct kg_call *call, void (*answer)(struct kg_call *, const struct kg_store_result *));
/* … when the store does not take the question. */
void kg_call_read_failed(struct kg_call *call);
/* true: call->certificate is there. false: it is being signed (the verb runs again then), or was refused. */
KG_MUST_CHECK bool kg_call_certificate(struct kg_call *call, enum kg_ca_kind kind, const char *id);
/* To be called by revocations: certificates under way for this room or administrator come to nothing. */
void kg_call_overtake(struct kg_call *call, const char *id);
/* Whose the row is, and more about it. */
void kg_call_concerns(struct kg_call *call, const char *organization);
void kg_call_note(struct kg_call *call, const char *fmt, ...) KG_PRINTF(2, 3);

/* verb_change.c. */

/* Ends with an error that is nobody's fault who asked; nothing is changed. */
void kg_call_fail(struct kg_call *call, const char *why);
/* Copies what is to be written. */
void kg_call_put(struct kg_call *call, const struct kg_store_change *change);
/* A copy's texts. */
void kg_call_free_change(struct kg_store_change *change);

/* verb.c again. */

/* The request's fields, checked already; "", false, 0 when absent. */
const char *kg_call_text(const struct kg_call *call, const char *field);
bool kg_call_has(const struct kg_call *call, const char *field);
bool kg_call_is(const struct kg_call *call, const char *field);
int64_t kg_call_number(const struct kg_call *call, const char *field);
/* The field's text, or what was there before. */
char *kg_call_new_text(const struct kg_call *call, const char *field, const char *before);

/* verb_scope.c: who sees what. Those that return false or NULL have refused. */

/* Came over the socket on the relay's own host. */
bool kg_call_is_local(const struct kg_call *call);
/* Is what belongs to this organization ("": to the relay) the principal's business? */
bool kg_call_sees(const struct kg_call *call, const char *organization);
/* The organization the request means: the one it names, the principal's own, or the only one there is. */
const struct kg_store_organization *kg_call_organization(struct kg_call *call);
const struct kg_store_organization *kg_call_find_organization(struct kg_call *call, const char *field);
const struct kg_store_room *kg_call_find_room(struct kg_call *call, const char *field);
const struct kg_store_administrator *kg_call_find_administrator(struct kg_call *call, const char *field);
const struct kg_store_community *kg_call_find_community(struct kg_call *call, const char *field);
const struct kg_meeting *kg_call_find_meeting(struct kg_call *call, const char *field);
/* The organization a list is limited to; NULL: all. false: refused. */
KG_MUST_CHECK bool kg_call_list_filter(struct kg_call *call, const char **organization);
/* May this organization have something new with this id? */
KG_MUST_CHECK bool kg_call_id_fits(struct kg_call *call, const char *id, const char *organization);
/* Is the object still as the request's if_revision (absent: whatever it is) says? */
KG_MUST_CHECK bool kg_call_unchanged(struct kg_call *call, int64_t revision);

/* verb_people.c. */

/* Puts every certificate the owner ("room" or "administrator", and its id) has as revoked. */
void kg_call_revoke_certificates(struct kg_call *call, const char *kind, const char *id);
/* {"ok":true,"id":...} with what was signed. */
json_t *kg_call_certificate_json(const struct kg_call *call, const char *id);

/* verb_json.c: objects as lists show them, each with its revision. NULL: memory. */
json_t *kg_organization_json(const struct kg_store_organization *organization);
json_t *kg_room_json(const struct kg_call *call, const struct kg_store_room *room, bool connected);
json_t *kg_administrator_json(const struct kg_store_administrator *administrator);
json_t *kg_community_json(const struct kg_call *call, const struct kg_store_community *community);
int64_t kg_organization_revision(const struct kg_store_organization *organization);
int64_t kg_room_revision(const struct kg_store_room *room);
int64_t kg_community_revision(const struct kg_store_community *community);

/* The verbs' own files. */
void kg_verb_org_add(struct kg_call *call);
void kg_verb_org_set(struct kg_call *call);
void kg_verb_org_list(struct kg_call *call);
void kg_verb_org_remove(struct kg_call *call);
void kg_verb_admin_add(struct kg_call *call);
void kg_verb_admin_list(struct kg_call *call);
void kg_verb_admin_revoke(struct kg_call *call);
void kg_verb_admin_revoke_at_once(struct kg_call *call);
void kg_verb_admin_written(struct kg_call *call);
void kg_verb_room_add(struct kg_call *call);
void kg_verb_room_set(struct kg_call *call);
void kg_verb_room_list(struct kg_call *call);
void kg_verb_room_revoke(struct kg_call *call);
void kg_verb_room_revoke_at_once(struct kg_call *call);
void kg_verb_room_written(struct kg_call *call);
void kg_verb_room_pending(struct kg_call *call);
void kg_verb_room_reject(struct kg_call *call);
void kg_verb_room_reject_written(struct kg_call *call);
void kg_verb_room_enrol(struct kg_call *call);
void kg_verb_room_enrol_written(struct kg_call *call);
void kg_verb_community_add(struct kg_call *call);
void kg_verb_community_set(struct kg_call *call);
void kg_verb_community_remove(struct kg_call *call);
void kg_verb_community_list(struct kg_call *call);
void kg_verb_community_join(struct kg_call *call);
void kg_verb_community_leave(struct kg_call *call);
void kg_verb_setting_set(struct kg_call *call);
void kg_verb_setting_unset(struct kg_call *call);
void kg_verb_setting_list(struct kg_call *call);
void kg_verb_agenda_import(struct kg_call *call);
void kg_verb_meeting_list(struct kg_call *call);
void kg_verb_meeting_cancel(struct kg_call *call);
void kg_verb_status(struct kg_call *call);
void kg_verb_audit_list(struct kg_call *call);
void kg_verb_audit_export(struct kg_call *call);
void kg_verb_audit_verify(struct kg_call *call);
void kg_verb_backup(struct kg_call *call);
void kg_verb_ca_show(struct kg_call *call);
/* Names on screens may be others now; agendas; settings. */
void kg_verb_names_changed(struct kg_call *call);
void kg_verb_agenda_changed(struct kg_call *call);
void kg_verb_settings_changed(struct kg_call *call);
