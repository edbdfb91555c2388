#include "relay/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

bool kg_store_give_to_owner(int fd, const char *path)
{
    char folder[PATH_BYTES];
    struct stat st;
    if (geteuid() != 0)
        return true;
    snprintf(folder, sizeof folder, "%s", path);
    return stat(dirname(folder), &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0;
}

bool kg_store_copy_file(const char *from, const char *to)
{
    char block[65536];
    ssize_t n = 0;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in >= 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    bool ok = out >= 0 && kg_store_give_to_owner(out, to);
    while (ok && (n = read(in, block, sizeof block)) > 0) {
        ssize_t written = write(out, block, (size_t)n);
        ok = written == n;
        if (!ok && written >= 0)
            errno = ENOSPC;
    }
    ok = ok && n == 0 && fsync(out) == 0;
    int why = errno;
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
    errno = why;
    return ok;
}
