/* Short ways to one SQLite statement. Thread: the connection's. Integers returned are SQLite codes. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { KG_SQL_BLOB_BYTES = 32 }; /* every blob of the store is a SHA-256 */

struct kg_sql_value {
    char type; /* 't' text, NULL allowed; 'i' integer; 'b' blob, NULL allowed */
    int64_t integer;
    const void *data;
};
#define KG_SQL_TEXT(s)    ((struct kg_sql_value){.type = 't', .data = (s)})
#define KG_SQL_INTEGER(n) ((struct kg_sql_value){.type = 'i', .integer = (int64_t)(n)})
#define KG_SQL_HASH(p)    ((struct kg_sql_value){.type = 'b', .data = (p)})

/* Prepares and binds ?1, ?2, ... The statement is the caller's also when this fails. */
int kg_sql_prepare(sqlite3 *db, sqlite3_stmt **statement, const char *sql, const struct kg_sql_value *values,
                   int count);
/* Runs a statement that gives no rows. */
int kg_sql_run(sqlite3 *db, const char *sql, const struct kg_sql_value *values, int count);
#define KG_SQL_RUN(db, sql, ...)                                                                             \
    kg_sql_run(db, sql, (const struct kg_sql_value[]){__VA_ARGS__},                                          \
               (int)(sizeof((const struct kg_sql_value[]){__VA_ARGS__}) / sizeof(struct kg_sql_value)))
/* Several statements without values. */
int kg_sql_exec(sqlite3 *db, const char *sql);
/* The first column of the first row; SQLITE_DONE: there is none. */
int kg_sql_integer(sqlite3 *db, const char *sql, int64_t *value);
/* "wal" or "delete"; SQLite itself keeps quiet when it cannot change it. */
int kg_sql_set_journal(sqlite3 *db, const char *mode);
/* All of it in the one file, and no log beside that could be left behind. */
int kg_sql_make_one_file(sqlite3 *db);
/* Ends a transaction begun with BEGIN: COMMIT when code is SQLITE_OK, otherwise ROLLBACK. */
int kg_sql_end(sqlite3 *db, int code);

/* A copy; NULL: NULL or memory. */
char *kg_sql_text_at(sqlite3_stmt *statement, int column);
/* false: no blob of that size. */
bool kg_sql_hash_at(sqlite3_stmt *statement, int column, void *out);
