/* When the room's certificate is to be renewed: from two thirds of its life, the rooms of a day spread; after
 * a failure again within the hour; and from when home is to say that it ends. Pure: no I/O, no clock; logs
 * what came of it. Thread: the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/est_reply.h"
#include "app/identity_store.h"

#define KG_RENEWAL_RETRY_S  (INT64_C(3600))
#define KG_RENEWAL_WARN_S   (INT64_C(14) * 86400)
#define KG_RENEWAL_SPREAD_S (INT64_C(86400))

enum { KG_RENEWAL_DATE_SIZE = 32 };

struct kg_renewal {
    struct kg_identity_times times; /* of the certificate in use; zeroed: there is none to renew */
    int64_t due_s;                  /* wall */
    int64_t not_before_us;          /* monotonic: after a failure */
    bool asking;
    unsigned failures;
    uint32_t random;
};

void kg_renewal_init(struct kg_renewal *r, uint32_t seed);
/* The certificate in use, at start and after each change. */
void kg_renewal_certificate(struct kg_renewal *r, const struct kg_identity_times *times);
/* true: ask now, and tell with kg_renewal_answered what came of it. A certificate that has expired cannot ask
 * any more. */
bool kg_renewal_next(struct kg_renewal *r, int64_t now_us, int64_t wall_us);
/* renewed: the new certificate is on disk (kg_renewal_certificate follows). */
void kg_renewal_answered(struct kg_renewal *r, bool renewed, const struct kg_est_reply *reply,
                         int64_t now_us);
/* "2026-12-01 03:04 UTC", for logs. Returns text. */
const char *kg_renewal_date(int64_t wall_s, char text[KG_RENEWAL_DATE_SIZE]);
/* Wall time (us) of an end that home is to tell of; 0: nothing to tell. */
int64_t kg_renewal_end_us(const struct kg_renewal *r, int64_t wall_us);
