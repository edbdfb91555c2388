/* The store's reading thread: lists, exports, verifies and copies, while the writing thread goes on. Thread:
 * created, posted to and destroyed by one; owns its thread and a read-only connection. */
#pragma once

#include "relay/store.h"

enum kg_store_read_kind {
    KG_STORE_READ_LIST,
    KG_STORE_READ_EXPORT,
    KG_STORE_READ_VERIFY,
    KG_STORE_READ_BACKUP,
    KG_STORE_READ_GOOD_COPY, /* the store's own, at `path`: empties the log too; no result */
};
struct kg_store_read {
    enum kg_store_read_kind kind;
    uint64_t request;
    struct kg_audit_filter filter; /* texts copied */
    bool anchored;
    struct kg_audit_anchor anchor;
    int64_t kept_us;  /* verify: kg_store_audit_check() */
    const char *path; /* copied */
};

struct kg_store_reader;
/* Called in the reading thread. */
struct kg_store_reader_calls {
    void (*on_anchor)(void *user, const struct kg_audit_anchor *anchor); /* an export has ended */
    void (*on_copy)(void *user, bool made);                              /* a good copy was made, or not */
    void *user;
};
/* results: as the store's, borrowed. NULL: memory or no thread (logged). */
struct kg_store_reader *kg_store_reader_create(const char *path, struct kg_queue *results,
                                               const struct kg_store_reader_calls *calls);
/* Gives up what is under way; what waits is answered as failed. */
void kg_store_reader_destroy(struct kg_store_reader *reader);
/* Copies. false: too many wait, or memory. */
KG_MUST_CHECK bool kg_store_reader_post(struct kg_store_reader *reader, const struct kg_store_read *read);
