/* A relay that gives certificates, as a fake in the place of kg_est_exchange, and the folder of a device that
 * asks it. Its authority is real. Single-threaded: what is asked is answered at the next look. */
#pragma once

#include "unit/cmocka_all.h"

#include "app/est_exchange.h"
#include "app/identity_store.h"

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)

struct fake_est {
    EVP_PKEY *ca_key;
    X509 *ca;
    int64_t wall_s; /* when the test began */
    unsigned asked;
    enum kg_est_operation operation; /* last asked for */
    EVP_PKEY *asked_key;
    EVP_PKEY *signed_key; /* instead of the one asked for */
    enum kg_est_outcome outcome;
};
extern struct fake_est est;

/* The device's: its folder, its files in it, and settings that name them. */
extern char folder[64];
extern struct kg_terminal_settings settings;
extern const struct kg_identity_files files;

/* With the authority's certificate in the folder, and nothing else. */
bool fake_est_begin(void);
bool fake_est_end(void);
/* By the authority; the first one is its own. X509_free(). */
X509 *fake_est_sign(EVP_PKEY *key, int64_t begin_s, int64_t end_s);
/* A key and a certificate for it, put where the device has them. */
bool fake_est_put(EVP_PKEY *key, int64_t begin_s, int64_t end_s);
