/* What a unix socket that carries lines needs at both its ends. Sockets are non-blocking; deadlines are
 * kg_clock_now_us's. Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/attr.h"

/* false: the path is longer than a socket's can be. */
KG_MUST_CHECK bool kg_unix_address(struct sockaddr_un *address, const char *path);
/* A living program listens there, however busy it is; a dead one's socket refuses. Never waits. */
KG_MUST_CHECK bool kg_unix_is_served(const struct sockaddr_un *address);
/* POLLIN or POLLOUT. false: not in time. */
KG_MUST_CHECK bool kg_unix_wait(int fd, short events, int64_t deadline_us);
/* The text with the line's end in it. false: not taken whole in time, or the other end went. */
KG_MUST_CHECK bool kg_unix_send(int fd, const char *text, int64_t deadline_us);
/* One line; *size does not count its end. false: it does not come in time, is longer than capacity, or the
 * other end went. */
KG_MUST_CHECK bool kg_unix_receive(int fd, char *line, size_t capacity, size_t *size, int64_t deadline_us);
/* For a caller that may not ask: says why as far as the socket takes it at once, and ends. Waits for nothing:
 * whoever opens connections in a row holds nobody up. Closes fd. */
void kg_unix_turn_away(int fd, const char *text);
