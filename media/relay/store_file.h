/* Files of the state folder, copied whole and made for its owner. Thread: any. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

/* Synced, mode 0600, and for the folder's owner, so that what root restores is still the relay's. A link at
 * `to` is not followed. false: errno says why; what is at `to` is no copy. */
KG_MUST_CHECK bool kg_store_copy_file(const char *from, const char *to);
/* Root gives an open file to its folder's owner; nobody else does anything. false: errno says why. */
KG_MUST_CHECK bool kg_store_give_to_owner(int fd, const char *path);
