/* kaigi-signer's work without its socket: judges one line, writes the serial down, signs. What was not
 * written to the log is not handed out. Times are passed in. Thread: one. Owns: the issuing key, the log, the
 * clock's floor. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "relay/problem.h"

struct kg_signer;

#define KG_SIGNER_LOG   "signed.log" /* one JSON object a line: appended to, never rewritten */
#define KG_SIGNER_CLOCK "clock"      /* the last believed time */

struct kg_signer_params {
    const char *folder;
    int64_t per_minute; /* signatures on average; five minutes' worth may come at once */
    int64_t build_s;    /* kg_clock_floor_build_s() */
};

/* NULL: *problem. */
struct kg_signer *kg_signer_create(const struct kg_signer_params *params, struct kg_problem *problem);
void kg_signer_destroy(struct kg_signer *signer);
uint64_t kg_signer_count(const struct kg_signer *signer);

/* The answer to one line (its end not counted), with its own end; free(). NULL: memory. now_us: monotonic;
 * now_s: wall clock. */
char *kg_signer_answer(struct kg_signer *signer, const char *line, size_t size, const struct ucred *peer,
                       int64_t now_us, int64_t now_s);
