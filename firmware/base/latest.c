#include "base/latest.h"

#include <stdatomic.h>
#include <stdlib.h>

struct kg_latest {
    _Atomic(void *) value;
    void (*release)(void *);
};

struct kg_latest *kg_latest_create(void (*release)(void *))
{
    struct kg_latest *latest = calloc(1, sizeof *latest);
    if (latest)
        latest->release = release;
    return latest;
}

void kg_latest_put(struct kg_latest *latest, void *value)
{
    void *old = atomic_exchange(&latest->value, value);
    if (old)
        latest->release(old);
}

void *kg_latest_take(struct kg_latest *latest)
{
    return atomic_exchange(&latest->value, NULL);
}

void kg_latest_destroy(struct kg_latest *latest)
{
    if (!latest)
        return;
    kg_latest_put(latest, NULL);
    free(latest);
}
