#include "unit/cmocka_all.h"

#include <sys/time.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "net/dtls.h"

/* OpenSSL's clock, as in world.c. */
static int64_t now_us = 1000000;
int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    (void)zone;
    tv->tv_sec = 1000 + now_us / 1000000;
    tv->tv_usec = now_us % 1000000;
    return 0;
}

enum { MAX_OUT = 64, RECORD_HEADER = 13, HANDSHAKE_HEADER = 12, MS = 1000 };

struct end {
    struct kg_dtls *dtls;
    size_t count; /* datagrams it sent and nobody has taken */
    struct {
        size_t size;
        uint8_t data[1500];
    } out[MAX_OUT];
};

static void on_send(void *user, const void *data, size_t size)
{
    struct end *e = user;
    assert_in_range(size, RECORD_HEADER, KG_DTLS_MTU);
    assert_true(e->count < MAX_OUT);
    e->out[e->count].size = size;
    memcpy(e->out[e->count++].data, data, size);
}

struct duo {
    struct kg_identity *identity[2];
    struct end client, server;
};

static struct duo *make_duo(const char *client_profiles, const char *server_profiles)
{
    struct duo *d = calloc(1, sizeof *d);
    for (int i = 0; i < 2; i++)
        d->identity[i] = kg_identity_create();
    struct kg_dtls_params p = {.identity = d->identity[0],
                               .client = true,
                               .send = on_send,
                               .user = &d->client,
                               .srtp_profiles = client_profiles};
    memcpy(p.remote_fingerprint, kg_identity_fingerprint(d->identity[1]), KG_FINGERPRINT_BYTES);
    d->client.dtls = kg_dtls_create(&p);
    p = (struct kg_dtls_params){
        .identity = d->identity[1], .send = on_send, .user = &d->server, .srtp_profiles = server_profiles};
    memcpy(p.remote_fingerprint, kg_identity_fingerprint(d->identity[0]), KG_FINGERPRINT_BYTES);
    d->server.dtls = kg_dtls_create(&p);
    kg_dtls_start(d->client.dtls, 0, now_us);
    kg_dtls_start(d->server.dtls, 0, now_us);
    return d;
}

static void free_duo(struct duo *d)
{
    kg_dtls_destroy(d->client.dtls);
    kg_dtls_destroy(d->server.dtls);
    for (int i = 0; i < 2; i++)
        kg_identity_destroy(d->identity[i]);
    free(d);
}

static void move(struct end *from, struct end *to)
{
    size_t count = from->count;
    from->count = 0;
    for (size_t i = 0; i < count; i++)
        kg_dtls_receive(to->dtls, from->out[i].data, from->out[i].size, now_us);
}

static void finish_handshake(struct duo *d)
{
    for (int i = 0; i < 4; i++) {
        move(&d->client, &d->server);
        move(&d->server, &d->client);
    }
    assert_int_equal(kg_dtls_get_state(d->client.dtls), KG_DTLS_CONNECTED);
    assert_int_equal(kg_dtls_get_state(d->server.dtls), KG_DTLS_CONNECTED);
}

static void both_ends_make_matching_keys(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    assert_null(kg_dtls_make_srtp(d->client.dtls)); /* no key before the peer is known */
    finish_handshake(d);
    struct kg_srtp *client = kg_dtls_make_srtp(d->client.dtls), *server = kg_dtls_make_srtp(d->server.dtls);
    uint8_t packet[64] = {0x80, 96, 0, 1};
    size_t size = 32;
    assert_int_equal(kg_srtp_protect_rtp(client, packet, &size, sizeof packet), KG_SRTP_OK);
    assert_int_equal(kg_srtp_unprotect_rtp(server, packet, &size), KG_SRTP_OK);
    assert_int_equal(kg_srtp_protect_rtp(server, packet, &size, sizeof packet), KG_SRTP_OK);
    assert_int_equal(kg_srtp_unprotect_rtp(client, packet, &size), KG_SRTP_OK);
    kg_srtp_destroy(client);
    kg_srtp_destroy(server);
    assert_int_equal(kg_dtls_next_us(d->client.dtls), INT64_MAX);
    free_duo(d);
}

/* The ClientHello as two fragments in two datagrams, as a browser with large key shares sends it. */
static void split_hello(const uint8_t *hello, size_t size, uint8_t part[2][1500], size_t part_size[2])
{
    size_t body = size - RECORD_HEADER - HANDSHAKE_HEADER, cut = body / 2;
    for (int i = 0; i < 2; i++) {
        size_t at = i == 0 ? 0 : cut, length = i == 0 ? cut : body - cut;
        memcpy(part[i], hello, RECORD_HEADER + HANDSHAKE_HEADER);
        part[i][10] = (uint8_t)(i == 0 ? 0 : 40); /* record sequence; the client's own go on at 1 */
        kg_put_u16(part[i] + 11, (uint16_t)(HANDSHAKE_HEADER + length));
        kg_put_u16(part[i] + RECORD_HEADER + 7, (uint16_t)at); /* fragment offset and length, 24 bits */
        kg_put_u16(part[i] + RECORD_HEADER + 10, (uint16_t)length);
        memcpy(part[i] + RECORD_HEADER + HANDSHAKE_HEADER, hello + RECORD_HEADER + HANDSHAKE_HEADER + at,
               length);
        part_size[i] = RECORD_HEADER + HANDSHAKE_HEADER + length;
    }
}

static void a_hello_in_two_datagrams_in_any_order(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct duo *d = make_duo(NULL, NULL);
        uint8_t part[2][1500];
        size_t part_size[2];
        assert_int_equal(d->client.count, 1);
        split_hello(d->client.out[0].data, d->client.out[0].size, part, part_size);
        d->client.count = 0;
        kg_dtls_receive(d->server.dtls, part[first], part_size[first], now_us);
        assert_int_equal(d->server.count, 0);
        kg_dtls_receive(d->server.dtls, part[first], part_size[first], now_us); /* once more: a duplicate */
        kg_dtls_receive(d->server.dtls, part[!first], part_size[!first], now_us);
        assert_true(d->server.count > 0);
        finish_handshake(d);
        free_duo(d);
    }
}

static void every_single_loss_is_repaired(void **state)
{
    (void)state;
    for (size_t lose = 0; lose < 12; lose++) {
        struct duo *d = make_duo(NULL, NULL);
        size_t seen = 0;
        int64_t start_us = now_us;
        while (now_us - start_us < 4000 * MS && (kg_dtls_get_state(d->client.dtls) != KG_DTLS_CONNECTED ||
                                                 kg_dtls_get_state(d->server.dtls) != KG_DTLS_CONNECTED)) {
            struct end *ends[2] = {&d->client, &d->server};
            for (int k = 0; k < 2; k++) {
                struct end *from = ends[k], *to = ends[!k];
                for (size_t i = 0; i < from->count; i++)
                    if (seen++ != lose)
                        kg_dtls_receive(to->dtls, from->out[i].data, from->out[i].size, now_us);
                from->count = 0;
            }
            now_us += 10 * MS;
            kg_dtls_tick(d->client.dtls, now_us);
            kg_dtls_tick(d->server.dtls, now_us);
        }
        assert_in_range(now_us - start_us, 0, 500 * MS);
        free_duo(d);
    }
}

static void retransmission_doubles_and_ends(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    int64_t start_us = now_us;
    static const int64_t want_ms[] = {100,  300,  700,  1500, 3100,
                                      4700, 6300, 7900, 9500}; /* 100, ×2, at most 1600 */
    d->client.count = 0;
    for (size_t i = 0; i < KG_ARRAY_LEN(want_ms); i++) {
        assert_int_equal(kg_dtls_next_us(d->client.dtls) - start_us, want_ms[i] * MS);
        now_us = kg_dtls_next_us(d->client.dtls);
        kg_dtls_tick(d->client.dtls, now_us - 1);
        assert_int_equal(d->client.count, 0);
        kg_dtls_tick(d->client.dtls, now_us);
        assert_int_equal(d->client.count, 1);
        d->client.count = 0;
    }
    now_us = start_us + KG_DTLS_HANDSHAKE_MAX_US;
    assert_int_equal(kg_dtls_next_us(d->client.dtls), now_us);
    kg_dtls_tick(d->client.dtls, now_us);
    kg_dtls_tick(d->server.dtls, now_us);
    assert_int_equal(kg_dtls_get_error(d->client.dtls), KG_DTLS_TIMEOUT);
    assert_int_equal(kg_dtls_get_error(d->server.dtls), KG_DTLS_TIMEOUT);
    assert_int_equal(d->client.count, 0);
    kg_dtls_receive(d->client.dtls, "\x16\xfe\xfd", 3, now_us); /* too late: ignored */
    free_duo(d);
}

static void a_known_round_trip_sets_the_first_timer(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    struct kg_dtls_params p = {
        .identity = d->identity[0], .client = true, .send = on_send, .user = &d->client};
    struct kg_dtls *slow = kg_dtls_create(&p);
    kg_dtls_start(slow, 200 * MS, now_us);
    assert_int_equal(kg_dtls_next_us(slow) - now_us, 600 * MS);
    kg_dtls_start(slow, 1, now_us); /* once only */
    kg_dtls_destroy(slow);
    free_duo(d);
}

/* The same half of a hello again and again: OpenSSL would go on for ever. */
static void a_flood_before_keys_is_cut_off(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    uint8_t part[2][1500];
    size_t part_size[2], given = 0;
    split_hello(d->client.out[0].data, d->client.out[0].size, part, part_size);
    for (uint16_t i = 1; given <= KG_DTLS_HANDSHAKE_MAX_BYTES; i++) {
        assert_int_equal(kg_dtls_get_state(d->server.dtls), KG_DTLS_HANDSHAKING);
        kg_put_u16(part[1] + 9, i);
        kg_dtls_receive(d->server.dtls, part[1], part_size[1], now_us);
        given += part_size[1];
    }
    assert_int_equal(kg_dtls_get_error(d->server.dtls), KG_DTLS_FAILED);
    assert_int_equal(d->server.count, 0);
    free_duo(d);
}

static void nonsense_in_a_handshake_ends_it(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    uint8_t junk[200] = {22, 0xfe, 0xfd};
    kg_put_u16(junk + 11, sizeof junk - RECORD_HEADER);
    kg_dtls_receive(d->server.dtls, junk, sizeof junk, now_us);
    assert_int_equal(kg_dtls_get_error(d->server.dtls), KG_DTLS_FAILED);
    free_duo(d);
}

static void goodbye_and_alerts_end_it(void **state)
{
    (void)state;
    struct duo *d = make_duo(NULL, NULL);
    finish_handshake(d);
    kg_dtls_close(d->server.dtls);
    assert_int_equal(kg_dtls_get_state(d->server.dtls), KG_DTLS_CLOSED);
    assert_int_equal(d->server.count, 1);
    move(&d->server, &d->client);
    assert_int_equal(kg_dtls_get_error(d->client.dtls), KG_DTLS_PEER_CLOSED);
    assert_null(kg_dtls_make_srtp(d->client.dtls));
    free_duo(d);

    d = make_duo(NULL, NULL);
    finish_handshake(d);
    static const uint8_t forged[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0,
                                     0,  0,    99,   0, 2, 1, 0}; /* plain-text close_notify */
    kg_dtls_receive(d->client.dtls, forged, sizeof forged, now_us);
    assert_int_equal(kg_dtls_get_state(d->client.dtls), KG_DTLS_CONNECTED);
    free_duo(d);

    d = make_duo(NULL, NULL); /* in mid-handshake nobody can authenticate an alert; a fatal one is believed */
    static const uint8_t fatal[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40};
    kg_dtls_receive(d->client.dtls, fatal, sizeof fatal, now_us);
    assert_int_equal(kg_dtls_get_error(d->client.dtls), KG_DTLS_FAILED);
    free_duo(d);
}

static void the_server_chooses_by_its_own_order(void **state)
{
    (void)state;
    static const struct {
        const char *client, *server;
        enum kg_srtp_profile want;
    } rows[] = {
        {"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", NULL, KG_SRTP_AEAD_AES_128_GCM},
        {"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80", "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM",
         KG_SRTP_AES128_CM_SHA1_80},
        {"SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80", NULL, KG_SRTP_AES128_CM_SHA1_80},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        struct duo *d = make_duo(rows[i].client, rows[i].server);
        finish_handshake(d);
        struct kg_srtp *s = kg_dtls_make_srtp(d->server.dtls), *c = kg_dtls_make_srtp(d->client.dtls);
        assert_int_equal(kg_srtp_get_profile(s), rows[i].want);
        assert_int_equal(kg_srtp_get_profile(c), rows[i].want);
        kg_srtp_destroy(s);
        kg_srtp_destroy(c);
        free_duo(d);
    }
}

static void profiles_libsrtp_cannot_do_make_no_keys(void **state)
{
    (void)state;
    struct duo *d = make_duo("SRTP_AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM");
    finish_handshake(d);
    assert_null(kg_dtls_make_srtp(d->server.dtls));
    struct kg_dtls_params p = {
        .identity = d->identity[0], .send = on_send, .user = &d->client, .srtp_profiles = "NO_SUCH_PROFILE"};
    assert_null(kg_dtls_create(&p));
    kg_dtls_destroy(NULL);
    free_duo(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_make_matching_keys),
        cmocka_unit_test(a_hello_in_two_datagrams_in_any_order),
        cmocka_unit_test(every_single_loss_is_repaired),
        cmocka_unit_test(retransmission_doubles_and_ends),
        cmocka_unit_test(a_known_round_trip_sets_the_first_timer),
        cmocka_unit_test(a_flood_before_keys_is_cut_off),
        cmocka_unit_test(nonsense_in_a_handshake_ends_it),
        cmocka_unit_test(goodbye_and_alerts_end_it),
        cmocka_unit_test(the_server_chooses_by_its_own_order),
        cmocka_unit_test(profiles_libsrtp_cannot_do_make_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
