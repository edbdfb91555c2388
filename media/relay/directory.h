/* Who may connect and what is planned: the rooms and meetings of the store as the control thread's own
 * tables. Thread: control. Owns: everything in it; what it returns lives until the directory ends (a room's
 * texts: until that room is put again). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/store.h"

struct kg_directory;

/* NULL when memory is short. */
struct kg_directory *kg_directory_create(void);
void kg_directory_destroy(struct kg_directory *directory);

/* Copies. A room of this id is replaced in place. false: memory. */
KG_MUST_CHECK bool kg_directory_put_room(struct kg_directory *directory, const struct kg_store_room *room);
const struct kg_store_room *kg_directory_room(const struct kg_directory *directory, const char *id);
/* Whose certificate this is now, revoked or not; NULL: nobody's (any more). */
const struct kg_store_room *kg_directory_room_of(const struct kg_directory *directory,
                                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
size_t kg_directory_room_count(const struct kg_directory *directory);
/* By id: an array the caller frees with free(); NULL: none or memory. */
const struct kg_store_room **kg_directory_rooms(const struct kg_directory *directory, size_t *count);

/* Copies. A meeting of this UID is replaced. false: memory. */
KG_MUST_CHECK bool kg_directory_put_meeting(struct kg_directory *directory, const struct kg_meeting *meeting);
const struct kg_meeting *kg_directory_meeting(const struct kg_directory *directory, const char *uid);
bool kg_directory_invites(const struct kg_meeting *meeting, const char *room);
/* Forgets meetings that ended before this wall-clock time (the store keeps them). */
void kg_directory_prune(struct kg_directory *directory, int64_t before_us);

/* The calendar one room may see: its own meetings that touch [from_us, to_us), the other rooms in them by
 * name, at most max_bytes (first names, then the latest meetings are left out, the latter logged). free().
 * NULL: memory. */
char *kg_directory_calendar(const struct kg_directory *directory, const char *room, int64_t from_us,
                            int64_t to_us, size_t max_bytes);
