/* Small files in the state folder, replaced as a whole: a power cut leaves the old or the new one.
 * Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum kg_state_file_result { KG_STATE_FILE_OK, KG_STATE_FILE_ABSENT, KG_STATE_FILE_FAILED };

/* The whole file, NUL-terminated, to be freed with free(). FAILED (logged): unreadable or over max bytes. */
KG_MUST_CHECK enum kg_state_file_result kg_state_file_read(const char *folder, const char *name, size_t max,
                                                           char **data, size_t *size);
/* Mode 0600; makes the folder (0700) when it is missing. false (logged): the old content stands. */
KG_MUST_CHECK bool kg_state_file_write(const char *folder, const char *name, const void *data, size_t size);
/* Empties the file in place, or makes an empty one: the last resort where nothing can be written. */
void kg_state_file_spoil(const char *folder, const char *name);
/* Wall time of the last write; 0: there is no such file. */
int64_t kg_state_file_time_us(const char *folder, const char *name);
