/* What the store keeps, as structs: the snapshot's and the changes'. Thread: any. Ownership: a struct from
 * the store, or one made by a copy, owns its texts until its finish; a change borrows. No text is NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"
#include "signal/agenda.h"

enum { KG_STORE_HASH_BYTES = 32 };

struct kg_store_organization {
    char *id, *name, *reading;
};

struct kg_store_room {
    char *id, *organization_id, *department, *department_reading, *name, *name_reading;
    /* The certificate it uses now; serial "": none yet. */
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s;
    int64_t revoked_s; /* 0: valid. Putting a revoked room revokes every certificate it has */
};

struct kg_store_administrator {
    char *id, *organization_id; /* "": the whole relay */
    char *role;                 /* "operator", "administrator" or "auditor" */
    char *name;
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s;
    int64_t revoked_s; /* as a room's */
};

/* Every certificate ever issued: the revocation list is those with revoked_s. */
struct kg_store_certificate {
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char *kind, *owner; /* "room" or "administrator", and its id */
    char serial[KG_CA_SERIAL_TEXT];
    int64_t not_after_s;
    int64_t revoked_s; /* 0: not revoked */
    int64_t retired_s; /* 0: not yet replaced by its successor */
};

struct kg_store_community {
    char *id, *name, *theme;
    char **organizations; /* ids */
    size_t organization_count;
    char **rooms; /* ids; read only: rooms join and leave one by one */
    size_t room_count;
};

struct kg_store_setting {
    char *scope;    /* "relay", "organization" or "room" */
    char *scope_id; /* "" of the relay */
    char *key, *value;
};

/* A party's place, so that a restarted relay gives it back. The token itself is never stored. */
struct kg_store_seat {
    uint8_t token_hash[KG_STORE_HASH_BYTES];
    char *meeting_uid, *room;
    uint32_t party;
    uint32_t source[3];
    bool muted[3];
};

/* A meeting is a struct kg_meeting whose uid is "<organization id>/<UID of the calendar>". The room at this
 * place was invited by an operator, although the meeting's organization may not invite it. */
bool kg_store_meeting_by_operator(const struct kg_meeting *meeting, unsigned place);
void kg_store_meeting_set_by_operator(struct kg_meeting *meeting, unsigned place);

struct kg_store_snapshot {
    struct kg_store_organization *organizations; /* by id, as all of these */
    size_t organization_count;
    struct kg_store_room *rooms;
    size_t room_count;
    struct kg_store_administrator *administrators;
    size_t administrator_count;
    struct kg_store_certificate *certificates; /* by kind and owner */
    size_t certificate_count;
    struct kg_store_community *communities;
    size_t community_count;
    struct kg_store_setting *settings; /* by scope, scope_id and key */
    size_t setting_count;
    struct kg_meeting *meetings; /* rooms and texts owned */
    size_t meeting_count;
    struct kg_store_seat *seats;
    size_t seat_count;
};
void kg_store_snapshot_finish(struct kg_store_snapshot *snapshot);

/* Deep copies; false: memory, *out is empty. */
KG_MUST_CHECK bool kg_store_organization_copy(struct kg_store_organization *out,
                                              const struct kg_store_organization *organization);
KG_MUST_CHECK bool kg_store_room_copy(struct kg_store_room *out, const struct kg_store_room *room);
KG_MUST_CHECK bool kg_store_administrator_copy(struct kg_store_administrator *out,
                                               const struct kg_store_administrator *administrator);
KG_MUST_CHECK bool kg_store_certificate_copy(struct kg_store_certificate *out,
                                             const struct kg_store_certificate *certificate);
KG_MUST_CHECK bool kg_store_community_copy(struct kg_store_community *out,
                                           const struct kg_store_community *community);
KG_MUST_CHECK bool kg_store_setting_copy(struct kg_store_setting *out,
                                         const struct kg_store_setting *setting);
KG_MUST_CHECK bool kg_store_meeting_copy(struct kg_meeting *out, const struct kg_meeting *meeting);
KG_MUST_CHECK bool kg_store_seat_copy(struct kg_store_seat *out, const struct kg_store_seat *seat);
/* Frees the texts, not the struct. */
void kg_store_organization_finish(struct kg_store_organization *organization);
void kg_store_room_finish(struct kg_store_room *room);
void kg_store_administrator_finish(struct kg_store_administrator *administrator);
void kg_store_certificate_finish(struct kg_store_certificate *certificate);
void kg_store_community_finish(struct kg_store_community *community);
void kg_store_setting_finish(struct kg_store_setting *setting);
void kg_store_meeting_finish(struct kg_meeting *meeting);
void kg_store_seat_finish(struct kg_store_seat *seat);
