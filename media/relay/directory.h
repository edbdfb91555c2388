/* Who may connect, what is planned and what is set: the store's rows as the control thread's own tables.
 * Names on screens come from here only. Thread: control. Owns: everything in it; what it returns lives until
 * the directory ends (an object's texts: until it is put again; what can be removed: until then). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/gate.h"
#include "relay/policy.h"
#include "relay/store.h"

struct kg_directory;

/* Of one organization, so that none fills the memory that all share: five files of the largest there are, and
 * in all of them so many rooms listed, each meeting's counted. */
enum { KG_DIRECTORY_MAX_MEETINGS = 50000, KG_DIRECTORY_MAX_INVITATIONS = 200000 };

/* NULL when memory is short. */
struct kg_directory *kg_directory_create(void);
void kg_directory_destroy(struct kg_directory *directory);

/* What the store has written, or had when it was opened. Copies; objects that stay keep their place. Seats
 * are the hall's. A room or administrator once revoked with a certificate is not made valid again by an older
 * copy of its row, nor is a retired certificate the room's again. Not loaded: meetings that ended before
 * meetings_since_us, and those with UIDs that terminals refuse. false: memory. */
KG_MUST_CHECK bool kg_directory_apply(struct kg_directory *directory, const struct kg_store_change *change);
KG_MUST_CHECK bool kg_directory_load(struct kg_directory *directory, const struct kg_store_snapshot *snapshot,
                                     int64_t meetings_since_us);

/* Organizations (団体). The name of an unknown one is "". */
const struct kg_store_organization *kg_directory_organization(const struct kg_directory *directory,
                                                              const char *id);
const char *kg_directory_organization_name(const struct kg_directory *directory, const char *id);
/* Ids are set apart by their beginning, so that nobody learns of another's by a clash: what begins with
 * "<organization>-" is that organization's. The other organization that may have this id; NULL: none. */
const struct kg_store_organization *kg_directory_id_owner(const struct kg_directory *directory,
                                                          const char *id, const char *organization);

/* The short way of putting one room. */
KG_MUST_CHECK bool kg_directory_put_room(struct kg_directory *directory, const struct kg_store_room *room);
const struct kg_store_room *kg_directory_room(const struct kg_directory *directory, const char *id);
/* Whose certificate this is, revoked or not; NULL: nobody's (any more). */
const struct kg_store_room *kg_directory_room_of(const struct kg_directory *directory,
                                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
/* Another number whenever rooms or certificates have changed. */
uint64_t kg_directory_changes(const struct kg_directory *directory);
/* Every certificate with which a room may come in now: *keys is the caller's, free(). false: memory. */
KG_MUST_CHECK bool kg_directory_admitted(const struct kg_directory *directory, struct kg_gate_key **keys,
                                         size_t *count);
size_t kg_directory_room_count(const struct kg_directory *directory);

const struct kg_store_administrator *kg_directory_administrator(const struct kg_directory *directory,
                                                                const char *id);
/* As kg_directory_room_of. */
const struct kg_store_administrator *
kg_directory_administrator_of(const struct kg_directory *directory,
                              const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);

/* NULL: never issued, or forgotten. */
const struct kg_store_certificate *
kg_directory_certificate(const struct kg_directory *directory,
                         const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);

/* Calls for each certificate of this owner ("room" or "administrator", and its id). */
void kg_directory_each_certificate(const struct kg_directory *directory, const char *kind, const char *owner,
                                   void (*each)(void *user, const struct kg_store_certificate *certificate),
                                   void *user);

/* "kaku-daikaigi" begins with organization "kaku": nobody else can have it. */
bool kg_directory_id_begins(const char *id, const char *organization);
const struct kg_store_community *kg_directory_community(const struct kg_directory *directory, const char *id);
bool kg_directory_in_community(const struct kg_store_community *community, const char *organization);
/* May a meeting of this organization invite the room: one of its own (an id that only it can have counts), or
 * one that joined a community the organization belongs to. */
bool kg_directory_may_invite(const struct kg_directory *directory, const char *organization,
                             const char *room);
/* Is the room invited now: listed, and either the meeting's organization may invite it at this moment, or it
 * is there on an operator's word? Whoever leaves a community is out of the meetings it was invited to through
 * it, and in them again when it is back. */
bool kg_directory_still_invites(const struct kg_directory *directory, const struct kg_meeting *meeting,
                                const char *room);
/* The same of the room listed at this place, without a search. owner: the meeting's organization. */
bool kg_directory_invites_place(const struct kg_directory *directory, const char *owner,
                                const struct kg_meeting *meeting, uint16_t place);

/* All of a kind by id: an array the caller frees with free(); NULL: none or memory. */
const struct kg_store_organization **kg_directory_organizations(const struct kg_directory *directory,
                                                                size_t *count);
const struct kg_store_room **kg_directory_rooms(const struct kg_directory *directory, size_t *count);
const struct kg_store_administrator **kg_directory_administrators(const struct kg_directory *directory,
                                                                  size_t *count);
const struct kg_store_community **kg_directory_communities(const struct kg_directory *directory,
                                                           size_t *count);
const struct kg_meeting **kg_directory_meetings(const struct kg_directory *directory, size_t *count);

/* What this object's own layer says; NULL: nothing. */
const struct kg_policy_layer *kg_directory_layer(const struct kg_directory *directory,
                                                 enum kg_policy_scope scope, const char *id);
/* The setting for a room (or "": for the organization as a whole), `file` being relay.conf's layer. The layer
 * that decides, or -1 as kg_policy_resolve. */
int kg_directory_setting(const struct kg_directory *directory, const struct kg_policy_layer *file,
                         const char *organization, const char *room, enum kg_policy_key key, int32_t *value);

/* The short way of putting one meeting. */
KG_MUST_CHECK bool kg_directory_put_meeting(struct kg_directory *directory, const struct kg_meeting *meeting);
/* id: "<organization>/<UID>". */
const struct kg_meeting *kg_directory_meeting(const struct kg_directory *directory, const char *id);
/* The organization's part of a meeting's id. */
void kg_directory_meeting_owner(const char *id, char organization[KG_CA_ID_BYTES]);
/* Of one organization; and how many rooms these list, together. */
size_t kg_directory_meeting_count(const struct kg_directory *directory, const char *organization);
size_t kg_directory_invitation_count(const struct kg_directory *directory, const char *organization);
/* Forgets meetings that ended before this wall-clock time (the store keeps them). */
void kg_directory_prune(struct kg_directory *directory, int64_t before_us);
/* Another number whenever what a room's agenda tells may have changed: meetings that list it, rooms and
 * organizations in them, or time (kg_directory_prune). */
uint64_t kg_directory_agenda_stamp(const struct kg_directory *directory, const char *room);

/* The calendar one room may see: the meetings it is invited to that touch [from_us, to_us), the other rooms
 * in them by name, at most max_bytes (first names, then the latest meetings of other organizations, then the
 * latest of its own are left out, meetings not without a word in the log). free(). NULL: memory. */
char *kg_directory_calendar(const struct kg_directory *directory, const char *room, int64_t from_us,
                            int64_t to_us, size_t max_bytes);
