#include "relay/est_server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/identity.h"
#include "relay/ca_request.h"
#include "relay/control_internal.h"
#include "relay/front.h"

enum {
    FULL_RETRY_S = 20, /* somebody stands before the device */
    MAX_UNDER_WAY = 2, /* of one room: the second when the first one's connection broke */
    RENEWAL_US = KG_SIGNING_WAIT_US + 8000000, /* the signer's time, the store's, and the way there */
};

/* One renewal, while the signer and then the store work on it. */
struct renewal {
    uint64_t number, request;
    char room[KG_CA_ID_BYTES];
    uint8_t by[KG_CA_FINGERPRINT_BYTES]; /* the certificate that asked */
    char source[64];
    struct kg_store_certificate certificate; /* texts: room and a literal */
    char *pem;                               /* once it is with the store */
    struct renewal *next;
};

struct kg_est_server {
    struct kg_control *control;
    struct kg_enrolment *enrolment;
    char *authorities; /* the body of cacerts */
    struct renewal *renewals;
};

/* --- the authorities --- */

static void add_file(STACK_OF(X509) * certificates, const char *folder, const char *file)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *in = fopen(path, "re");
    X509 *certificate;
    while (in && sk_X509_num(certificates) < KG_EST_CHAIN_MAX &&
           (certificate = PEM_read_X509(in, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(certificates, certificate) <= 0)
            X509_free(certificate);
    }
    ERR_clear_error();
    if (in)
        fclose(in);
}

static char *read_authorities(const char *state)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    if (!certificates)
        return NULL;
    add_file(certificates, state, KG_CA_CERT_FILE);
    add_file(certificates, state, KG_CA_ISSUING_CERT);
    char *body = sk_X509_num(certificates) > 0 ? kg_est_certificates_encode(certificates) : NULL;
    sk_X509_pop_free(certificates, X509_free);
    return body;
}

void kg_est_server_reload(struct kg_est_server *est)
{
    char *body = read_authorities(est->control->params.settings->state);
    if (!body) {
        kg_log(KG_LOG_ERROR, "relay", "relay.tls", "the authorities' certificates cannot be read again");
        return;
    }
    free(est->authorities);
    est->authorities = body;
}

struct kg_est_server *kg_est_server_create(struct kg_control *control)
{
    struct kg_est_server *est = calloc(1, sizeof *est);
    if (!est)
        return NULL;
    est->control = control;
    est->enrolment = kg_enrolment_create();
    est->authorities = read_authorities(control->params.settings->state);
    if (est->enrolment && est->authorities)
        return est;
    kg_log(KG_LOG_ERROR, "relay", "relay.failed",
           "enrolment cannot be served: no memory, or no certificate in %s/%s",
           control->params.settings->state, KG_CA_CERT_FILE);
    kg_est_server_destroy(est);
    return NULL;
}

static void free_renewal(struct renewal *r)
{
    free(r->pem);
    free(r);
}

void kg_est_server_destroy(struct kg_est_server *est)
{
    if (!est)
        return;
    while (est->renewals) {
        struct renewal *r = est->renewals;
        est->renewals = r->next;
        free_renewal(r);
    }
    kg_enrolment_destroy(est->enrolment);
    free(est->authorities);
    free(est);
}

struct kg_enrolment *kg_est_server_enrolment(struct kg_est_server *est)
{
    return est->enrolment;
}

void kg_est_server_check(struct kg_est_server *est, int64_t now_us)
{
    kg_enrolment_expire(est->enrolment, now_us);
}

bool kg_est_server_admits(struct kg_est_server *est, const struct kg_front_request *request,
                          unsigned *retry_s)
{
    return kg_enrolment_allow(est->enrolment, &request->source, kg_clock_now_us(), retry_s);
}

/* --- answers --- */

/* Takes the first certificate alone (RFC 7030 §4.2.3): the authorities' are what cacerts is for. */
static void answer_certificate(struct kg_front_request *request, const char *pem)
{
    STACK_OF(X509) *certificates = kg_est_certificates_of_pem(pem);
    while (sk_X509_num(certificates) > 1)
        X509_free(sk_X509_pop(certificates));
    char *body = certificates ? kg_est_certificates_encode(certificates) : NULL;
    sk_X509_pop_free(certificates, X509_free);
    if (body)
        kg_front_answer(request,
                        &(struct kg_front_answer){.status = 200,
                                                  .type = KG_EST_ANSWER_TYPE "; smime-type=certs-only",
                                                  .base64 = true,
                                                  .body = body});
    else
        kg_front_refuse(request, 503, KG_ENROLMENT_RETRY_S, "the relay has no memory left; ask again later");
    free(body);
}

static void answer_waiting(struct kg_front_request *request, const char *code)
{
    char text[KG_EST_CODE_TEXT_SIZE], body[120];
    kg_est_code_text(code, text);
    snprintf(body, sizeof body, "the request waits for approval; its code is %s\n", text);
    kg_front_answer(request,
                    &(struct kg_front_answer){.status = 202, .retry_s = KG_ENROLMENT_RETRY_S, .body = body});
}

/* The bytes of a sound request; free() them. NULL: refused. */
static uint8_t *read_request(struct kg_front_request *request, size_t *size, uint8_t hash[KG_EST_HASH_BYTES])
{
    enum kg_est_fault fault;
    struct kg_problem problem;
    struct kg_ca_request parsed;
    uint8_t *der = kg_est_request_decode(request->body, request->body_size, size, &fault);
    if (!der) {
        kg_front_refuse(request, 400, 0, kg_est_fault_text(fault));
        return NULL;
    }
    if (!kg_ca_request_read(der, *size, &parsed, &problem)) {
        kg_front_refuse(request, 400, 0, problem.text);
        free(der);
        return NULL;
    }
    memcpy(hash, parsed.key_hash, KG_EST_HASH_BYTES);
    kg_ca_request_finish(&parsed);
    return der;
}

/* --- enrolment --- */

static void tell_of_new(struct kg_est_server *est, const struct kg_enrolment_entry *entry)
{
    char code[KG_EST_CODE_TEXT_SIZE], fingerprint[KG_FINGERPRINT_TEXT_BYTES], detail[300];
    kg_est_code_text(entry->code, code);
    kg_fingerprint_text(entry->hash, fingerprint);
    snprintf(detail, sizeof detail, "serial %s, key SHA-256 %s", *entry->serial ? entry->serial : "not told",
             fingerprint);
    kg_log(KG_LOG_INFO, "relay", "enrolment.requested", "a device at %s asks to be enrolled: code %s, %s",
           entry->source.text, code, detail);
    const struct kg_audit_entry row = {.event_id = "enrolment.requested",
                                       .role = "device",
                                       .source = entry->source.text,
                                       .object = code,
                                       .detail = detail,
                                       .result = KG_AUDIT_OK};
    kg_control_audit(est->control, &row);
}

static void enrol(struct kg_est_server *est, struct kg_front_request *request)
{
    uint8_t hash[KG_EST_HASH_BYTES];
    char serial[KG_EST_SERIAL_SIZE];
    size_t size;
    uint8_t *der = read_request(request, &size, hash);
    if (!der)
        return;
    kg_est_request_serial(der, size, serial);
    const struct kg_enrolment_entry *entry;
    const struct kg_enrolment_request asked = {
        .hash = hash, .serial = serial, .der = der, .der_size = size, .source = &request->source};
    enum kg_enrolment_result result = kg_enrolment_post(est->enrolment, &asked, kg_clock_now_us(), &entry);
    free(der);
    if (result == KG_ENROLMENT_ADDED)
        tell_of_new(est, entry);
    if (!entry) {
        kg_front_refuse(request, 503, FULL_RETRY_S, "too many devices wait for approval; ask again later");
    } else if (entry->state == KG_ENROLMENT_READY) {
        answer_certificate(request, entry->certificate);
    } else if (entry->state == KG_ENROLMENT_REJECTED) {
        kg_front_refuse(request, 403, 0, "the request was refused; make a new key to ask again");
    } else {
        answer_waiting(request, entry->code);
    }
}

/* --- renewal --- */

/* Valid certificates of a room that nobody has connected with yet. */
struct unused {
    const uint8_t *present, *asking; /* those are in use */
    unsigned count;
    const struct kg_store_certificate *oldest, *newest;
    int64_t now_s;
};

static void note_unused(void *user, const struct kg_store_certificate *certificate)
{
    struct unused *unused = user;
    if (certificate->revoked_s || certificate->retired_s || certificate->not_after_s <= unused->now_s ||
        memcmp(certificate->fingerprint, unused->present, KG_CA_FINGERPRINT_BYTES) == 0 ||
        memcmp(certificate->fingerprint, unused->asking, KG_CA_FINGERPRINT_BYTES) == 0)
        return;
    unused->count++;
    if (!unused->oldest || certificate->not_after_s < unused->oldest->not_after_s)
        unused->oldest = certificate;
    if (!unused->newest || certificate->not_after_s > unused->newest->not_after_s)
        unused->newest = certificate;
}

static struct unused find_unused(const struct kg_est_server *est, const struct kg_store_room *room,
                                 const uint8_t *asking)
{
    struct unused unused = {
        .present = room->fingerprint, .asking = asking, .now_s = kg_clock_wall_us() / 1000000};
    kg_directory_each_certificate(est->control->directory, "room", room->id, note_unused, &unused);
    return unused;
}

/* How many renewals of this room are under way; of those, with the store already. */
static unsigned count_under_way(const struct kg_est_server *est, const char *room, bool stored)
{
    unsigned count = 0;
    for (const struct renewal *r = est->renewals; r; r = r->next)
        count += strcmp(r->room, room) == 0 && (!stored || r->pem);
    return count;
}

/* A device that cannot keep what it gets asks for more, for weeks perhaps: it always may, but not all the
 * time. 0: now; else in so many seconds. */
static unsigned wait_s(const struct kg_est_server *est, const struct kg_store_room *room,
                       const uint8_t *asking)
{
    if (count_under_way(est, room->id, false) >= MAX_UNDER_WAY)
        return KG_ENROLMENT_RETRY_S;
    struct unused unused = find_unused(est, room, asking);
    if (unused.count < KG_EST_SERVER_MAX_CERTIFICATES)
        return 0;
    int64_t signed_s = unused.newest->not_after_s - (int64_t)KG_CA_ROOM_DAYS * 86400;
    int64_t left_s = signed_s + KG_EST_SERVER_PACE_S - unused.now_s;
    return left_s > 0 ? (unsigned)KG_MIN(left_s, (int64_t)KG_EST_SERVER_PACE_S) : 0;
}

/* The room that may renew itself by this connection's certificate. NULL: refused. */
static const struct kg_store_room *may_renew(struct kg_est_server *est, struct kg_front_request *request)
{
    const struct kg_control *c = est->control;
    const struct kg_store_room *room = request->peer.kind == KG_PEER_ROOM
                                           ? kg_directory_room_of(c->directory, request->peer.fingerprint)
                                           : NULL;
    if (!room || room->revoked_s) {
        kg_front_refuse(request, 403, 0,
                        request->peer.kind == KG_PEER_NONE
                            ? "renewal needs the room's present certificate; a new device uses simpleenroll"
                            : "this certificate is no room's (any more); enrol the room again");
        return NULL;
    }
    if (!*request->peer.id) {
        kg_front_refuse(request, 403, 0, "this certificate is another authority's; renew it there");
        return NULL;
    }
    unsigned retry_s = wait_s(est, room, request->peer.fingerprint);
    if (retry_s == 0)
        return room;
    kg_front_refuse(
        request, 503, retry_s,
        "this room has new certificates that it never used, or that are just being signed; use one "
        "of them");
    return NULL;
}

static bool is_own_key(const struct kg_front_request *request, const uint8_t hash[KG_EST_HASH_BYTES])
{
    uint8_t present[KG_EST_HASH_BYTES];
    X509 *certificate = SSL_get1_peer_certificate(lws_get_ssl(request->wsi));
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    bool same = !key || !kg_est_key_hash(key, present) || memcmp(present, hash, sizeof present) == 0;
    X509_free(certificate);
    return same;
}

static void renew(struct kg_est_server *est, struct kg_front_request *request)
{
    uint8_t hash[KG_EST_HASH_BYTES];
    size_t size;
    struct kg_control *c = est->control;
    const struct kg_store_room *room = may_renew(est, request);
    uint8_t *der = room ? read_request(request, &size, hash) : NULL;
    if (!der)
        return;
    struct renewal *r = NULL;
    if (is_own_key(request, hash)) {
        kg_front_refuse(request, 400, 0, "the request holds the key in use; make a new one");
        goto free_der;
    }
    r = calloc(1, sizeof *r);
    const struct kg_ca_subject subject = {.kind = KG_CA_ROOM, .id = room->id};
    if (!r || !kg_signing_ask(c->params.signing, c->next_request, &subject, der, size)) {
        free(r);
        kg_front_refuse(request, 503, KG_ENROLMENT_RETRY_S, "the relay is busy; ask again later");
        goto free_der;
    }
    *r = (struct renewal){.number = c->next_request++, .request = request->id, .next = est->renewals};
    snprintf(r->room, sizeof r->room, "%s", room->id);
    snprintf(r->source, sizeof r->source, "%s", request->source.text);
    memcpy(r->by, request->peer.fingerprint, sizeof r->by);
    est->renewals = r;
    kg_front_wait(request, RENEWAL_US);

free_der:
    free(der);
}

static struct renewal **find(struct kg_est_server *est, uint64_t number)
{
    struct renewal **at = &est->renewals;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

/* Ends the renewal: pem, or why there is none. */
static void finish(struct kg_est_server *est, struct renewal **at, const char *pem, const char *why)
{
    struct renewal *r = *at;
    struct kg_front_request *request = kg_front_find(est->control->front, r->request);
    *at = r->next;
    if (!pem)
        kg_log(KG_LOG_ERROR, "relay", "room.not-renewed", "room %s at %s gets no new certificate: %s",
               r->room, r->source, why);
    else
        kg_log(KG_LOG_INFO, "relay", "room.renewed", "room %s at %s has a new certificate, %s", r->room,
               r->source, r->certificate.serial);
    if (request && pem)
        answer_certificate(request, pem);
    else if (request)
        kg_front_refuse(request, 503, 60, why);
    free_renewal(r);
}

/* The room, if the certificate that asked is admitted still: a room that was revoked, or whose device was
 * replaced by another, while the signer and the store worked gives its old device nothing. NULL: not any
 * more. */
static const struct kg_store_room *still_admitted(const struct kg_est_server *est, const struct renewal *r)
{
    const struct kg_directory *d = est->control->directory;
    const struct kg_store_room *room = kg_directory_room_of(d, r->by);
    const struct kg_store_certificate *certificate = kg_directory_certificate(d, r->by);
    return room && !room->revoked_s && strcmp(room->id, r->room) == 0 &&
                   certificate->not_after_s > kg_clock_wall_us() / 1000000
               ? room
               : NULL;
}

/* With one more than a room may have unused, the oldest of them goes. In the directory at once, so that it is
 * not taken up while this is written. */
static bool store_renewed(struct kg_est_server *est, struct renewal *r, const struct kg_store_room *room)
{
    struct kg_control *c = est->control;
    struct kg_store_change changes[2] = {{.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &r->certificate}};
    struct unused unused = find_unused(est, room, r->by);
    struct kg_store_certificate oldest;
    size_t count = 1;
    char detail[200];
    snprintf(detail, sizeof detail, "%s", r->certificate.serial);
    if (unused.oldest &&
        unused.count + count_under_way(est, r->room, true) > KG_EST_SERVER_MAX_CERTIFICATES) {
        oldest = *unused.oldest;
        oldest.retired_s = unused.now_s;
        changes[count++] = (struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &oldest};
        snprintf(detail, sizeof detail, "%s; %s, never used, is retired", r->certificate.serial,
                 oldest.serial);
    }
    const struct kg_audit_entry row = {.event_id = "room.renewed",
                                       .actor = r->room,
                                       .role = "room",
                                       .source = r->source,
                                       .organization = room->organization_id,
                                       .object = r->room,
                                       .detail = detail,
                                       .result = KG_AUDIT_OK};
    if (!kg_store_write(c->params.store, r->number, changes, count, &row))
        return false;
    if (count == 2 && !kg_directory_apply(c->directory, &changes[1]))
        kg_log(KG_LOG_ERROR, "relay", "relay.memory",
               "no memory: a certificate of room %s is retired after a restart only", r->room);
    return true;
}

bool kg_est_server_signed(struct kg_est_server *est, const struct kg_signing_answer *answer)
{
    struct renewal **at = find(est, answer->request), *r = *at;
    struct kg_control *c = est->control;
    if (!r)
        return false;
    if (!answer->ok) {
        finish(est, at, NULL, answer->problem.text);
        return true;
    }
    const struct kg_store_room *room = still_admitted(est, r);
    if (!room) {
        finish(est, at, NULL, "the certificate that asked is no longer the room's");
        return true;
    }
    if (!kg_front_find(c->front, r->request)) {
        finish(est, at, NULL, "it did not wait for the answer");
        return true;
    }
    r->pem = strdup(answer->certificate.pem);
    r->certificate = (struct kg_store_certificate){
        .kind = "room", .owner = r->room, .not_after_s = answer->certificate.not_after_s};
    memcpy(r->certificate.fingerprint, answer->certificate.fingerprint, sizeof r->certificate.fingerprint);
    memcpy(r->certificate.serial, answer->certificate.serial, sizeof r->certificate.serial);
    if (!r->pem || !store_renewed(est, r, room))
        finish(est, at, NULL, "the store is busy; ask again later");
    return true;
}

bool kg_est_server_stored(struct kg_est_server *est, const struct kg_store_result *result)
{
    struct renewal **at = find(est, result->request), *r = *at;
    if (!r)
        return false;
    struct kg_control *c = est->control;
    const struct kg_store_change change = {.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &r->certificate};
    if (result->status != KG_STORE_OK) {
        finish(est, at, NULL, kg_store_status_text(result->status));
    } else if (!kg_directory_apply(c->directory, &change)) {
        finish(est, at, NULL, "the relay has no memory left");
    } else if (!still_admitted(est, r)) {
        /* Shut out while this was written: so is what it asked for, also when the room is enrolled again. */
        r->certificate.revoked_s = kg_clock_wall_us() / 1000000;
        if (!kg_directory_apply(c->directory, &change) ||
            !kg_store_write(c->params.store, 0, &change, 1, NULL))
            kg_log(KG_LOG_ERROR, "relay", "store.busy", "certificate %s of room %s is not marked as revoked",
                   r->certificate.serial, r->room);
        finish(est, at, NULL, "the certificate that asked is no longer the room's");
    } else {
        finish(est, at, r->pem, NULL);
    }
    return true;
}

/* --- the first connection with a new certificate --- */

/* Nothing of the room's row but the certificate it names: the row itself may just be changed by a verb. */
void kg_est_server_connected(struct kg_est_server *est, const struct kg_store_room *room,
                             const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    struct kg_control *c = est->control;
    const struct kg_store_certificate *fresh = kg_directory_certificate(c->directory, fingerprint);
    if (!fresh || memcmp(room->fingerprint, fingerprint, KG_CA_FINGERPRINT_BYTES) == 0 ||
        fresh->not_after_s < room->not_after_s)
        return;
    struct kg_store_certificate taken = *fresh;
    taken.retired_s = kg_clock_wall_us() / 1000000;
    const struct kg_store_change change = {.kind = KG_STORE_TAKE_CERTIFICATE, .certificate = &taken};
    const struct kg_audit_entry row = {.event_id = "room.certificate-taken",
                                       .actor = room->id,
                                       .role = "room",
                                       .organization = room->organization_id,
                                       .object = room->id,
                                       .detail = taken.serial,
                                       .result = KG_AUDIT_OK};
    if (!kg_store_write(c->params.store, 0, &change, 1, &row)) {
        kg_log(KG_LOG_WARN, "relay", "store.busy",
               "room %s's new certificate is not written down as taken; it will be when it connects again",
               room->id);
        return;
    }
    if (!kg_directory_apply(c->directory, &change))
        kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory: room %s's new certificate is not noted",
               room->id);
    kg_control_set_gate(c);
    kg_log(KG_LOG_INFO, "relay", "room.certificate-taken",
           "room %s uses its new certificate %s; the old one is retired", room->id, taken.serial);
}

/* --- requests --- */

void kg_est_server_take(struct kg_est_server *est, struct kg_front_request *request)
{
    switch (request->path) {
    case KG_FRONT_CA_CERTIFICATES:
        kg_front_answer(request,
                        &(struct kg_front_answer){.status = 200,
                                                  .type = KG_EST_ANSWER_TYPE "; smime-type=certs-only",
                                                  .base64 = true,
                                                  .body = est->authorities});
        return;
    case KG_FRONT_ATTRIBUTES:
        kg_front_answer(request, &(struct kg_front_answer){.status = 200,
                                                           .type = KG_EST_ATTRIBUTES_TYPE,
                                                           .base64 = true,
                                                           .body = kg_est_attributes()});
        return;
    case KG_FRONT_ENROL:
        enrol(est, request);
        return;
    case KG_FRONT_RENEW:
        renew(est, request);
        return;
    case KG_FRONT_PATHS:
        break;
    }
}
