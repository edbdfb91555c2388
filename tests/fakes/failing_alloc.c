#include "fakes/failing_alloc.h"

#include <stdint.h>

#include "unit/cmocka_all.h"

enum { MAX_LIVE = 4096, MAX_ALLOCATIONS = 5000 };

/* The names that --wrap gives the real ones, and ours. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

/* What a library allocated and ours frees is not among them, and is not counted. */
static uintptr_t live[MAX_LIVE];
static size_t live_count;
static unsigned left;
static bool struck;

static bool strikes(void)
{
    if (left == 0 || --left > 0)
        return false;
    struck = true;
    return true;
}

static void *note(void *memory)
{
    if (memory && live_count == MAX_LIVE)
        fail_msg("more than %d allocations live", MAX_LIVE);
    if (memory)
        live[live_count++] = (uintptr_t)memory;
    return memory;
}

static void forget(uintptr_t memory)
{
    for (size_t i = live_count; i > 0; i--) {
        if (live[i - 1] != memory)
            continue;
        live[i - 1] = live[--live_count];
        return;
    }
}

void *__wrap_malloc(size_t size)
{
    return strikes() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return strikes() ? NULL : note(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (strikes())
        return NULL;
    uintptr_t old = (uintptr_t)memory;
    void *moved = __real_realloc(memory, size);
    if (moved)
        forget(old);
    return note(moved);
}

char *__wrap_strdup(const char *text)
{
    return strikes() ? NULL : note(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    forget((uintptr_t)memory);
    __real_free(memory);
}

void *kg_failing_malloc(size_t size)
{
    return __wrap_malloc(size);
}

void kg_failing_free(void *memory)
{
    __wrap_free(memory);
}

void kg_failing_alloc_arm(unsigned nth)
{
    left = nth;
    struck = false;
}

bool kg_failing_alloc_struck(void)
{
    return struck;
}

size_t kg_failing_alloc_live(void)
{
    return live_count;
}

unsigned kg_failing_alloc_each(const char *name, kg_failing_alloc_attempt *attempt)
{
    for (unsigned nth = 1; nth < MAX_ALLOCATIONS; nth++) {
        size_t before = live_count;
        kg_failing_alloc_arm(nth);
        bool done = attempt();
        bool failed = struck;
        kg_failing_alloc_arm(0);
        if (live_count != before)
            fail_msg("%s: %zu allocations left when the %uth fails", name, live_count - before, nth);
        if (!failed && !done)
            fail_msg("%s: fails with all the memory it wants", name);
        if (failed && done)
            fail_msg("%s: says it is done, without its %uth allocation", name, nth);
        if (!failed)
            return nth - 1;
    }
    fail_msg("%s: no end of allocations", name);
    return 0;
}
