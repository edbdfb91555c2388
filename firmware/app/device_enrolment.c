#include "app/device_enrolment.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/device_serial.h"
#include "app/est_exchange.h"
#include "app/identity_store.h"
#include "app/room_enrolment.h"
#include "app/room_identity.h"
#include "base/clock_floor.h"
#include "base/log.h"
#include "base/random.h"
#include "net/identity.h"

#define LOOK_US INT64_C(2000000) /* whether somebody has put a certificate there */

struct kg_device_enrolment {
    const struct kg_terminal_settings *settings;
    struct kg_identity_files files;
    struct kg_est_exchange *exchange;
    struct kg_room_enrolment machine;
    struct kg_clock_floor clock;
    char serial[KG_EST_SERIAL_SIZE];
    EVP_PKEY *key; /* NULL: none is made */
    int64_t look_us;
    struct kg_room_state state;
};

static struct kg_identity_files files_of(const struct kg_terminal_settings *settings)
{
    return (struct kg_identity_files){settings->identity_key_file, settings->identity_certificate_file};
}

bool kg_device_enrolment_is_needed(const struct kg_terminal_settings *settings)
{
    const struct kg_identity_files files = files_of(settings);
    struct kg_identity_times times;
    kg_identity_store_recover(&files);
    return kg_identity_store_look(&files, &times) == KG_IDENTITY_NONE;
}

struct kg_device_enrolment *kg_device_enrolment_create(const struct kg_terminal_settings *settings,
                                                       void (*wake)(void), int64_t now_us)
{
    struct kg_device_enrolment *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->settings = settings;
    e->files = files_of(settings);
    e->exchange = kg_est_exchange_create(settings, wake);
    if (!e->exchange) {
        free(e);
        return NULL;
    }
    char path[1024];
    bool fits = (size_t)snprintf(path, sizeof path, "%s/clock", settings->state_folder) < sizeof path;
    kg_clock_floor_open(&e->clock, fits ? path : "", kg_clock_floor_build_s());
    kg_room_enrolment_init(&e->machine, kg_random_u32(), now_us);
    kg_device_serial("", e->serial);
    kg_room_state_init(&e->state);
    e->state.screen = KG_SCREEN_ENROLMENT;
    e->look_us = now_us + LOOK_US;
    kg_room_text_set(e->state.enrolment.serial, sizeof e->state.enrolment.serial, e->serial);
    kg_room_text_set(e->state.enrolment.relay, sizeof e->state.enrolment.relay, settings->relay_host);
    kg_log(KG_LOG_INFO, "app", "app.enrolment",
           "there is no certificate (%s): this device asks to be enrolled",
           settings->identity_certificate_file);
    return e;
}

void kg_device_enrolment_destroy(struct kg_device_enrolment *e)
{
    if (!e)
        return;
    kg_est_exchange_destroy(e->exchange);
    EVP_PKEY_free(e->key);
    free(e);
}

/* --- asking --------------------------------------------------------------------------------------------- */

static void make_key(struct kg_device_enrolment *e, int64_t now_us)
{
    uint8_t hash[KG_EST_HASH_BYTES];
    char code[KG_EST_CODE_SIZE];
    struct kg_room_enrolment_page *page = &e->state.enrolment;
    EVP_PKEY_free(e->key);
    e->key = EVP_EC_gen("P-256");
    bool made = e->key && kg_est_key_hash(e->key, hash);
    kg_room_enrolment_keyed(&e->machine, made, now_us);
    if (!made) {
        kg_log(KG_LOG_ERROR, "app", NULL, "no key could be made");
        return;
    }
    memset(page->code, 0, sizeof page->code);
    memset(page->key, 0, sizeof page->key);
    kg_est_code(hash, code);
    kg_est_code_text(code, page->code);
    kg_fingerprint_text(hash, page->key);
    kg_identity_fingerprint_of_file(e->settings->relay_ca_file, page->authority, sizeof page->authority);
    kg_log(KG_LOG_INFO, "app", "app.enrolment-code", "this device's code is %s (serial %s, key %s)",
           page->code, e->serial[0] ? e->serial : "unknown", page->key);
}

static void tell_failure(struct kg_device_enrolment *e, struct kg_ws_close close_, int64_t now_us)
{
    const struct kg_est_reply reply = {.outcome = KG_EST_AWAY, .retry_s = -1, .close = close_};
    kg_room_enrolment_answered(&e->machine, &reply, now_us);
}

static void ask(struct kg_device_enrolment *e, int64_t now_us, int64_t wall_us)
{
    /* The relay's certificate would be judged by it, and so would ours. */
    if (!kg_clock_floor_believes(&e->clock, wall_us / 1000000)) {
        tell_failure(
            e,
            (struct kg_ws_close){KG_WS_TLS_NOT_YET, 0, "this clock is behind a time that has been already"},
            now_us);
        return;
    }
    X509_REQ *request = kg_room_identity_request(e->key, "kaigi-room", e->serial);
    bool asked = request && kg_est_exchange_ask(e->exchange, KG_EST_ENROLL, request);
    X509_REQ_free(request);
    if (!asked)
        tell_failure(e, (struct kg_ws_close){KG_WS_UNREACHABLE, 0, "the request cannot be made"}, now_us);
}

/* true: the pair is on disk. */
static bool use(struct kg_device_enrolment *e, struct kg_est_reply *reply, int64_t wall_us)
{
    char why[sizeof reply->close.detail];
    reply->close.failure = KG_WS_HTTP;
    if (!kg_identity_check(reply->certificates, e->key, e->settings->relay_ca_file, wall_us / 1000000, why,
                           sizeof why)) {
        snprintf(reply->close.detail, sizeof reply->close.detail, "the certificate is of no use: %.120s",
                 why);
        return false;
    }
    if (kg_identity_store_put(&e->files, e->key, reply->certificates)) {
        kg_identity_store_confirm(&e->files); /* what was there before is nothing to go back to */
        kg_log(KG_LOG_INFO, "app", "app.enrolled", "this device is enrolled");
        return true;
    }
    reply->close.failure = KG_WS_IDENTITY;
    snprintf(reply->close.detail, sizeof reply->close.detail, "%.140s: cannot be written", e->files.key);
    return false;
}

static bool hear(struct kg_device_enrolment *e, struct kg_est_reply *reply, int64_t now_us, int64_t wall_us)
{
    bool done = reply->outcome == KG_EST_ISSUED && use(e, reply, wall_us);
    if (!done) {
        if (reply->outcome == KG_EST_ISSUED)
            reply->outcome = KG_EST_STRANGE;
        kg_room_enrolment_answered(&e->machine, reply, now_us);
    }
    kg_est_reply_finish(reply);
    return done;
}

bool kg_device_enrolment_tick(struct kg_device_enrolment *e, int64_t now_us, int64_t wall_us)
{
    struct kg_est_reply reply;
    struct kg_identity_times times;
    if (kg_est_exchange_take(e->exchange, &reply) && hear(e, &reply, now_us, wall_us))
        return true;
    if (now_us >= e->look_us) {
        e->look_us = now_us + LOOK_US;
        if (kg_identity_store_look(&e->files, &times) == KG_IDENTITY_USABLE)
            return true;
    }
    switch (kg_room_enrolment_next(&e->machine, now_us)) {
    case KG_ENROL_MAKE_KEY:
        make_key(e, now_us);
        break;
    case KG_ENROL_ASK:
        ask(e, now_us, wall_us);
        break;
    case KG_ENROL_WAIT:
        break;
    }
    kg_room_enrolment_show(&e->machine, now_us, wall_us, &e->state);
    return false;
}

void kg_device_enrolment_again(struct kg_device_enrolment *e, int64_t now_us)
{
    kg_room_enrolment_again(&e->machine, now_us);
}

int64_t kg_device_enrolment_next_us(const struct kg_device_enrolment *e)
{
    return KG_MIN(kg_room_enrolment_next_us(&e->machine), e->look_us);
}

const struct kg_room_state *kg_device_enrolment_state(const struct kg_device_enrolment *e)
{
    return &e->state;
}
