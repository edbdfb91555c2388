/* A disk in memory for SQLite, which fails when told to and forgets what was not synced when its power is
 * cut. Thread: the test's one; one connection to a file at a time (nothing locks). Owns: every file's bytes,
 * until kg_failing_vfs_reset. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum kg_failing_kind {
    KG_FAIL_NOTHING,
    KG_FAIL_FULL, /* writes: no space; nothing else fails */
    KG_FAIL_IO, /* writes, syncs and truncations: an I/O error. A failed sync's writes never reach the disk */
    KG_FAIL_POWER, /* everything from then on, until kg_failing_vfs_reboot */
};
/* What of the writes since the last sync has reached the disk when the power goes. */
enum kg_failing_survival {
    KG_SURVIVE_NONE,
    KG_SURVIVE_ALL,
    KG_SURVIVE_EVERY_OTHER,
    KG_SURVIVE_TORN,
    KG_SURVIVALS
};

/* Makes it SQLite's default. */
void kg_failing_vfs_install(void);
void kg_failing_vfs_reset(void);
/* From the number-th write, sync or truncation from now on (1: the next), `count` of them. */
void kg_failing_vfs_arm(enum kg_failing_kind kind, unsigned number, unsigned count);
/* Such operations since the last arm, and whether it has failed any. */
unsigned kg_failing_vfs_operations(void);
bool kg_failing_vfs_failed(void);
/* The power is back: connections from before are closed already. */
void kg_failing_vfs_reboot(enum kg_failing_survival survival);
/* All files as they are now, for going back to: one image. */
void kg_failing_vfs_keep(void);
void kg_failing_vfs_go_back(void);
