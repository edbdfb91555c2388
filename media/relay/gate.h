/* Whose certificate opens a media tunnel now, for threads that must not wait for control: the fingerprints of
 * every room's valid certificates. Control replaces the whole set when its directory changes.
 * Thread: any. Owns: its copy. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/ca.h"

struct kg_gate;

struct kg_gate_key {
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
};

/* Admits nobody. NULL: memory. */
struct kg_gate *kg_gate_create(void);
void kg_gate_destroy(struct kg_gate *gate);
/* Takes keys (malloc'ed, or NULL with count 0). true: somebody who was admitted is not any more. */
bool kg_gate_replace(struct kg_gate *gate, struct kg_gate_key *keys, size_t count);
bool kg_gate_admits(struct kg_gate *gate, const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES]);
