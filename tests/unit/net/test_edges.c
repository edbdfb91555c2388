/* Paths, demultiplexing, fingerprints, and a look into a ClientHello: the small pure parts at the transport's
 * edge. */
#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "net/client_hello.h"
#include "net/demux.h"
#include "net/identity.h"
#include "net/path.h"

static struct kg_path v4(const char *address, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
    return kg_path_udp((struct sockaddr *)&a);
}

static struct kg_path v6(const char *address, uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, address, &a.sin6_addr), 1);
    return kg_path_udp((struct sockaddr *)&a);
}

static void one_peer_is_one_path(void **state)
{
    (void)state;
    char text[KG_PATH_TEXT_BYTES];
    struct kg_path a = v4("192.0.2.1", 5000), b = v6("::ffff:192.0.2.1", 5000), c = v6("2001:db8::1", 5000);
    assert_true(kg_path_equal(&a, &b));
    assert_int_equal(kg_path_hash(&a), kg_path_hash(&b));
    assert_false(kg_path_equal(&a, &c));
    struct kg_path other[] = {
        v4("192.0.2.1", 5001), v4("192.0.2.2", 5000), kg_path_tunnel(5000), {.kind = KG_PATH_NONE}};
    for (size_t i = 0; i < KG_ARRAY_LEN(other); i++) {
        assert_false(kg_path_equal(&a, &other[i]));
        assert_true(kg_path_equal(&other[i], &other[i]));
        assert_int_not_equal(kg_path_hash(&a), kg_path_hash(&other[i]));
    }
    struct kg_path t1 = kg_path_tunnel(1), t2 = kg_path_tunnel(2), c2 = v6("2001:db8::2", 5000);
    assert_false(kg_path_equal(&t1, &t2));
    assert_false(kg_path_equal(&c, &c2));
    assert_string_equal(kg_path_text(&b, text), "udp 192.0.2.1:5000");
    assert_string_equal(kg_path_text(&c, text), "udp [2001:db8::1]:5000");
    assert_string_equal(kg_path_text(&t2, text), "tunnel 2");
    assert_string_equal(kg_path_text(&other[3], text), "none");
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_int_equal(kg_path_udp(&local).kind, KG_PATH_NONE);
}

static void first_bytes_tell_protocols_apart(void **state)
{
    (void)state;
    uint8_t data[32] = {0};
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            data[0] = (uint8_t)first;
            data[1] = (uint8_t)second;
            kg_put_u32(data + 4, 0x2112A442);
            enum kg_demux want = KG_DEMUX_NONE;
            if (first <= 3)
                want = KG_DEMUX_STUN;
            else if (first >= 20 && first <= 63)
                want = KG_DEMUX_DTLS;
            else if (first >= 128 && first <= 191)
                want = second >= 192 && second <= 223 ? KG_DEMUX_RTCP : KG_DEMUX_RTP;
            assert_int_equal(kg_demux_classify(data, sizeof data), want);
        }
    }
    static const struct {
        uint8_t first, second;
        size_t least;
        enum kg_demux kind;
    } rows[] = {{0, 1, 20, KG_DEMUX_STUN},
                {22, 0xfe, 13, KG_DEMUX_DTLS},
                {0x80, 96, 12, KG_DEMUX_RTP},
                {0x80, 200, 8, KG_DEMUX_RTCP}};
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        data[0] = rows[i].first;
        data[1] = rows[i].second;
        assert_int_equal(kg_demux_classify(data, rows[i].least), rows[i].kind);
        assert_int_equal(kg_demux_classify(data, rows[i].least - 1), KG_DEMUX_NONE);
    }
    data[0] = 0;
    data[4] = 0; /* no cookie: RFC 3489's STUN, or anything */
    assert_int_equal(kg_demux_classify(data, sizeof data), KG_DEMUX_NONE);
    assert_int_equal(kg_demux_classify(data, 0), KG_DEMUX_NONE);
}

static void fingerprints_go_round(void **state)
{
    (void)state;
    struct kg_identity *a = kg_identity_create(), *b = kg_identity_create();
    char text[KG_FINGERPRINT_TEXT_BYTES];
    assert_memory_not_equal(kg_identity_fingerprint(a), kg_identity_fingerprint(b), KG_FINGERPRINT_BYTES);
    kg_fingerprint_text(kg_identity_fingerprint(a), text);
    assert_int_equal(strlen(text), 95);
    assert_int_equal(strspn(text, "0123456789ABCDEF:"), 95);
    uint8_t of[KG_FINGERPRINT_BYTES];
    assert_true(kg_fingerprint_of(SSL_CTX_get0_certificate(kg_identity_dtls(a)), of));
    assert_memory_equal(of, kg_identity_fingerprint(a), KG_FINGERPRINT_BYTES);
    kg_identity_destroy(a);
    kg_identity_destroy(b);
    kg_identity_destroy(NULL);
}

/* A real ClientHello by OpenSSL, with these ALPN names (wire format) and padding of the session's server
 * name. */
static size_t make_hello(const char *alpn, const char *name, uint8_t *out, size_t size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *written = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, written);
    if (alpn)
        assert_int_equal(SSL_set_alpn_protos(ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn)), 0);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    SSL_set_connect_state(ssl);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    int n = BIO_read(written, out, (int)size);
    assert_true(n > 50);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)n;
}

/* Copies to the heap, so that ASan sees a read past the end. */
static enum kg_client_hello ask(const uint8_t *data, size_t size, const char *alpn)
{
    uint8_t *exact = malloc(size + !size);
    memcpy(exact, data, size);
    enum kg_client_hello answer = kg_client_hello_offers(exact, size, alpn);
    free(exact);
    return answer;
}

static void a_hello_is_read_at_every_length(void **state)
{
    (void)state;
    uint8_t hello[4096];
    size_t size = make_hello("\x08http/1.1\x0bkaigi-media", "relay.example", hello, sizeof hello);
    for (size_t n = 0; n < size; n++)
        assert_int_equal(ask(hello, n, "kaigi-media"), KG_CLIENT_HELLO_MORE);
    assert_int_equal(ask(hello, size, "kaigi-media"), KG_CLIENT_HELLO_YES);
    assert_int_equal(ask(hello, size, "http/1.1"), KG_CLIENT_HELLO_YES);
    assert_int_equal(ask(hello, size, "kaigi-medi"), KG_CLIENT_HELLO_NO);
    assert_int_equal(ask(hello, size, "kaigi-mediaa"), KG_CLIENT_HELLO_NO);
    memset(hello + size, 0x17, 100); /* early data behind it */
    assert_int_equal(ask(hello, size + 100, "kaigi-media"), KG_CLIENT_HELLO_YES);
    size = make_hello(NULL, NULL, hello, sizeof hello);
    assert_int_equal(ask(hello, size, "kaigi-media"), KG_CLIENT_HELLO_NO);
}

static void a_hello_cut_into_records_is_joined(void **state)
{
    (void)state;
    uint8_t hello[4096], cut[8192];
    size_t size = make_hello("\x0bkaigi-media", NULL, hello, sizeof hello);
    for (size_t piece = 1; piece < 120; piece += 7) {
        size_t at = 5, n = 0;
        while (at < size) {
            size_t take = KG_MIN(piece, size - at);
            memcpy(cut + n, hello, 3);
            kg_put_u16(cut + n + 3, (uint16_t)take);
            memcpy(cut + n + 5, hello + at, take);
            n += 5 + take;
            at += take;
        }
        assert_int_equal(ask(cut, n - 1, "kaigi-media"), KG_CLIENT_HELLO_MORE);
        assert_int_equal(ask(cut, n, "kaigi-media"), KG_CLIENT_HELLO_YES);
    }
}

static void what_is_no_hello_is_refused_at_once(void **state)
{
    (void)state;
    uint8_t hello[4096], big[KG_CLIENT_HELLO_MAX_BYTES + 100];
    size_t size = make_hello("\x0bkaigi-media", NULL, hello, sizeof hello);
    assert_int_equal(ask((const uint8_t *)"GET / HTTP/1.1\r\n", 16, "x"), KG_CLIENT_HELLO_NO);
    assert_int_equal(ask((const uint8_t *)"G", 1, "x"), KG_CLIENT_HELLO_NO);
    assert_int_equal(ask((const uint8_t *)"\x16\x02", 2, "x"), KG_CLIENT_HELLO_NO);
    assert_int_equal(ask((const uint8_t *)"\x16\x03\x01\x00\x00", 5, "x"), KG_CLIENT_HELLO_NO);
    assert_int_equal(ask((const uint8_t *)"\x16\x03\x01\x00\x04\x02", 6, "x"),
                     KG_CLIENT_HELLO_NO); /* ServerHello */
    assert_int_equal(ask((const uint8_t *)"\x16\x03\x01\x40\x01", 5, "x"), KG_CLIENT_HELLO_NO);
    /* One that claims more than we read, and one that drips for ever. */
    assert_int_equal(ask((const uint8_t *)"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9, "x"),
                     KG_CLIENT_HELLO_NO);
    memset(big, 0, sizeof big);
    for (size_t at = 0; at + 6 <= sizeof big; at += 6)
        memcpy(big + at, "\x16\x03\x01\x00\x01\x01", 6);
    assert_int_equal(ask(big, sizeof big, "x"), KG_CLIENT_HELLO_NO);
    /* Every byte wrong in turn: no crash, and never MORE once whole unless the lengths were touched. */
    for (size_t i = 0; i < size; i++) {
        hello[i] ^= 0x81;
        (void)ask(hello, size, "kaigi-media");
        hello[i] ^= 0x81;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_peer_is_one_path),
        cmocka_unit_test(first_bytes_tell_protocols_apart),
        cmocka_unit_test(fingerprints_go_round),
        cmocka_unit_test(a_hello_is_read_at_every_length),
        cmocka_unit_test(a_hello_cut_into_records_is_joined),
        cmocka_unit_test(what_is_no_hello_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
