#include "relay/unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

bool kg_unix_address(struct sockaddr_un *address, const char *path)
{
    size_t size = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (size >= sizeof address->sun_path)
        return false;
    memcpy(address->sun_path, path, size + 1);
    return true;
}

bool kg_unix_is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* EAGAIN: its queue of connections is full, so there is a queue. */
    bool served =
        fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return served;
}

bool kg_unix_wait(int fd, short events, int64_t deadline_us)
{
    struct pollfd watched = {.fd = fd, .events = events};
    int count;
    do {
        int64_t left_us = deadline_us - kg_clock_now_us();
        if (left_us <= 0)
            return false;
        count = poll(&watched, 1, (int)(left_us / 1000 + 1));
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

bool kg_unix_send(int fd, const char *text, int64_t deadline_us)
{
    size_t size = strlen(text);
    for (size_t done = 0; done < size;) {
        if (!kg_unix_wait(fd, POLLOUT, deadline_us))
            return false;
        ssize_t sent = send(fd, text + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        done += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

bool kg_unix_receive(int fd, char *line, size_t capacity, size_t *size, int64_t deadline_us)
{
    for (*size = 0; *size < capacity && kg_unix_wait(fd, POLLIN, deadline_us);) {
        ssize_t got = recv(fd, line + *size, capacity - *size, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (got < 0)
            continue;
        char *end = memchr(line + *size, '\n', (size_t)got);
        *size += (size_t)got;
        if (end) {
            *size = (size_t)(end - line);
            return true;
        }
    }
    return false;
}

void kg_unix_turn_away(int fd, const char *text)
{
    char unread[4096];
    ssize_t ignored = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
    shutdown(fd, SHUT_RDWR);
    /* A socket closed on unread bytes resets the other end. After the shutdown no more can come. */
    while (recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0) {
    }
    close(fd);
}
