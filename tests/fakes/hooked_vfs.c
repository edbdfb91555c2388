#include "fakes/hooked_vfs.h"

#include <sqlite3.h>
#include <stddef.h>

/* The system's own handle follows it in memory. */
struct handle {
    sqlite3_file base;
    const char *name; /* SQLite keeps it while the file is open; NULL: a nameless one */
};

static sqlite3_vfs *host, vfs;
static kg_hook *hook;

static sqlite3_file *real(sqlite3_file *base)
{
    return (sqlite3_file *)((struct handle *)base + 1);
}

static int on_close(sqlite3_file *base)
{
    return real(base)->pMethods->xClose(real(base));
}

static int on_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at)
{
    const char *name = ((struct handle *)base)->name;
    int code = name ? hook(KG_HOOKED_READ, name) : SQLITE_OK;
    return code == SQLITE_OK ? real(base)->pMethods->xRead(real(base), out, size, at) : code;
}

static int on_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 at)
{
    const char *name = ((struct handle *)base)->name;
    int code = name ? hook(KG_HOOKED_WRITE, name) : SQLITE_OK;
    return code == SQLITE_OK ? real(base)->pMethods->xWrite(real(base), data, size, at) : code;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return real(base)->pMethods->xTruncate(real(base), size);
}

static int on_sync(sqlite3_file *base, int flags)
{
    return real(base)->pMethods->xSync(real(base), flags);
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    return real(base)->pMethods->xFileSize(real(base), size);
}

static int on_lock(sqlite3_file *base, int level)
{
    return real(base)->pMethods->xLock(real(base), level);
}

static int on_unlock(sqlite3_file *base, int level)
{
    return real(base)->pMethods->xUnlock(real(base), level);
}

static int on_check_lock(sqlite3_file *base, int *reserved)
{
    return real(base)->pMethods->xCheckReservedLock(real(base), reserved);
}

static int on_control(sqlite3_file *base, int operation, void *arg)
{
    return real(base)->pMethods->xFileControl(real(base), operation, arg);
}

static int on_sector(sqlite3_file *base)
{
    return real(base)->pMethods->xSectorSize(real(base));
}

static int on_characteristics(sqlite3_file *base)
{
    return real(base)->pMethods->xDeviceCharacteristics(real(base));
}

static int on_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    return real(base)->pMethods->xShmMap(real(base), region, size, extend, out);
}

static int on_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    return real(base)->pMethods->xShmLock(real(base), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *base)
{
    real(base)->pMethods->xShmBarrier(real(base));
}

static int on_shm_unmap(sqlite3_file *base, int delete_flag)
{
    return real(base)->pMethods->xShmUnmap(real(base), delete_flag);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    struct handle *h = (struct handle *)base;
    (void)self;
    h->name = name;
    h->base.pMethods = NULL;
    int code = name ? hook(KG_HOOKED_OPEN, name) : SQLITE_OK;
    if (code == SQLITE_OK)
        code = host->xOpen(host, name, real(base), flags, out_flags);
    if (code == SQLITE_OK)
        h->base.pMethods = &methods;
    return code;
}

void kg_hooked_vfs_install(kg_hook *new_hook)
{
    hook = new_hook;
    host = sqlite3_vfs_find(NULL);
    vfs = *host;
    vfs.pNext = NULL;
    vfs.zName = "hooked";
    vfs.szOsFile = (int)sizeof(struct handle) + host->szOsFile;
    vfs.xOpen = on_open;
    sqlite3_vfs_register(&vfs, 1);
}

void kg_hooked_vfs_remove(void)
{
    sqlite3_vfs_unregister(&vfs);
    sqlite3_vfs_register(host, 1);
}
