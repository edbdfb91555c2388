#include "relay/store_schema.h"

#include "relay/store_audit.h"

static const char step_1[] =
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
    "CREATE INDEX event_by_time ON event(wall_us);";

/* Organizations, administrators, communities, settings, and the audit trail in place of the events. A parent
 * table is dropped after its children: dropping deletes its rows, and that cascades. */
static const char step_2[] =
    "CREATE TABLE organization("
    "  id TEXT PRIMARY KEY CHECK(length(id) BETWEEN 1 AND 63 AND id NOT GLOB '*[^a-z0-9-]*'),"
    "  name TEXT NOT NULL, reading TEXT NOT NULL) STRICT;"
    "INSERT INTO organization SELECT 'org-' || row_number() OVER (ORDER BY organization), organization, '' "
    "  FROM (SELECT DISTINCT organization FROM room);"

    "CREATE TABLE room_2("
    "  id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organization(id),"
    "  department TEXT NOT NULL, department_reading TEXT NOT NULL, name TEXT NOT NULL,"
    "  name_reading TEXT NOT NULL,"
    "  fingerprint BLOB CHECK(fingerprint IS NULL OR length(fingerprint) = 32)) STRICT;"
    "INSERT INTO room_2 SELECT r.id, o.id, r.department, '', r.name, '', r.fingerprint"
    "  FROM room r JOIN organization o ON o.name = r.organization;"
    "DROP TABLE room;"
    "ALTER TABLE room_2 RENAME TO room;"
    "CREATE INDEX room_by_organization ON room(organization_id);"

    "CREATE TABLE certificate_2("
    "  fingerprint BLOB PRIMARY KEY CHECK(length(fingerprint) = 32),"
    "  kind TEXT NOT NULL CHECK(kind IN ('room', 'administrator')), owner TEXT NOT NULL,"
    "  serial TEXT NOT NULL, not_after INTEGER NOT NULL, revoked_at INTEGER NOT NULL DEFAULT 0,"
    "  retired_at INTEGER NOT NULL DEFAULT 0) STRICT;"
    "INSERT INTO certificate_2 SELECT fingerprint, 'room', room, serial, not_after, revoked_at, 0"
    "  FROM certificate;"
    "DROP TABLE certificate;"
    "ALTER TABLE certificate_2 RENAME TO certificate;"
    "CREATE INDEX certificate_by_owner ON certificate(kind, owner);"

    /* Who owns a meeting: the first listed room that is known. Its key gets the owner in front. */
    "CREATE TABLE meeting_key(old TEXT PRIMARY KEY, organization_id TEXT NOT NULL, uid TEXT NOT NULL) STRICT;"
    "INSERT INTO meeting_key SELECT uid, owner, owner || '/' || uid FROM ("
    "  SELECT m.uid, coalesce((SELECT r.organization_id FROM meeting_room l JOIN room r ON r.id = l.room"
    "    WHERE l.meeting = m.uid ORDER BY l.place LIMIT 1), 'org-1') AS owner FROM meeting m);"
    "INSERT OR IGNORE INTO organization SELECT DISTINCT organization_id, '団体1', '' FROM meeting_key;"
    "CREATE TABLE meeting_2("
    "  uid TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organization(id) ON DELETE CASCADE,"
    "  title TEXT NOT NULL, description TEXT NOT NULL, organizer TEXT NOT NULL, location TEXT NOT NULL,"
    "  start_us INTEGER NOT NULL, end_us INTEGER NOT NULL CHECK(end_us > start_us),"
    "  sequence INTEGER NOT NULL, status INTEGER NOT NULL) STRICT;"
    "INSERT INTO meeting_2 SELECT k.uid, k.organization_id, title, description, organizer, location, "
    "start_us,"
    "  end_us, sequence, status FROM meeting m JOIN meeting_key k ON k.old = m.uid;"
    "CREATE TABLE meeting_room_2("
    "  meeting TEXT NOT NULL REFERENCES meeting_2(uid) ON DELETE CASCADE, place INTEGER NOT NULL,"
    "  room TEXT NOT NULL, PRIMARY KEY(meeting, place)) STRICT;"
    "INSERT INTO meeting_room_2 SELECT k.uid, place, room FROM meeting_room l"
    "  JOIN meeting_key k ON k.old = l.meeting;"
    "DROP TABLE meeting_room;"
    "DROP TABLE meeting;"
    "ALTER TABLE meeting_2 RENAME TO meeting;"
    "ALTER TABLE meeting_room_2 RENAME TO meeting_room;"
    "CREATE INDEX meeting_by_organization ON meeting(organization_id);"
    "UPDATE seat SET meeting = (SELECT uid FROM meeting_key WHERE old = meeting)"
    "  WHERE meeting IN (SELECT old FROM meeting_key);"

    "CREATE TABLE administrator("
    "  id TEXT PRIMARY KEY, role TEXT NOT NULL CHECK(role IN ('operator', 'administrator', 'auditor')),"
    "  organization_id TEXT REFERENCES organization(id), name TEXT NOT NULL,"
    "  fingerprint BLOB NOT NULL CHECK(length(fingerprint) = 32)) STRICT;"
    "CREATE INDEX administrator_by_organization ON administrator(organization_id);"
    "CREATE TABLE community(id TEXT PRIMARY KEY, name TEXT NOT NULL, theme TEXT NOT NULL) STRICT;"
    "CREATE TABLE community_organization("
    "  community TEXT NOT NULL REFERENCES community(id) ON DELETE CASCADE,"
    "  organization_id TEXT NOT NULL REFERENCES organization(id) ON DELETE CASCADE,"
    "  PRIMARY KEY(community, organization_id)) STRICT;"
    "CREATE INDEX community_of_organization ON community_organization(organization_id);"
    "CREATE TABLE community_room("
    "  community TEXT NOT NULL REFERENCES community(id) ON DELETE CASCADE,"
    "  room TEXT NOT NULL REFERENCES room(id) ON DELETE CASCADE, PRIMARY KEY(community, room)) STRICT;"
    "CREATE INDEX community_of_room ON community_room(room);"
    "CREATE TABLE setting("
    "  scope TEXT NOT NULL CHECK(scope IN ('relay', 'organization', 'room')), scope_id TEXT NOT NULL,"
    "  key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(scope, scope_id, key)) STRICT;"

    /* The trail is only ever added to, each row bound to the one before. Its beginning moves on by
     * retention alone, which first says how far. */
    "CREATE TABLE audit_state("
    "  id INTEGER PRIMARY KEY CHECK(id = 1), first_seq INTEGER NOT NULL, first_prev BLOB NOT NULL,"
    "  head_seq INTEGER NOT NULL, head_hash BLOB NOT NULL) STRICT;"
    "INSERT INTO audit_state VALUES(1, 1, zeroblob(32), 0, zeroblob(32));"
    "CREATE TABLE audit_anchor("
    "  seq INTEGER PRIMARY KEY, hash BLOB NOT NULL CHECK(length(hash) = 32), wall_us INTEGER NOT NULL)"
    "  STRICT;"
    "CREATE TABLE audit("
    "  seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL, wall_us INTEGER NOT NULL, actor TEXT NOT NULL,"
    "  role TEXT NOT NULL, source TEXT NOT NULL, organization TEXT NOT NULL, object TEXT NOT NULL,"
    "  result TEXT NOT NULL CHECK(result IN ('ok', 'refused', 'failed')), detail TEXT NOT NULL,"
    "  prev BLOB NOT NULL CHECK(length(prev) = 32), hash BLOB NOT NULL CHECK(length(hash) = 32)) STRICT;"
    "CREATE INDEX audit_by_time ON audit(wall_us);"
    "CREATE INDEX audit_by_organization ON audit(organization, seq);"
    "CREATE TRIGGER audit_follows BEFORE INSERT ON audit WHEN NOT EXISTS (SELECT 1 FROM audit_state"
    "  WHERE NEW.seq = head_seq + 1 AND NEW.prev = head_hash)"
    "  BEGIN SELECT RAISE(ABORT, 'a row of the audit trail must follow the last'); END;"
    "CREATE TRIGGER audit_head AFTER INSERT ON audit"
    "  BEGIN UPDATE audit_state SET head_seq = NEW.seq, head_hash = NEW.hash; END;"
    "CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END;"
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit"
    "  WHEN OLD.seq >= (SELECT first_seq FROM audit_state)"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail is only shortened by its retention'); END;"
    "CREATE TRIGGER audit_state_forward BEFORE UPDATE ON audit_state"
    "  WHEN NEW.first_seq < OLD.first_seq OR NEW.head_seq < OLD.head_seq OR NEW.first_seq > NEW.head_seq + 1"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail only goes forward'); END;"
    "CREATE TRIGGER audit_state_kept BEFORE DELETE ON audit_state"
    "  BEGIN SELECT RAISE(ABORT, 'the audit trail only goes forward'); END;";

/* On whose word a room is in a meeting. What no organization may invite by itself now, an operator did, or
 * the relay before there were walls between organizations. */
static const char step_3[] =
    "ALTER TABLE meeting_room ADD COLUMN by_operator INTEGER NOT NULL DEFAULT 0;"
    "UPDATE meeting_room SET by_operator = 1 WHERE NOT EXISTS(SELECT 1 FROM meeting m JOIN room r"
    "  WHERE m.uid = meeting_room.meeting AND r.id = meeting_room.room"
    "  AND (r.organization_id = m.organization_id OR EXISTS(SELECT 1 FROM community_room c"
    "    JOIN community_organization o ON o.community = c.community"
    "    WHERE c.room = r.id AND o.organization_id = m.organization_id)));";

/* Each step leads from version N (its index) to N + 1. Steps are never edited once released: append. */
static const struct {
    const char *sql;
    int (*finish)(sqlite3 *);
} steps[] = {{step_1, NULL}, {step_2, kg_store_audit_take_events}, {step_3, NULL}};

int kg_store_schema_version(void)
{
    return (int)KG_ARRAY_LEN(steps);
}

const char *kg_store_schema_step(int from)
{
    return from >= 0 && from < kg_store_schema_version() ? steps[from].sql : NULL;
}

int kg_store_schema_finish(sqlite3 *db, int from)
{
    return steps[from].finish ? steps[from].finish(db) : SQLITE_OK;
}
