#include "relay/store_schema.h"

/* Each step leads from version N (its index) to N + 1. Steps are never edited once released: append. */
static const char *const steps[] = {
    "CREATE TABLE room("
    "  id TEXT PRIMARY KEY, organization TEXT NOT NULL, department TEXT NOT NULL, name TEXT NOT NULL,"
    "  fingerprint BLOB NOT NULL CHECK(length(fingerprint) = 32)) STRICT;"
    /* Every certificate ever signed: the revocation list is its rows with revoked_at. */
    "CREATE TABLE certificate("
    "  fingerprint BLOB PRIMARY KEY CHECK(length(fingerprint) = 32), room TEXT NOT NULL, serial TEXT NOT "
    "NULL,"
    "  not_after INTEGER NOT NULL, revoked_at INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE meeting("
    "  uid TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT NOT NULL, organizer TEXT NOT NULL,"
    "  location TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL CHECK(end_us > start_us),"
    "  sequence INTEGER NOT NULL, status INTEGER NOT NULL) STRICT;"
    "CREATE TABLE meeting_room("
    "  meeting TEXT NOT NULL REFERENCES meeting(uid) ON DELETE CASCADE, place INTEGER NOT NULL,"
    "  room TEXT NOT NULL, PRIMARY KEY(meeting, place)) STRICT;"
    "CREATE TABLE seat("
    "  meeting TEXT NOT NULL, room TEXT NOT NULL, token_hash BLOB NOT NULL CHECK(length(token_hash) = 32),"
    "  party INTEGER NOT NULL, source_microphone INTEGER NOT NULL, source_camera INTEGER NOT NULL,"
    "  source_presentation INTEGER NOT NULL, muted_microphone INTEGER NOT NULL, muted_camera INTEGER NOT "
    "NULL,"
    "  muted_presentation INTEGER NOT NULL, PRIMARY KEY(meeting, room)) STRICT;"
    "CREATE TABLE event("
    "  id INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, kind TEXT NOT NULL, meeting TEXT NOT NULL,"
    "  room TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
    "CREATE INDEX event_by_time ON event(wall_us);",
};

int kg_store_schema_version(void)
{
    return (int)KG_ARRAY_LEN(steps);
}

const char *kg_store_schema_step(int from)
{
    return from >= 0 && from < kg_store_schema_version() ? steps[from] : NULL;
}
