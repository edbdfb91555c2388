#include "relay/store_db.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "relay/store_backup.h"
#include "relay/store_schema.h"
#include "relay/store_sql.h"

enum { BUSY_MS = 2000 };

enum kg_store_status kg_store_db_status(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return KG_STORE_OK;
    case SQLITE_FULL:
        return KG_STORE_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return KG_STORE_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return KG_STORE_CORRUPT;
    case SQLITE_CONSTRAINT:
        /* A trigger's refusal is not the change's fault: only the audit trail has triggers. */
        return code == SQLITE_CONSTRAINT_TRIGGER ? KG_STORE_FAILED : KG_STORE_REFUSED;
    default:
        return KG_STORE_FAILED;
    }
}

static int set_version(sqlite3 *db, int64_t version)
{
    char sql[80];
    snprintf(sql, sizeof sql, "UPDATE schema_version SET version = %lld", (long long)version);
    return kg_sql_exec(db, sql);
}

static int step_version(sqlite3 *db, int from)
{
    int code = kg_sql_exec(db, kg_store_schema_step(from));
    if (code == SQLITE_OK)
        code = kg_store_schema_finish(db, from);
    return code == SQLITE_OK ? set_version(db, from + 1) : code;
}

static int find_version(sqlite3 *db, int64_t *version)
{
    int code = kg_sql_exec(
        db, "CREATE TABLE IF NOT EXISTS schema_version(version INTEGER NOT NULL) STRICT;"
            "INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version)");
    return code == SQLITE_OK ? kg_sql_integer(db, "SELECT version FROM schema_version", version) : code;
}

/* All steps in one transaction: when the disk is full half-way, the release before can still use the store.
 */
static int migrate(sqlite3 *db, int64_t *version)
{
    int64_t known = -1;
    if (kg_sql_integer(db, "SELECT version FROM schema_version", &known) == SQLITE_OK &&
        known >= kg_store_schema_version()) {
        *version = known;
        return SQLITE_OK;
    }
    int code = kg_sql_exec(db, "BEGIN IMMEDIATE");
    if (code != SQLITE_OK)
        return code;
    code = find_version(db, version);
    while (code == SQLITE_OK && *version < kg_store_schema_version()) {
        code = step_version(db, (int)*version);
        *version += code == SQLITE_OK;
    }
    return kg_sql_end(db, code);
}

void kg_store_db_keep_log(sqlite3 *db)
{
    int on;
    sqlite3_wal_autocheckpoint(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on);
}

static int prepare(sqlite3 *db, int64_t *version)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    kg_store_db_keep_log(db);
    int code = kg_sql_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    if (code == SQLITE_OK)
        code = kg_sql_set_journal(db, "wal");
    if (code == SQLITE_OK)
        /* A damaged page may lie where no start-up query looks: find it while a copy can replace it. */
        code = kg_store_check_pages(db, true);
    if (code == SQLITE_OK)
        code = migrate(db, version);
    return code;
}

sqlite3 *kg_store_db_open(const char *path, enum kg_store_status *status, struct kg_problem *problem)
{
    sqlite3 *db = NULL;
    int64_t version = 0;
    mode_t before = umask(0077);
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = prepare(db, &version);
    umask(before);
    *status = kg_store_db_status(code);
    if (code != SQLITE_OK) {
        kg_problem_set(problem, "cannot use the store %s: %s (SQLite: %s)", path,
                       kg_store_status_text(*status), db ? sqlite3_errmsg(db) : "no memory");
    } else if (version > kg_store_schema_version()) {
        *status = KG_STORE_FAILED;
        kg_problem_set(problem,
                       "the store %s was written by a newer kaigi-relay (version %d, this one knows %d); "
                       "install that one, or restore an older backup",
                       path, (int)version, kg_store_schema_version());
    } else {
        return db;
    }
    sqlite3_close(db);
    return NULL;
}

sqlite3 *kg_store_db_open_reader(const char *path, enum kg_store_status *status)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(db, 1);
        sqlite3_busy_timeout(db, BUSY_MS);
        kg_store_db_keep_log(db);
        code = kg_sql_exec(db, "PRAGMA query_only = ON");
    }
    *status = kg_store_db_status(code);
    if (code == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

void kg_store_db_close(sqlite3 *db)
{
    sqlite3_close(db);
}
