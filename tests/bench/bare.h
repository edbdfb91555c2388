/* The machine's floor: a process that does nothing but TLS, with the relay's certificate and authorities,
 * asking for a client certificate as the relay does. What OpenSSL and the machine cost before anything of
 * Kaigi runs. Thread: any. Owns: the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kg_bare {
    pid_t pid;
    uint16_t port;
};

/* Runs this program again as `bare STATE`. false: said on stderr. */
bool kg_bare_start(struct kg_bare *bare, const char *state);
void kg_bare_stop(struct kg_bare *bare);
/* The process itself: writes its port to stdout, serves until stdin ends. Its exit status. */
int kg_bare_serve(const char *state);
