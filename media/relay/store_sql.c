#include "relay/store_sql.h"

#include <stdio.h>
#include <string.h>

int kg_sql_prepare(sqlite3 *db, sqlite3_stmt **statement, const char *sql, const struct kg_sql_value *values,
                   int count)
{
    int code = sqlite3_prepare_v2(db, sql, -1, statement, NULL);
    for (int i = 0; i < count && code == SQLITE_OK; i++) {
        if (values[i].type == 'i')
            code = sqlite3_bind_int64(*statement, i + 1, values[i].integer);
        else if (!values[i].data)
            code = sqlite3_bind_null(*statement, i + 1);
        else if (values[i].type == 'b')
            code = sqlite3_bind_blob(*statement, i + 1, values[i].data, KG_SQL_BLOB_BYTES, SQLITE_STATIC);
        else
            code = sqlite3_bind_text(*statement, i + 1, values[i].data, -1, SQLITE_STATIC);
    }
    return code;
}

int kg_sql_run(sqlite3 *db, const char *sql, const struct kg_sql_value *values, int count)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, sql, values, count);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int kg_sql_exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int kg_sql_integer(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int code = kg_sql_prepare(db, &statement, sql, NULL, 0);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

int kg_sql_set_journal(sqlite3 *db, const char *mode)
{
    char sql[48];
    sqlite3_stmt *statement = NULL;
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", mode);
    int code = kg_sql_prepare(db, &statement, sql, NULL, 0);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const char *now = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool changed = now && strcmp(now, mode) == 0;
    sqlite3_finalize(statement);
    if (changed)
        return SQLITE_OK;
    /* Any write says why, a full disk for one. */
    if (code == SQLITE_ROW)
        code = kg_sql_exec(db, "PRAGMA user_version = 0");
    return code == SQLITE_OK ? SQLITE_IOERR : code;
}

int kg_sql_make_one_file(sqlite3 *db)
{
    int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? kg_sql_set_journal(db, "delete") : code;
}

int kg_sql_end(sqlite3 *db, int code)
{
    if (code == SQLITE_OK)
        code = kg_sql_exec(db, "COMMIT");
    /* Some failures have rolled back by themselves already; asking again then only says so. */
    if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
        kg_sql_exec(db, "ROLLBACK");
    return code;
}

char *kg_sql_text_at(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? strdup((const char *)text) : NULL;
}

bool kg_sql_hash_at(sqlite3_stmt *statement, int column, void *out)
{
    const void *data = sqlite3_column_blob(statement, column);
    if (!data || sqlite3_column_bytes(statement, column) != KG_SQL_BLOB_BYTES)
        return false;
    memcpy(out, data, KG_SQL_BLOB_BYTES);
    return true;
}
