/* Random bytes from the kernel: keys' ids, SSRCs, ufrags, tokens. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills data; ends the process if the kernel gives none (nothing here is safe without). */
void kg_random_bytes(void *data, size_t size);
uint32_t kg_random_u32(void);
/* Writes size-1 characters of [A-Za-z0-9] (5.95 bits each, unbiased) and a final NUL. */
void kg_random_text(char *text, size_t size);
