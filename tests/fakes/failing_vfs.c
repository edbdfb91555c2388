#include "fakes/failing_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 16, MAX_REGIONS = 8, NAME_BYTES = 256 };

/* A write the disk has not been told to keep yet. data NULL: a truncation to `at`. */
struct pending {
    size_t at, size;
    unsigned char *data;
};

struct bytes {
    unsigned char *data;
    size_t size, room;
};

struct file {
    char name[NAME_BYTES]; /* "": free, or nameless */
    bool used;
    struct bytes now, disk, kept;
    bool was_kept;
    struct pending *pending;
    size_t pending_count;
    void *regions[MAX_REGIONS];
};

struct handle {
    sqlite3_file base;
    struct file *file;
    bool delete_on_close;
};

static struct file files[MAX_FILES];
static enum kg_failing_kind kind;
static unsigned first, last, operations;
static bool failed, dead;
static sqlite3_vfs *host;

static void put(struct bytes *b, size_t at, const void *data, size_t size)
{
    if (at + size > b->size) {
        if (at + size > b->room) {
            b->room = 2 * (at + size);
            b->data = realloc(b->data, b->room);
        }
        memset(b->data + b->size, 0, at + size - b->size);
        b->size = at + size;
    }
    memcpy(b->data + at, data, size);
}

static void cut(struct bytes *b, size_t size)
{
    if (size < b->size)
        b->size = size;
}

static void copy(struct bytes *to, const struct bytes *from)
{
    cut(to, 0);
    if (from->size)
        put(to, 0, from->data, from->size);
}

static void add_pending(struct file *f, size_t at, const void *data, size_t size)
{
    f->pending = realloc(f->pending, (f->pending_count + 1) * sizeof *f->pending);
    struct pending *p = &f->pending[f->pending_count++];
    *p = (struct pending){.at = at, .size = size};
    if (data) {
        p->data = malloc(size ? size : 1);
        memcpy(p->data, data, size);
    }
}

static void drop_pending(struct file *f)
{
    for (size_t i = 0; i < f->pending_count; i++)
        free(f->pending[i].data);
    free(f->pending);
    f->pending = NULL;
    f->pending_count = 0;
}

static void apply(struct bytes *disk, const struct pending *p, size_t size)
{
    if (p->data)
        put(disk, p->at, p->data, size);
    else
        cut(disk, p->at);
}

static void drop_regions(struct file *f)
{
    for (int i = 0; i < MAX_REGIONS; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
}

static void drop_file(struct file *f)
{
    drop_pending(f);
    drop_regions(f);
    free(f->now.data);
    free(f->disk.data);
    struct bytes kept = f->kept;
    bool was_kept = f->was_kept;
    char name[NAME_BYTES];
    memcpy(name, f->name, sizeof name);
    *f = (struct file){.kept = kept, .was_kept = was_kept};
    /* Its place is its name's while an image holds it. */
    if (was_kept)
        memcpy(f->name, name, sizeof name);
}

static struct file *find(const char *name, bool make)
{
    for (int i = 0; i < MAX_FILES; i++) {
        if (name && (files[i].used || files[i].was_kept) && strcmp(files[i].name, name) == 0) {
            if (!files[i].used && !make)
                return NULL;
            files[i].used = true;
            return &files[i];
        }
    }
    for (int i = 0; i < MAX_FILES && make; i++) {
        if (!files[i].used && !files[i].was_kept) {
            files[i].used = true;
            snprintf(files[i].name, sizeof files[i].name, "%s", name ? name : "");
            return &files[i];
        }
    }
    assert(!make);
    return NULL;
}

/* Counts one operation; the code it must fail with, or SQLITE_OK. */
static int strike(bool is_write, int code)
{
    operations++;
    bool due = kind != KG_FAIL_NOTHING && operations >= first && operations <= last;
    if (kind == KG_FAIL_POWER && operations >= first)
        dead = true;
    if (dead) {
        failed = true;
        return SQLITE_IOERR;
    }
    if (!due || (kind == KG_FAIL_FULL && !is_write))
        return SQLITE_OK;
    failed = true;
    return kind == KG_FAIL_FULL ? SQLITE_FULL : code;
}

static int on_close(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    if (h->delete_on_close)
        drop_file(h->file);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *out, int size, sqlite3_int64 at)
{
    const struct bytes *b = &((struct handle *)base)->file->now;
    size_t have = (size_t)at < b->size ? b->size - (size_t)at : 0;
    if (dead)
        return SQLITE_IOERR_READ;
    if (have >= (size_t)size) {
        memcpy(out, b->data + at, (size_t)size);
        return SQLITE_OK;
    }
    if (have)
        memcpy(out, b->data + at, have);
    memset((char *)out + have, 0, (size_t)size - have);
    return SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 at)
{
    struct file *f = ((struct handle *)base)->file;
    int code = strike(true, SQLITE_IOERR_WRITE);
    /* The write the power went in may be half there. */
    if (code == SQLITE_OK || (kind == KG_FAIL_POWER && operations == first))
        add_pending(f, (size_t)at, data, (size_t)size);
    if (code == SQLITE_OK)
        put(&f->now, (size_t)at, data, (size_t)size);
    return code;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *f = ((struct handle *)base)->file;
    int code = strike(false, SQLITE_IOERR_TRUNCATE);
    if (code != SQLITE_OK)
        return code;
    cut(&f->now, (size_t)size);
    add_pending(f, (size_t)size, NULL, 0);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct file *f = ((struct handle *)base)->file;
    (void)flags;
    int code = strike(false, SQLITE_IOERR_FSYNC);
    if (code == SQLITE_OK) {
        for (size_t i = 0; i < f->pending_count; i++)
            apply(&f->disk, &f->pending[i], f->pending[i].size);
    }
    if (!dead)
        drop_pending(f);
    return code;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)((struct handle *)base)->file->now.size;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return dead ? SQLITE_IOERR_LOCK : SQLITE_OK;
}

static int on_check_lock(sqlite3_file *base, int *reserved)
{
    (void)base;
    *reserved = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int operation, void *arg)
{
    (void)base;
    (void)operation;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

/* As the usual file systems' VFS says: a write leaves the bytes beside it alone. */
static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct file *f = ((struct handle *)base)->file;
    assert(region < MAX_REGIONS);
    if (!f->regions[region] && extend)
        f->regions[region] = calloc(1, (size_t)size);
    *out = f->regions[region];
    return SQLITE_OK;
}

static int on_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    (void)base;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int on_shm_unmap(sqlite3_file *base, int delete_flag)
{
    if (delete_flag)
        drop_regions(((struct handle *)base)->file);
    return SQLITE_OK;
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
    .xUnlock = on_lock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out_flags)
{
    struct handle *h = (struct handle *)base;
    (void)vfs;
    *h = (struct handle){0};
    if (dead)
        return SQLITE_CANTOPEN;
    h->file = find(name, (flags & SQLITE_OPEN_CREATE) != 0);
    if (!h->file)
        return SQLITE_CANTOPEN;
    h->delete_on_close = !name || (flags & SQLITE_OPEN_DELETEONCLOSE);
    h->base.pMethods = &methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct file *f = find(name, false);
    (void)vfs;
    (void)sync_folder;
    if (dead)
        return SQLITE_IOERR_DELETE;
    if (f)
        drop_file(f);
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    *out = find(name, false) != NULL;
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return host->xRandomness(host, size, out);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    return host->xCurrentTime(host, out);
}

void kg_failing_vfs_install(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_BYTES - 1,
        .zName = "failing",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_path,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xCurrentTime = on_time,
    };
    host = sqlite3_vfs_find(NULL);
    sqlite3_vfs_register(&vfs, 1);
}

void kg_failing_vfs_reset(void)
{
    for (int i = 0; i < MAX_FILES; i++) {
        free(files[i].kept.data);
        files[i].kept = (struct bytes){0};
        files[i].was_kept = false;
        drop_file(&files[i]);
    }
    kg_failing_vfs_arm(KG_FAIL_NOTHING, 0, 0);
}

void kg_failing_vfs_arm(enum kg_failing_kind what, unsigned number, unsigned count)
{
    kind = what;
    first = number;
    last = count > ~0u - number ? ~0u : number + count - 1;
    operations = 0;
    failed = dead = false;
}

unsigned kg_failing_vfs_operations(void)
{
    return operations;
}

bool kg_failing_vfs_failed(void)
{
    return failed;
}

void kg_failing_vfs_reboot(enum kg_failing_survival survival)
{
    for (int i = 0; i < MAX_FILES; i++) {
        struct file *f = &files[i];
        for (size_t n = 0; n < f->pending_count; n++) {
            const struct pending *p = &f->pending[n];
            bool is_last = n + 1 == f->pending_count;
            if (survival == KG_SURVIVE_ALL || (survival == KG_SURVIVE_EVERY_OTHER && n % 2) ||
                (survival == KG_SURVIVE_TORN && !is_last))
                apply(&f->disk, p, p->size);
            else if (survival == KG_SURVIVE_TORN && p->data)
                apply(&f->disk, p, p->size / 2);
        }
        drop_pending(f);
        drop_regions(f);
        copy(&f->now, &f->disk);
    }
    kg_failing_vfs_arm(KG_FAIL_NOTHING, 0, 0);
}

void kg_failing_vfs_keep(void)
{
    for (int i = 0; i < MAX_FILES; i++) {
        files[i].was_kept = files[i].used;
        if (files[i].used)
            copy(&files[i].kept, &files[i].now);
    }
}

void kg_failing_vfs_go_back(void)
{
    for (int i = 0; i < MAX_FILES; i++) {
        struct file *f = &files[i];
        drop_file(f);
        if (!f->was_kept)
            continue;
        f->used = true;
        copy(&f->now, &f->kept);
        copy(&f->disk, &f->kept);
    }
    kg_failing_vfs_arm(KG_FAIL_NOTHING, 0, 0);
}
