/* server.py for a group of tests: its listeners' ports and the certificates it made. */
#pragma once

#include <stdint.h>

int servers_start(void **state);
int servers_stop(void **state);
uint16_t servers_port(const char *listener);
/* In the folder of the certificates; good for the next 15 calls. */
const char *servers_file(const char *name);
