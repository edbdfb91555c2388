/* A store in a folder of its own, and what may be put into it, for tests of the store. Single-threaded but
 * for the store's own threads. */
#pragma once

#include "unit/cmocka_all.h"

#include "base/queue.h"
#include "relay/store_db.h"

extern char folder[64], path[128]; /* path: the store's file in it */
extern struct kg_queue *results;

/* Of every test. */
int store_set_up(void **state);
int store_tear_down(void **state);

struct kg_store *open_store(struct kg_store_snapshot *snapshot);
/* Of the next result, which must be this request's. */
enum kg_store_status result_of(uint64_t request);
/* The same; kg_store_answer_destroy(). */
struct kg_store_answer *answer_of(uint64_t request, enum kg_store_status status);

/* Every byte of its certificate's fingerprint is the mark; of organization "kaku". */
struct kg_store_room room_of(char *id, uint8_t mark);
struct kg_meeting meeting_of(char *uid, char **rooms, uint16_t count);

/* The row that every change here is told by. */
extern const struct kg_audit_entry entry;

bool put(struct kg_store *store, uint64_t request, struct kg_store_change change);
#define PUT(store, request, what, ...)                                                                       \
    assert_true(put(store, request, (struct kg_store_change){.kind = KG_STORE_##what, __VA_ARGS__}))
/* Waits until it is there. */
void put_organization(struct kg_store *store, char *id, char *name);

/* Without the store's thread: the organization "kaku", and a room of it. */
void make_organization(sqlite3 *db);
enum kg_store_status run_room(sqlite3 *db, const struct kg_store_room *room);

/* 64 times from at on. */
void overwrite(const char *name, const char *bytes, off_t at);
/* In the folder, by a glob pattern. */
size_t count_files(const char *pattern);
