/* An administrator's connection to the relay's TLS port, as kaigi-ctl --relay has one: one request, then its
 * answer. Thread: the caller's, who waits. Owns: the connection. The relay's certificate is not verified. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct kg_bench_afar;

/* With an operator's certificate, made by the verbs. NULL: said on stderr. */
struct kg_bench_afar *kg_bench_afar_open(const char *state, uint16_t port);
void kg_bench_afar_close(struct kg_bench_afar *afar);
/* Takes the request; it must be "ok". *took_us from the first byte sent to the last received. */
bool kg_bench_afar_must(struct kg_bench_afar *afar, json_t *request, int64_t *took_us);
