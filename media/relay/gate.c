#include "relay/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

struct kg_gate {
    struct kg_mutex mutex;
    struct kg_gate_key *keys; /* sorted */
    size_t count;
};

static int by_fingerprint(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct kg_gate_key));
}

struct kg_gate *kg_gate_create(void)
{
    struct kg_gate *gate = calloc(1, sizeof *gate);
    if (gate)
        kg_mutex_init(&gate->mutex);
    return gate;
}

void kg_gate_destroy(struct kg_gate *gate)
{
    if (!gate)
        return;
    kg_mutex_finish(&gate->mutex);
    free(gate->keys);
    free(gate);
}

static bool has(const struct kg_gate_key *keys, size_t count, const uint8_t *fingerprint)
{
    return count > 0 && bsearch(fingerprint, keys, count, sizeof *keys, by_fingerprint);
}

bool kg_gate_replace(struct kg_gate *gate, struct kg_gate_key *keys, size_t count)
{
    if (count > 0)
        qsort(keys, count, sizeof *keys, by_fingerprint);
    kg_mutex_lock(&gate->mutex);
    struct kg_gate_key *old = gate->keys;
    size_t old_count = gate->count;
    gate->keys = keys;
    gate->count = count;
    kg_mutex_unlock(&gate->mutex);
    bool fewer = false;
    for (size_t i = 0; i < old_count && !fewer; i++)
        fewer = !has(keys, count, old[i].fingerprint);
    free(old);
    return fewer;
}

bool kg_gate_admits(struct kg_gate *gate, const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    kg_mutex_lock(&gate->mutex);
    bool admitted = has(gate->keys, gate->count, fingerprint);
    kg_mutex_unlock(&gate->mutex);
    return admitted;
}
