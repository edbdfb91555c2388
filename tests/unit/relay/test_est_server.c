/* Renewal on a real store and directory, with the verbs beside it; the HTTP requests and the signer are made
 * up here, so that each step comes when the test says. */
#include "unit/cmocka_all.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/queue.h"
#include "net/est.h"
#include "relay/control_internal.h"
#include "relay/relay_settings.h"
#include "unit/relay/verbs_world.h"

enum { FIRST = 1000000, LIFE_S = KG_CA_ROOM_DAYS * 86400, WAIT_US = 20000000 };

static struct {
    struct verbs_world verbs;
    struct kg_control control;
    struct kg_est_server *est;
    struct kg_front_request request;
    bool gone;       /* nobody waits for the answer any more */
    unsigned status; /* of the answer; 0: none yet */
    unsigned retry_s;
    char text[700];
    int64_t wait_us;
    char pem[2048]; /* what the signer answers */
    uint64_t asked; /* the signer's question; 0: none */
    unsigned signed_count, gates;
} w;

/* --- what stands around est_server.c --- */

void kg_front_answer(struct kg_front_request *request, const struct kg_front_answer *answer)
{
    assert_ptr_equal(request, &w.request);
    w.status = answer->status;
    w.retry_s = answer->retry_s;
    snprintf(w.text, sizeof w.text, "%s", answer->body);
}

void kg_front_refuse(struct kg_front_request *request, unsigned status, unsigned retry_s, const char *text)
{
    kg_front_answer(request, &(struct kg_front_answer){.status = status, .retry_s = retry_s, .body = text});
}

struct kg_front_request *kg_front_find(const struct kg_front *front, uint64_t id)
{
    (void)front;
    return id == w.request.id && !w.gone && !w.status ? &w.request : NULL;
}

void kg_front_wait(struct kg_front_request *request, int64_t wait_us)
{
    assert_ptr_equal(request, &w.request);
    w.wait_us = wait_us;
}

bool kg_signing_ask(struct kg_signing *signing, uint64_t request, const struct kg_ca_subject *subject,
                    const void *csr, size_t csr_size)
{
    (void)signing;
    assert_true(subject->kind == KG_CA_ROOM && csr && csr_size > 0);
    w.asked = request;
    return true;
}

void kg_control_audit(struct kg_control *control, const struct kg_audit_entry *entry)
{
    assert_true(kg_store_write(control->params.store, 0, NULL, 0, entry));
}

void kg_control_set_gate(struct kg_control *control)
{
    (void)control;
    w.gates++;
}

struct ssl_st *lws_get_ssl(struct lws *wsi)
{
    (void)wsi;
    return NULL;
}

/* Some other key than the request's. */
X509 *SSL_get1_peer_certificate(const SSL *tls)
{
    assert_null(tls);
    BIO *text = BIO_new_mem_buf(w.pem, -1);
    X509 *certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
    BIO_free(text);
    return certificate;
}

/* --- the world --- */

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

/* A new key's request, as a device posts it. free() */
static char *make_request(void)
{
    EVP_PKEY *key = make_key();
    X509_REQ *request = X509_REQ_new();
    assert_true(request && X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_sign(request, key, EVP_sha256()) > 0);
    char *text = kg_est_request_encode(request);
    assert_non_null(text);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return text;
}

/* Some certificate: the authority's file, and what the signer answers. */
static void make_certificate(const char *path, char pem[2048])
{
    EVP_PKEY *key = make_key();
    X509 *certificate = X509_new();
    assert_true(certificate && X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), LIFE_S) &&
                X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(path, "w+e");
    assert_true(file && PEM_write_X509(file, certificate) == 1);
    rewind(file);
    pem[fread(pem, 1, 2047, file)] = '\0';
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void mark(uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES], unsigned number)
{
    memset(fingerprint, (int)number, KG_CA_FINGERPRINT_BYTES);
}

static struct kg_store_change present(struct kg_store_room *room, unsigned number, int64_t not_after_s)
{
    mark(room->fingerprint, number);
    snprintf(room->serial, sizeof room->serial, "%04X", number);
    room->not_after_s = not_after_s;
    room->revoked_s = 0;
    return (struct kg_store_change){.kind = KG_STORE_PUT_ROOM, .room = room};
}

static int64_t now_s(void)
{
    return kg_clock_wall_us() / 1000000;
}

static void put(const struct kg_store_change *change)
{
    const struct kg_audit_entry entry = {.event_id = "test.put"};
    assert_true(kg_store_write(w.verbs.store, 0, change, 1, &entry));
    assert_true(kg_directory_apply(w.verbs.directory, change));
}

/* One more certificate of the room, renewed so many seconds ago. */
static void put_renewed(unsigned number, int64_t ago_s)
{
    struct kg_store_certificate certificate = {
        .kind = "room", .owner = "a-shi-1", .not_after_s = now_s() - ago_s + LIFE_S};
    mark(certificate.fingerprint, number);
    snprintf(certificate.serial, sizeof certificate.serial, "%04X", number);
    put(&(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &certificate});
}

static const struct kg_store_room *room(void)
{
    return kg_directory_room(w.verbs.directory, "a-shi-1");
}

static int set_up(void **state)
{
    (void)state;
    static struct kg_relay_settings settings;
    memset(&w, 0, sizeof w);
    verbs_world_begin(&w.verbs);
    const struct kg_principal by = verbs_operator();
    verbs_must(&w.verbs, &by, "{\"command\":\"org-add\",\"id\":\"a-shi\",\"name\":\"架空市\"}");
    settings.state = w.verbs.folder;
    char path[200];
    snprintf(path, sizeof path, "%s/%s", w.verbs.folder, KG_CA_CERT_FILE);
    make_certificate(path, w.pem);
    w.control.params.settings = &settings;
    w.control.params.store = w.verbs.store;
    w.control.directory = w.verbs.directory;
    w.control.next_request = FIRST;
    w.est = kg_est_server_create(&w.control);
    assert_non_null(w.est);
    struct kg_store_room row = {.id = "a-shi-1", .organization_id = "a-shi", .name = "会議室"};
    const struct kg_store_change change = present(&row, 1, now_s() + LIFE_S / 3);
    put(&change);
    w.request = (struct kg_front_request){.id = 7,
                                          .path = KG_FRONT_RENEW,
                                          .peer = {.kind = KG_PEER_ROOM, .id = "a-shi-1"},
                                          .source = {.text = "192.0.2.9"}};
    mark(w.request.peer.fingerprint, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kg_est_server_destroy(w.est);
    free(w.request.body);
    verbs_world_end(&w.verbs);
    return 0;
}

/* --- steps --- */

static void renew(void)
{
    w.status = 0;
    w.text[0] = '\0';
    w.asked = 0;
    free(w.request.body);
    w.request.body = make_request();
    w.request.body_size = strlen(w.request.body);
    kg_est_server_take(w.est, &w.request);
}

static void sign(unsigned number)
{
    struct kg_signing_answer answer = {.request = w.asked, .ok = true};
    mark(answer.certificate.fingerprint, number);
    snprintf(answer.certificate.serial, sizeof answer.certificate.serial, "%04X", number);
    answer.certificate.not_after_s = now_s() + LIFE_S;
    answer.certificate.pem = strdup(w.pem);
    assert_true(kg_est_server_signed(w.est, &answer));
    kg_ca_certificate_finish(&answer.certificate);
}

/* The result of the renewal's write; those of verbs are theirs. */
static void store(void)
{
    struct kg_store_result result;
    do {
        assert_true(kg_queue_pop_wait(w.verbs.results, &result, kg_clock_now_us() + WAIT_US));
        if (result.request < FIRST)
            assert_true(kg_verbs_stored(w.verbs.verbs, &result));
    } while (result.request < FIRST);
    assert_true(kg_est_server_stored(w.est, &result));
}

static bool admits(unsigned number)
{
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    mark(fingerprint, number);
    const struct kg_store_room *of = kg_directory_room_of(w.verbs.directory, fingerprint);
    return of && !of->revoked_s;
}

static void connect_with(unsigned number)
{
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    mark(fingerprint, number);
    kg_est_server_connected(w.est, room(), fingerprint);
}

/* As after a restart: what is on disk. */
static void restart(void)
{
    kg_est_server_destroy(w.est);
    w.est = NULL;
    verbs_world_reopen(&w.verbs);
    w.control.params.store = w.verbs.store;
    w.control.directory = w.verbs.directory;
    w.est = kg_est_server_create(&w.control);
}

static void test_a_change_of_the_room_in_flight_is_kept(void **state)
{
    (void)state;
    const struct kg_principal by = verbs_operator();
    put_renewed(2, 0);
    verbs_post(&w.verbs, &by, "{\"command\":\"room-set\",\"id\":\"a-shi-1\",\"name\":\"新しい名\"}");
    connect_with(2); /* while the store still works on it */
    json_t *reply = verbs_next_reply(&w.verbs);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(room()->name, "新しい名");
        assert_string_equal(room()->serial, "0002");
        assert_int_equal(room()->fingerprint[0], 2);
        assert_true(admits(2) && !admits(1));
        restart();
    }
}

static void test_a_change_after_it_keeps_the_certificate(void **state)
{
    (void)state;
    const struct kg_principal by = verbs_operator();
    put_renewed(2, 0);
    connect_with(2);
    assert_int_equal(w.gates, 1);
    verbs_must(&w.verbs, &by, "{\"command\":\"room-set\",\"id\":\"a-shi-1\",\"name\":\"新しい名\"}");
    connect_with(2);
    assert_int_equal(w.gates, 1); /* nothing new */
    restart();
    assert_true(admits(2) && !admits(1));
    assert_string_equal(room()->name, "新しい名");
}

/* The replacing device's row is with the store already when the old device comes with a renewed one. */
static void test_a_replaced_device_does_not_come_back(void **state)
{
    (void)state;
    struct kg_store_room row = *room();
    put_renewed(2, 0);
    struct kg_store_certificate revoked = {.kind = "room", .owner = "a-shi-1", .revoked_s = now_s()};
    mark(revoked.fingerprint, 2);
    const struct kg_audit_entry entry = {.event_id = "test.put"};
    const struct kg_store_change changes[] = {
        {.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &revoked},
        present(&row, 9, now_s() + LIFE_S),
    };
    assert_true(kg_store_write(w.verbs.store, 0, changes, 2, &entry));
    connect_with(2);
    restart();
    assert_int_equal(room()->fingerprint[0], 9);
    assert_true(admits(9) && !admits(2));
}

static void test_renewal(void **state)
{
    (void)state;
    renew();
    assert_true(w.asked && !w.status);
    assert_true(w.wait_us > KG_SIGNING_WAIT_US + 1000000);
    sign(2);
    assert_false(w.status);
    store();
    assert_int_equal(w.status, 200);
    assert_true(admits(1) && admits(2));
}

/* While the signer works; while the store does. */
static void test_a_certificate_that_was_replaced_gets_nothing(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct kg_store_room row = *room();
        row.id = strdup("a-shi-1");
        renew();
        assert_true(w.asked);
        if (late)
            sign(2);
        struct kg_store_certificate old = {.kind = "room", .owner = "a-shi-1", .revoked_s = now_s()};
        mark(old.fingerprint, 1);
        put(&(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &old});
        const struct kg_store_change change = present(&row, 9, now_s() + LIFE_S);
        put(&change);
        if (late)
            store();
        else
            sign(2);
        assert_int_equal(w.status, 503);
        assert_non_null(strstr(w.text, "no longer the room's"));
        assert_true(admits(9) && !admits(1) && !admits(2));
        free(row.id);
        restart();
        assert_true(admits(9) && !admits(1) && !admits(2));
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_an_expired_or_retired_certificate_gets_nothing(void **state)
{
    (void)state;
    put_renewed(2, 0);
    renew();
    connect_with(2); /* the device took up an earlier one */
    sign(3);
    assert_non_null(strstr(w.text, "no longer the room's"));
    assert_true(admits(2) && !admits(1) && !admits(3));
    struct kg_store_certificate old = {.kind = "room", .owner = "a-shi-1", .not_after_s = now_s() + 10};
    mark(old.fingerprint, 4);
    put(&(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &old});
    mark(w.request.peer.fingerprint, 4);
    renew();
    assert_true(w.asked && !w.status);
    old.not_after_s = now_s() - 1;
    assert_true(kg_directory_apply(
        w.verbs.directory, &(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE, .certificate = &old}));
    sign(5);
    assert_non_null(strstr(w.text, "no longer the room's"));
    assert_false(admits(5));
}

static void test_nothing_is_kept_for_a_device_that_went_away(void **state)
{
    (void)state;
    renew();
    w.gone = true;
    sign(2);
    restart();
    assert_true(admits(1) && !admits(2));
}

/* A device whose disk takes nothing: it may go on asking, at a pace, and what it never used goes. */
static void test_the_oldest_unused_certificate_gives_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KG_EST_SERVER_MAX_CERTIFICATES; i++)
        put_renewed(2 + i, KG_EST_SERVER_PACE_S - 100 + 10 * (KG_EST_SERVER_MAX_CERTIFICATES - i));
    renew();
    assert_true(!w.asked && w.status == 503);
    assert_in_range(w.retry_s, 50, 100);
    /* Hours later. */
    struct kg_store_certificate newer = {.kind = "room", .owner = "a-shi-1"};
    for (unsigned i = 2; i < 6; i++) {
        mark(newer.fingerprint, i);
        newer.not_after_s = now_s() + LIFE_S - 20000 + 1000 * (int64_t)i;
        snprintf(newer.serial, sizeof newer.serial, "%04X", i);
        assert_true(
            kg_directory_apply(w.verbs.directory, &(struct kg_store_change){.kind = KG_STORE_PUT_CERTIFICATE,
                                                                            .certificate = &newer}));
    }
    renew();
    assert_true(w.asked && !w.status);
    sign(6);
    assert_false(admits(2)); /* at once: it must not be taken up while it goes */
    store();
    assert_int_equal(w.status, 200);
    assert_true(admits(1) && admits(3) && admits(4) && admits(5) && admits(6));
    renew();
    assert_int_equal(w.status, 503);
    assert_in_range(w.retry_s, KG_EST_SERVER_PACE_S - 10, KG_EST_SERVER_PACE_S);
    restart();
    assert_true(admits(1) && !admits(2) && admits(3) && admits(6));
}

static void test_few_renewals_of_a_room_at_once(void **state)
{
    (void)state;
    renew();
    renew();
    assert_true(w.asked && !w.status);
    renew();
    assert_true(!w.asked && w.status == 503 && w.retry_s == KG_ENROLMENT_RETRY_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_a_change_of_the_room_in_flight_is_kept),
        TEST(test_a_change_after_it_keeps_the_certificate),
        TEST(test_a_replaced_device_does_not_come_back),
        TEST(test_renewal),
        TEST(test_a_certificate_that_was_replaced_gets_nothing),
        TEST(test_an_expired_or_retired_certificate_gets_nothing),
        TEST(test_nothing_is_kept_for_a_device_that_went_away),
        TEST(test_the_oldest_unused_certificate_gives_way),
        TEST(test_few_renewals_of_a_room_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
