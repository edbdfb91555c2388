#include "app/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static bool read_all(int fd, size_t max, char **data, size_t *size)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    if (info.st_size < 0 || (size_t)info.st_size > max) {
        errno = EFBIG;
        return false;
    }
    size_t length = (size_t)info.st_size;
    char *text = malloc(length + 1);
    if (!text)
        return false;
    size_t at = 0;
    while (at < length) {
        ssize_t n = read(fd, text + at, length - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    text[at] = '\0';
    *data = text;
    *size = at;
    return true;
}

enum kg_state_file_result kg_state_file_read(const char *folder, const char *name, size_t max, char **data,
                                             size_t *size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return KG_STATE_FILE_ABSENT;
    bool ok = fd >= 0 && read_all(fd, max, data, size);
    if (!ok)
        kg_log(KG_LOG_ERROR, "app", "app.state-unreadable",
               "%s: %m; give this user the folder ([state] folder) to read and write", path);
    if (fd >= 0)
        close(fd);
    return ok ? KG_STATE_FILE_OK : KG_STATE_FILE_FAILED;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return fsync(fd) == 0;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fsync(fd) != 0)
        kg_log(KG_LOG_WARN, "app", NULL, "%s: %m", folder);
    close(fd);
}

bool kg_state_file_write(const char *folder, const char *name, const void *data, size_t size)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(fresh, sizeof fresh, "%s/.%s.new", folder, name);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        goto fail;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        goto fail;
    bool written = write_all(fd, data, size);
    if (close(fd) != 0 || !written || rename(fresh, path) != 0) {
        int error = errno;
        unlink(fresh);
        errno = error;
        goto fail;
    }
    sync_folder(folder);
    return true;
fail:
    kg_log(KG_LOG_ERROR, "app", "app.state-not-saved",
           "%s: %m; give this user the folder ([state] folder) to write, and free its disk", path);
    return false;
}

void kg_state_file_spoil(const char *folder, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || close(fd) != 0)
        kg_log(KG_LOG_ERROR, "app", NULL, "%s: %m", path);
    sync_folder(folder);
}

int64_t kg_state_file_time_us(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &info) != 0)
        return 0;
    return (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000;
}
