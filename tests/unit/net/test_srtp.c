#include "unit/cmocka_all.h"

#include <jansson.h>

#include "base/bytes.h"
#include "net/srtp.h"

static void make_keys(enum kg_srtp_profile profile, uint8_t keys[KG_SRTP_MAX_KEYS])
{
    for (size_t i = 0; i < kg_srtp_key_bytes(profile); i++)
        keys[i] = (uint8_t)(i * 7 + 1);
}

struct pair {
    struct kg_srtp *client, *server;
};

static struct pair make_pair(enum kg_srtp_profile profile)
{
    uint8_t keys[KG_SRTP_MAX_KEYS];
    make_keys(profile, keys);
    struct pair p = {kg_srtp_create(profile, keys, kg_srtp_key_bytes(profile), true),
                     kg_srtp_create(profile, keys, kg_srtp_key_bytes(profile), false)};
    assert_non_null(p.client);
    assert_non_null(p.server);
    return p;
}

static void free_pair(struct pair p)
{
    kg_srtp_destroy(p.client);
    kg_srtp_destroy(p.server);
}

static const enum kg_srtp_profile both[] = {KG_SRTP_AEAD_AES_128_GCM, KG_SRTP_AES128_CM_SHA1_80};

static size_t make_rtp(uint8_t *packet, uint32_t ssrc, uint16_t sequence, uint8_t fill, size_t payload)
{
    memset(packet, 0, 12);
    packet[0] = 0x80;
    packet[1] = 96;
    kg_put_u16(packet + 2, sequence);
    kg_put_u32(packet + 8, ssrc);
    memset(packet + 12, fill, payload);
    return 12 + payload;
}

static size_t make_rtcp(uint8_t *packet, uint32_t ssrc)
{
    static const uint8_t rr[] = {0x80, 201, 0, 1};
    memcpy(packet, rr, sizeof rr);
    kg_put_u32(packet + 4, ssrc);
    return 8;
}

static void both_profiles_go_round(void **state)
{
    (void)state;
    for (size_t k = 0; k < KG_ARRAY_LEN(both); k++) {
        struct pair p = make_pair(both[k]);
        assert_int_equal(kg_srtp_get_profile(p.client), both[k]);
        size_t tag = both[k] == KG_SRTP_AEAD_AES_128_GCM ? 16 : 10;
        uint8_t wire[256], plain[256];
        for (uint16_t i = 0; i < 50; i++) {
            size_t size = make_rtp(wire, 0xabcd, (uint16_t)(65520 + i), (uint8_t)i, 100), want = size;
            memcpy(plain, wire, size);
            assert_int_equal(kg_srtp_protect_rtp(p.client, wire, &size, want + tag), KG_SRTP_OK);
            assert_int_equal(size, want + tag);
            assert_memory_equal(wire, plain, 12);
            assert_memory_not_equal(wire + 12, plain + 12, 100);
            assert_int_equal(kg_srtp_unprotect_rtp(p.server, wire, &size), KG_SRTP_OK);
            assert_int_equal(size, want);
            assert_memory_equal(wire, plain, want);

            size = make_rtcp(wire, 0xabcd);
            assert_int_equal(kg_srtp_protect_rtcp(p.server, wire, &size, 8 + tag + 4), KG_SRTP_OK);
            assert_int_equal(size, 8 + tag + 4);
            assert_int_equal(kg_srtp_unprotect_rtcp(p.client, wire, &size), KG_SRTP_OK);
            assert_int_equal(size, 8);
        }
        free_pair(p);
    }
}

static void names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(kg_srtp_profile_name(KG_SRTP_AEAD_AES_128_GCM), "AEAD_AES_128_GCM");
    assert_string_equal(kg_srtp_profile_name(KG_SRTP_AES128_CM_SHA1_80), "AES128_CM_SHA1_80");
    assert_string_equal(kg_srtp_profile_name(KG_SRTP_NONE), "none");
    assert_int_equal(kg_srtp_key_bytes(KG_SRTP_AEAD_AES_128_GCM), 56);
    assert_int_equal(kg_srtp_key_bytes(KG_SRTP_AES128_CM_SHA1_80), 60);
    assert_int_equal(kg_srtp_key_bytes((enum kg_srtp_profile)2), 0);
    uint8_t keys[KG_SRTP_MAX_KEYS] = {0};
    assert_null(kg_srtp_create(KG_SRTP_NONE, keys, 0, true));
    assert_null(kg_srtp_create(KG_SRTP_AEAD_AES_128_GCM, keys, 60, true));
    kg_srtp_destroy(NULL);
}

static void every_damage_has_its_name(void **state)
{
    (void)state;
    for (size_t k = 0; k < KG_ARRAY_LEN(both); k++) {
        struct pair p = make_pair(both[k]);
        uint8_t wire[256], copy[256];
        size_t size = make_rtp(wire, 9, 100, 1, 60), sealed = size;
        assert_int_equal(kg_srtp_protect_rtp(p.client, wire, &sealed, sizeof wire), KG_SRTP_OK);
        for (size_t i = 0; i < sealed; i++) { /* any bit wrong: refused, and no stream is remembered */
            memcpy(copy, wire, sealed);
            copy[i] ^= 1;
            size_t n = sealed;
            enum kg_srtp_result r = kg_srtp_unprotect_rtp(p.server, copy, &n);
            assert_true(r == KG_SRTP_AUTH || (i == 0 && r == KG_SRTP_SHORT));
        }
        for (size_t n = 0; n < sealed; n++) {
            uint8_t *exact = malloc(n + 1);
            size_t left = n;
            memcpy(exact, wire, n);
            assert_int_not_equal(kg_srtp_unprotect_rtp(p.server, exact, &left), KG_SRTP_OK);
            left = n;
            assert_int_not_equal(kg_srtp_unprotect_rtcp(p.server, exact, &left), KG_SRTP_OK);
            free(exact);
        }
        size_t n = sealed;
        memcpy(copy, wire, sealed);
        assert_int_equal(kg_srtp_unprotect_rtp(p.server, copy, &n), KG_SRTP_OK);
        n = sealed;
        memcpy(copy, wire, sealed);
        assert_int_equal(kg_srtp_unprotect_rtp(p.server, copy, &n), KG_SRTP_REPLAY);
        n = sealed; /* our own packet, mirrored: other keys */
        memcpy(copy, wire, sealed);
        assert_int_equal(kg_srtp_unprotect_rtp(p.client, copy, &n), KG_SRTP_AUTH);

        n = make_rtcp(wire, 9);
        assert_int_equal(kg_srtp_protect_rtcp(p.client, wire, &n, sizeof wire), KG_SRTP_OK);
        sealed = n;
        memcpy(copy, wire, sealed);
        copy[5] ^= 1;
        assert_int_equal(kg_srtp_unprotect_rtcp(p.server, copy, &n), KG_SRTP_AUTH);
        memcpy(copy, wire, n = sealed);
        assert_int_equal(kg_srtp_unprotect_rtcp(p.server, copy, &n), KG_SRTP_OK);
        memcpy(copy, wire, n = sealed);
        assert_int_equal(kg_srtp_unprotect_rtcp(p.server, copy, &n), KG_SRTP_REPLAY);
        free_pair(p);
    }
}

static void malformed_packets_are_not_sent(void **state)
{
    (void)state;
    struct pair p = make_pair(KG_SRTP_AEAD_AES_128_GCM);
    uint8_t packet[64];
    size_t size = make_rtp(packet, 1, 1, 0, 20);
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 32 + 15),
                     KG_SRTP_SHORT); /* no room for the tag */
    packet[0] = 0x85;                /* five CSRCs take the whole payload */
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 64), KG_SRTP_OK);
    packet[0] = 0x86;
    size = 32;
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 64), KG_SRTP_SHORT);
    size = make_rtp(packet, 1, 2, 0xff, 20);
    packet[0] = 0x90; /* an extension of 65535 words */
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 64), KG_SRTP_SHORT);
    packet[0] = 0x40;
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 64), KG_SRTP_SHORT);
    size = 11;
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, 64), KG_SRTP_SHORT);
    size = 7;
    assert_int_equal(kg_srtp_protect_rtcp(p.client, packet, &size, 64), KG_SRTP_SHORT);
    size = 8;
    assert_int_equal(kg_srtp_protect_rtcp(p.client, packet, &size, 27), KG_SRTP_SHORT);
    size = SIZE_MAX - 4;
    assert_int_equal(kg_srtp_protect_rtp(p.client, packet, &size, SIZE_MAX), KG_SRTP_SHORT);
    assert_int_equal(kg_srtp_unprotect_rtp(p.client, packet, &size), KG_SRTP_SHORT);
    assert_int_equal(kg_srtp_unprotect_rtcp(p.client, packet, &size), KG_SRTP_SHORT);
    free_pair(p);
}

static void the_number_of_streams_is_bounded(void **state)
{
    (void)state;
    struct pair p = make_pair(KG_SRTP_AEAD_AES_128_GCM);
    uint8_t wire[64];
    for (uint32_t i = 0; i <= KG_SRTP_MAX_SEND_SSRC; i++) {
        size_t size = make_rtp(wire, 1000 + i, 1, 0, 20);
        enum kg_srtp_result sent = kg_srtp_protect_rtp(p.client, wire, &size, sizeof wire);
        assert_int_equal(sent, i < KG_SRTP_MAX_SEND_SSRC ? KG_SRTP_OK : KG_SRTP_LIMIT);
        if (sent != KG_SRTP_OK)
            break;
        enum kg_srtp_result got = kg_srtp_unprotect_rtp(p.server, wire, &size);
        assert_int_equal(got, i < KG_SRTP_MAX_RECEIVE_SSRC ? KG_SRTP_OK : KG_SRTP_LIMIT);
    }
    size_t size = make_rtp(wire, 1000, 2, 0, 20); /* the known ones go on */
    assert_int_equal(kg_srtp_protect_rtp(p.client, wire, &size, sizeof wire), KG_SRTP_OK);
    assert_int_equal(kg_srtp_unprotect_rtp(p.server, wire, &size), KG_SRTP_OK);
    free_pair(p);
}

static void reordering_within_the_window_passes(void **state)
{
    (void)state;
    struct pair p = make_pair(KG_SRTP_AEAD_AES_128_GCM);
    uint8_t wire[64];
    static const struct {
        uint16_t sequence;
        enum kg_srtp_result want;
    } steps[] = {
        {40000, KG_SRTP_OK},     {40002, KG_SRTP_OK}, {40001, KG_SRTP_OK},     {40001, KG_SRTP_REPLAY},
        {41024, KG_SRTP_OK},     {40003, KG_SRTP_OK}, {40000, KG_SRTP_REPLAY}, /* just outside */
        {65535, KG_SRTP_OK},     {3, KG_SRTP_OK},     {65534, KG_SRTP_OK},     {0, KG_SRTP_OK},
        {65535, KG_SRTP_REPLAY},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(steps); i++) {
        size_t size = make_rtp(wire, 1, steps[i].sequence, 0, 20);
        assert_int_equal(kg_srtp_protect_rtp(p.client, wire, &size, sizeof wire), steps[i].want);
        if (steps[i].want == KG_SRTP_OK)
            assert_int_equal(kg_srtp_unprotect_rtp(p.server, wire, &size), KG_SRTP_OK);
    }
    free_pair(p);
}

/* The law of the house: no two texts under one nonce. With a constant payload AES-GCM's ciphertext is the key
 * stream, so two packets under one nonce would show the same bytes. Sequences wander, wrap, jump and repeat.
 */
static void no_key_stream_is_ever_used_twice(void **state)
{
    (void)state;
    enum { STEPS = 20000, BYTES = 16 };
    for (size_t k = 0; k < KG_ARRAY_LEN(both); k++) {
        struct pair p = make_pair(both[k]);
        uint64_t *seen = calloc(65536 * 2, sizeof *seen); /* open addressing; 20,000 entries at most */
        uint32_t random = 12345, refused = 0, sent = 0;
        uint16_t at[2] = {65000, 10};
        for (int i = 0; i < STEPS; i++) {
            random = random * 1103515245 + 12345;
            unsigned stream = random >> 30 & 1, dice = random >> 16 & 255;
            uint16_t sequence;
            if (dice < 200)
                sequence = ++at[stream];
            else if (dice < 230)
                sequence = (uint16_t)(at[stream] - (random >> 8 & 15)); /* late or repeated */
            else if (dice < 254)
                sequence = (uint16_t)(at[stream] - (random >> 8 & 2047));
            else
                sequence = at[stream] = (uint16_t)(at[stream] + (random >> 8 & 8191));
            uint8_t wire[64];
            size_t size = make_rtp(wire, 77 + stream, sequence, 0, BYTES);
            enum kg_srtp_result r = kg_srtp_protect_rtp(p.client, wire, &size, sizeof wire);
            if (r != KG_SRTP_OK) {
                assert_int_equal(r, KG_SRTP_REPLAY);
                refused++;
                continue;
            }
            sent++;
            uint64_t stream_bytes;
            memcpy(&stream_bytes, wire + 12, sizeof stream_bytes);
            size_t slot = stream_bytes % (65536 * 2);
            while (seen[slot]) {
                assert_true(seen[slot] != stream_bytes);
                slot = (slot + 1) % (65536 * 2);
            }
            seen[slot] = stream_bytes;
        }
        assert_true(sent > STEPS / 2);
        assert_true(refused > 500); /* the test did try */
        free(seen);
        free_pair(p);
    }
}

/* --- libsrtp's own vectors, where the corpora are at hand --- */

static size_t hex(const json_t *object, const char *name, uint8_t *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    size_t n = strlen(text) / 2;
    assert_true(n <= size);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + i * 2, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

static void check_vector(const json_t *root, const char *group, const char *rtp_name, const char *key_name,
                         enum kg_srtp_profile profile)
{
    const json_t *v = json_object_get(root, group), *global = json_object_get(root, "global");
    uint8_t key[64], keys[KG_SRTP_MAX_KEYS], plain[64], cipher[64], wire[64];
    size_t salt = profile == KG_SRTP_AEAD_AES_128_GCM ? 12 : 14;
    assert_non_null(v);
    assert_true(hex(global, key_name, key, sizeof key) >= 16 + salt);
    memcpy(keys, key, 16); /* the same both ways: client key, server key, client salt, server salt */
    memcpy(keys + 16, key, 16);
    memcpy(keys + 32, key + 16, salt);
    memcpy(keys + 32 + salt, key + 16, salt);
    struct kg_srtp *s = kg_srtp_create(profile, keys, kg_srtp_key_bytes(profile), true);
    assert_non_null(s);
    size_t plain_size = hex(v, rtp_name, plain, sizeof plain);
    size_t cipher_size = hex(v, "srtp_ciphertext", cipher, sizeof cipher), size = plain_size;
    memcpy(wire, plain, plain_size);
    assert_int_equal(kg_srtp_protect_rtp(s, wire, &size, sizeof wire), KG_SRTP_OK);
    assert_int_equal(size, cipher_size);
    assert_memory_equal(wire, cipher, cipher_size);
    assert_int_equal(kg_srtp_unprotect_rtp(s, wire, &size), KG_SRTP_OK);
    assert_memory_equal(wire, plain, plain_size);

    plain_size = hex(v, "rtcp_plaintext_ref", plain, sizeof plain);
    cipher_size = hex(v, "srtcp_ciphertext", cipher, sizeof cipher);
    memcpy(wire, plain, size = plain_size);
    assert_int_equal(kg_srtp_protect_rtcp(s, wire, &size, sizeof wire), KG_SRTP_OK);
    assert_int_equal(size, cipher_size);
    assert_memory_equal(wire, cipher, cipher_size);
    assert_int_equal(kg_srtp_unprotect_rtcp(s, wire, &size), KG_SRTP_OK);
    assert_memory_equal(wire, plain, plain_size);
    kg_srtp_destroy(s);
}

static void known_vectors(void **state)
{
    (void)state;
    char path[512];
    const char *data = getenv("KAIGI_DATA");
    snprintf(path, sizeof path, "%s/corpora/libsrtp/srtp_driver_vectors.json", data ? data : KAIGI_DATA);
    json_t *root = json_load_file(path, 0, NULL);
    if (!root)
        skip();
    check_vector(root, "srtp_validate", "srtp_plaintext_ref", "test_key", KG_SRTP_AES128_CM_SHA1_80);
    check_vector(root, "srtp_validate_gcm", "rtp_plaintext_ref", "test_key_gcm", KG_SRTP_AEAD_AES_128_GCM);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_profiles_go_round),
        cmocka_unit_test(names_and_sizes),
        cmocka_unit_test(every_damage_has_its_name),
        cmocka_unit_test(malformed_packets_are_not_sent),
        cmocka_unit_test(the_number_of_streams_is_bounded),
        cmocka_unit_test(reordering_within_the_window_passes),
        cmocka_unit_test(no_key_stream_is_ever_used_twice),
        cmocka_unit_test(known_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
