/* What the directory's files share. Thread: control. */
#pragma once

#include <glib.h>

#include "relay/directory.h"

struct kg_directory {
    GHashTable *organizations; /* id → struct kg_store_organization, own; so for all below */
    GHashTable *rooms;
    GHashTable *administrators;
    GHashTable *certificates; /* by fingerprint */
    GHashTable *communities;
    GHashTable *memberships; /* room → GPtrArray of the communities it joined; keys are theirs */
    GHashTable *layers;      /* "<scope>:<id>" → struct kg_policy_layer */
    GHashTable *meetings;    /* by id */
    GHashTable *invitations; /* room → set of the meetings that list it */
    uint64_t changes;        /* of rooms and certificates */
    GHashTable *stamps;      /* room → stamp when its agenda may last have changed */
    size_t stamp, stamp_all; /* the last one given; … to every room */
};

/* Puts what was copied where the old one stands, so that pointers to it stay good; or as a new entry. Every
 * kind's first member is its id. Takes the copy; false: memory. */
KG_MUST_CHECK bool kg_directory_put_row(GHashTable *table, void *copy, size_t size,
                                        void (*finish)(void *row));

/* directory_community.c. */
GHashTable *kg_directory_make_communities(void);
/* with_rooms: as loaded. Otherwise the change says nothing about rooms: they stay, but for those of
 * organizations that no longer belong. */
KG_MUST_CHECK bool kg_directory_put_community(struct kg_directory *directory,
                                              const struct kg_store_community *community, bool with_rooms);
void kg_directory_remove_community(struct kg_directory *directory, const char *id);
/* In or out. An unknown community: nothing. */
KG_MUST_CHECK bool kg_directory_move_room(struct kg_directory *directory, const char *id, const char *room,
                                          bool in);
/* The organization ends. */
void kg_directory_leave_communities(struct kg_directory *directory, const char *organization);

/* The agendas of all rooms that share a meeting with this one may have changed; of all rooms there are. */
void kg_directory_touch_agendas(struct kg_directory *directory, const char *room);
void kg_directory_touch_all_agendas(struct kg_directory *directory);
/* Those of whom this is true. */
void kg_directory_remove_meetings(struct kg_directory *directory,
                                  bool (*goes)(const struct kg_meeting *meeting, const void *user),
                                  const void *user);
/* The values by id: an array for free(); NULL: none or memory. `size` of one pointer. */
const void **kg_directory_sorted(GHashTable *table, size_t *count,
                                 int (*compare)(const void *, const void *));
