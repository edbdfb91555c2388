/* Devices that wait to be let in: their requests, found by code, until somebody approves or refuses them, and
 * the certificates until they are fetched. In memory only: a restarted relay is asked again. Strangers fill
 * this table, so everything in it is capped, expires and is rate-limited. Pure: times are passed in
 * (kg_clock_now_us). Thread: control. Owns: its entries. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "net/est.h"

enum {
    KG_ENROLMENT_MAX = 256,
    KG_ENROLMENT_PER_SOURCE = 8,
    KG_ENROLMENT_SOURCES = 512, /* whose pace is remembered */
    KG_ENROLMENT_RETRY_S = 10,
};
#define KG_ENROLMENT_LIFE_US                                                                                 \
    (INT64_C(30) * 60 * 1000000) /* to be approved in; again, to fetch the certificate in */
#define KG_ENROLMENT_FETCH_US (INT64_C(60) * 1000000) /* once fetched: for an answer that was lost */
#define KG_ENROLMENT_REFUSE_US                                                                               \
    (INT64_C(5) * 60 * 1000000) /* a refusal is told for so long, unless its place is needed */

/* Where a request comes from: an IPv4 address, or the /64 of an IPv6 one (a host may take any address in it).
 */
struct kg_enrolment_source {
    uint8_t network[8];
    char text[46]; /* the whole address */
};
void kg_enrolment_source_of(const struct sockaddr *address, struct kg_enrolment_source *source);

enum kg_enrolment_state {
    KG_ENROLMENT_WAITING,  /* for a person */
    KG_ENROLMENT_READY,    /* the certificate can be fetched */
    KG_ENROLMENT_REJECTED, /* a person said no */
};

struct kg_enrolment_entry {
    uint8_t hash[KG_EST_HASH_BYTES]; /* of the device's public key */
    char code[KG_EST_CODE_SIZE];
    char serial[KG_EST_SERIAL_SIZE]; /* as the device tells it */
    struct kg_enrolment_source source;
    uint8_t *request; /* PKCS#10 in DER */
    size_t request_size;
    enum kg_enrolment_state state;
    char *certificate; /* PEM; READY */
    int64_t since_us, until_us;
    bool fetched;
};

struct kg_enrolment;
/* NULL: memory. */
KG_MUST_CHECK struct kg_enrolment *kg_enrolment_create(void);
void kg_enrolment_destroy(struct kg_enrolment *enrolment);

/* May this source be listened to now? Asked before a request is read: one a second for each source (bursts of
 * 10), 30 a second in all (bursts of 60). false: *retry_s says when. */
KG_MUST_CHECK bool kg_enrolment_allow(struct kg_enrolment *enrolment,
                                      const struct kg_enrolment_source *source, int64_t now_us,
                                      unsigned *retry_s);

enum kg_enrolment_result {
    KG_ENROLMENT_ADDED,       /* a new one */
    KG_ENROLMENT_KNOWN,       /* the same key again: *entry says what became of it */
    KG_ENROLMENT_FULL,        /* nothing was added, as for the following */
    KG_ENROLMENT_SOURCE_FULL, /* this source has too many */
    KG_ENROLMENT_NO_MEMORY,
};
struct kg_enrolment_request {
    const uint8_t *hash; /* KG_EST_HASH_BYTES of its key */
    const char *serial;
    const uint8_t *der;
    size_t der_size;
    const struct kg_enrolment_source *source;
};
/* What a device asks. Copies. A key that is known keeps its place, its source, its time and its first
 * request. *entry (NULL when nothing was added) lives until the next call that is not const. A READY one that
 * is told here counts as fetched. */
enum kg_enrolment_result kg_enrolment_post(struct kg_enrolment *enrolment,
                                           const struct kg_enrolment_request *request, int64_t now_us,
                                           const struct kg_enrolment_entry **entry);

/* Those of this code that wait; their number (two: some key was made to match). *entry: the first. */
size_t kg_enrolment_find(struct kg_enrolment *enrolment, const char *code, int64_t now_us,
                         const struct kg_enrolment_entry **entry);
/* May this key be approved: it waits, and no other waits with its code? */
KG_MUST_CHECK bool kg_enrolment_may_approve(struct kg_enrolment *enrolment,
                                            const uint8_t hash[KG_EST_HASH_BYTES], int64_t now_us);
/* Approved: its certificate (PEM, copied) can be fetched for 30 minutes. false: it does not wait any more, or
 * memory. */
KG_MUST_CHECK bool kg_enrolment_approve(struct kg_enrolment *enrolment, const uint8_t hash[KG_EST_HASH_BYTES],
                                        const char *certificate, int64_t now_us);
/* Every waiting key of this code; their number. */
size_t kg_enrolment_reject(struct kg_enrolment *enrolment, const char *code, int64_t now_us);

/* The i-th entry in order of arrival; NULL: there are fewer. */
const struct kg_enrolment_entry *kg_enrolment_at(const struct kg_enrolment *enrolment, size_t i);
/* Forgets what is over. */
void kg_enrolment_expire(struct kg_enrolment *enrolment, int64_t now_us);
