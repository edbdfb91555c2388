/* A slot that holds the newest value only: a writer never waits, a reader never sees an old one (video
 * frames). Thread: any. Owns the value inside it, released with the function given at creation. */
#pragma once

struct kg_latest;

/* release: called on a value that is overwritten or left at destruction. NULL when memory is short. */
struct kg_latest *kg_latest_create(void (*release)(void *));
void kg_latest_destroy(struct kg_latest *latest);
/* Takes value, releasing an older one that nobody took. */
void kg_latest_put(struct kg_latest *latest, void *value);
/* The newest value, now the caller's, or NULL when none came since the last take. */
void *kg_latest_take(struct kg_latest *latest);
