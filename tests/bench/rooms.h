/* What the bench asks of a relay through its unix socket, and the rooms it is filled with.
 * Thread: any; each call opens a connection of its own, as kaigi-ctl does. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/crowd.h"

/* Takes the request. The answer, *took_us from connecting until its last byte; NULL: none came (said on
 * stderr). */
json_t *kg_bench_ask(const char *state, json_t *request, int64_t *took_us);
/* The same, and it must be "ok". */
bool kg_bench_must(const char *state, json_t *request, int64_t *took_us);

/* Two organizations and `count` rooms with a key and a signed certificate each, by the verbs and the signer
 * as users have them. NULL: said on stderr. */
struct kg_bench_room *kg_bench_rooms_make(const char *state, size_t count);
void kg_bench_rooms_destroy(struct kg_bench_room *rooms, size_t count);
/* An operator with a key and a signed certificate, in a room's place. false: said on stderr. */
bool kg_bench_operator_make(const char *state, struct kg_bench_room *who);
/* `meetings` of four rooms each, spread over the rooms and the coming days, in one calendar; free(). */
char *kg_bench_calendar(size_t rooms, size_t meetings, unsigned round);
