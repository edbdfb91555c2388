#include "relay/admin_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/admin.h"
#include "relay/unix_socket.h"

static bool name_socket(const char *state, char *path, size_t size, struct sockaddr_un *address,
                        struct kg_problem *problem)
{
    int n = snprintf(path, size, "%s/%s", state, KG_ADMIN_SOCKET);
    if (n < 0 || (size_t)n >= size || !kg_unix_address(address, path)) {
        path[0] = '\0';
        return kg_problem_set(problem,
                              "the state folder's path %s is too long for a socket (%zu bytes with its name)",
                              state, sizeof address->sun_path - 1);
    }
    return true;
}

int kg_admin_socket_open(const char *state, char *path, size_t size, struct kg_problem *problem)
{
    struct sockaddr_un address;
    if (!name_socket(state, path, size, &address, problem))
        return -1;
    if (kg_unix_is_served(&address)) {
        kg_problem_set(problem, "another kaigi-relay is using the state folder %s", state);
        return -1;
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int error = errno;
    umask(before);
    if (ok && listen(fd, 8) == 0)
        return fd;
    kg_problem_set(problem, "cannot open %s: %s", path, strerror(ok ? errno : error));
    if (fd >= 0)
        close(fd);
    return -1;
}
