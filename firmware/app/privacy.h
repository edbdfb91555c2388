/* Whether the microphone and the camera are off, kept over restarts. Fails closed: what cannot be read counts
 * as off, and what cannot be written is spoilt so that the next start finds it unreadable.
 * Thread: the caller's (file I/O of a few bytes). */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct kg_privacy {
    bool microphone_off, camera_off;
};

/* folder: the state folder. A folder without the file is a first start: both on. Anything else that does not
 * read as written by kg_privacy_save: both off (logged). */
struct kg_privacy kg_privacy_load(const char *folder);
/* Whole or not at all, and on the disk when it returns. false (logged): not saved; the next start finds both
 * off wherever that can still be brought about. */
KG_MUST_CHECK bool kg_privacy_save(const char *folder, const struct kg_privacy *privacy);
