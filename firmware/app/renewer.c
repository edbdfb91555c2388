#include "app/renewer.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/device_serial.h"
#include "app/est_exchange.h"
#include "app/renewal.h"
#include "app/room_identity.h"
#include "base/log.h"
#include "base/random.h"

/* Of the certificate that was put on disk last. */
enum trial { NO_TRIAL, TO_BE_TRIED, BEING_TRIED };

struct kg_renewer {
    const struct kg_terminal_settings *settings;
    struct kg_identity_files files;
    struct kg_est_exchange *exchange;
    struct kg_renewal renewal;
    EVP_PKEY *key; /* of the request under way */
    enum trial trial;
};

static void look(struct kg_renewer *r)
{
    struct kg_identity_times times = {0};
    if (kg_identity_store_look(&r->files, &times) != KG_IDENTITY_USABLE)
        times = (struct kg_identity_times){0}; /* told by the connection, which needs it too */
    kg_renewal_certificate(&r->renewal, &times);
}

struct kg_renewer *kg_renewer_create(const struct kg_terminal_settings *settings, void (*wake)(void))
{
    struct kg_renewer *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->settings = settings;
    r->files = (struct kg_identity_files){settings->identity_key_file, settings->identity_certificate_file};
    r->exchange = kg_est_exchange_create(settings, wake);
    if (!r->exchange) {
        free(r);
        return NULL;
    }
    kg_renewal_init(&r->renewal, kg_random_u32());
    look(r);
    return r;
}

void kg_renewer_destroy(struct kg_renewer *r)
{
    if (!r)
        return;
    kg_est_exchange_destroy(r->exchange);
    EVP_PKEY_free(r->key);
    free(r);
}

static void tell(struct kg_renewer *r, bool renewed, struct kg_est_reply *reply, int64_t now_us)
{
    kg_renewal_answered(&r->renewal, renewed, reply, now_us);
    kg_est_reply_finish(reply);
    EVP_PKEY_free(r->key);
    r->key = NULL;
}

static void ask(struct kg_renewer *r, int64_t now_us)
{
    char serial[KG_EST_SERIAL_SIZE];
    kg_device_serial("", serial);
    r->key = EVP_EC_gen("P-256");
    X509_REQ *request = r->key ? kg_room_identity_request(r->key, "kaigi-room", serial) : NULL;
    bool asked = request && kg_est_exchange_ask(r->exchange, KG_EST_REENROLL, request);
    X509_REQ_free(request);
    struct kg_est_reply none = {.retry_s = -1, .close = {.detail = "the request cannot be made"}};
    if (!asked)
        tell(r, false, &none, now_us);
}

static void hear(struct kg_renewer *r, struct kg_est_reply *reply, int64_t now_us, int64_t wall_us)
{
    char why[sizeof reply->close.detail - 40];
    bool renewed = reply->outcome == KG_EST_ISSUED;
    if (renewed && !kg_identity_check(reply->certificates, r->key, r->settings->relay_ca_file,
                                      wall_us / 1000000, why, sizeof why)) {
        snprintf(reply->close.detail, sizeof reply->close.detail, "the new certificate is of no use: %s",
                 why);
        renewed = false;
    } else if (renewed && !kg_identity_store_put(&r->files, r->key, reply->certificates)) {
        snprintf(reply->close.detail, sizeof reply->close.detail, "the new certificate cannot be written");
        renewed = false;
    }
    tell(r, renewed, reply, now_us);
    if (!renewed)
        return;
    char date[KG_RENEWAL_DATE_SIZE];
    r->trial = TO_BE_TRIED;
    look(r);
    kg_log(KG_LOG_INFO, "app", "app.renewed", "the room's certificate is renewed, with a new key, until %s",
           kg_renewal_date(r->renewal.times.not_after_s, date));
}

bool kg_renewer_tick(struct kg_renewer *r, int64_t now_us, int64_t wall_us)
{
    struct kg_est_reply reply;
    if (kg_est_exchange_take(r->exchange, &reply))
        hear(r, &reply, now_us, wall_us);
    if (r->trial == NO_TRIAL && kg_renewal_next(&r->renewal, now_us, wall_us))
        ask(r, now_us);
    return r->trial == TO_BE_TRIED;
}

void kg_renewer_connecting(struct kg_renewer *r)
{
    if (r->trial == TO_BE_TRIED)
        r->trial = BEING_TRIED;
}

void kg_renewer_welcomed(struct kg_renewer *r)
{
    if (r->trial == TO_BE_TRIED)
        return; /* still the old one */
    r->trial = NO_TRIAL;
    kg_identity_store_confirm(&r->files);
}

void kg_renewer_closed(struct kg_renewer *r, enum kg_ws_failure failure, int64_t now_us)
{
    if (r->trial != BEING_TRIED || (failure != KG_WS_REJECTED && failure != KG_WS_IDENTITY))
        return;
    r->trial = NO_TRIAL;
    if (!kg_identity_store_revert(&r->files))
        return;
    struct kg_est_reply refused = {.retry_s = -1,
                                   .close = {.detail = "the relay refuses what it has signed"}};
    look(r);
    kg_renewal_answered(&r->renewal, false, &refused, now_us);
}

int64_t kg_renewer_end_us(const struct kg_renewer *r, int64_t wall_us)
{
    return kg_renewal_end_us(&r->renewal, wall_us);
}
