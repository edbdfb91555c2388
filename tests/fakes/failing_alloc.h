/* Memory that runs short on purpose. A program linked with kg_failing_alloc (its CMakeLists.txt) allocates
 * through this: the objects linked into it, by the linker's --wrap; libraries only as far as they are told
 * to. Thread: one, the test's. Owns: nothing; it only counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The nth allocation from now on fails (1: the next), once; 0: none does. */
void kg_failing_alloc_arm(unsigned nth);
/* Whether it has failed since. */
bool kg_failing_alloc_struck(void);
/* Allocations not yet freed. */
size_t kg_failing_alloc_live(void);

/* Does what it is about from beginning to end, leaving nothing behind. false: it said that it could not. */
typedef bool kg_failing_alloc_attempt(void);
/* Repeats the attempt with its 1st, 2nd, 3rd ... allocation failing, until it succeeds with enough memory.
 * Fails the (cmocka) test when one leaks, or succeeds without what it asked for. Returns how many allocations
 * it has. */
unsigned kg_failing_alloc_each(const char *name, kg_failing_alloc_attempt *attempt);

/* For libraries that let one choose. */
void *kg_failing_malloc(size_t size);
void kg_failing_free(void *memory);
