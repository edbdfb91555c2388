/* The system's files for SQLite, with a test's word before each is opened, read or written. */
#pragma once

enum kg_hooked_what { KG_HOOKED_OPEN, KG_HOOKED_READ, KG_HOOKED_WRITE };
/* SQLITE_OK: go on; anything else is what SQLite gets instead. In the thread that uses the file. */
typedef int kg_hook(enum kg_hooked_what what, const char *name);

/* Makes it SQLite's default, until removed. Thread: the test's, before others start and after they end. */
void kg_hooked_vfs_install(kg_hook *hook);
void kg_hooked_vfs_remove(void);
