/* SRTP against the RFCs' own numbers, without libsrtp: a small reference in OpenSSL is first held to the
 * published vectors, then our wrapper is held to the reference, profile by profile. */
#include "unit/cmocka_all.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/bytes.h"
#include "net/srtp.h"

static void aes_ctr(const uint8_t key[16], const uint8_t iv[16], uint8_t *data, size_t size)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_ctr(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, data, &n, data, (int)size), 1);
    EVP_CIPHER_CTX_free(c);
}

/* RFC 3711 §4.3.1 with §4.3.3: key derivation rate 0. salt: 14 bytes; RFC 7714 §11 pads its 12 with zeros. */
static void derive(const uint8_t key[16], const uint8_t salt[14], uint8_t label, uint8_t *out, size_t size)
{
    uint8_t iv[16] = {0};
    memcpy(iv, salt, 14);
    iv[7] ^= label;
    memset(out, 0, size);
    aes_ctr(key, iv, out, size);
}

/* RFC 7714 §8.1, §9: out gets cipher text and tag. */
static void gcm_seal(const uint8_t key[16], const uint8_t salt[12], uint32_t ssrc, uint32_t roc,
                     uint16_t sequence, const uint8_t *aad, size_t aad_size, const uint8_t *text, size_t size,
                     uint8_t *out)
{
    uint8_t iv[12] = {0};
    kg_put_u32(iv + 2, ssrc);
    kg_put_u32(iv + 6, roc);
    kg_put_u16(iv + 10, sequence);
    for (int i = 0; i < 12; i++)
        iv[i] ^= salt[i];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_size), 1);
    assert_int_equal(EVP_EncryptUpdate(c, out, &n, text, (int)size), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + size), 1);
    EVP_CIPHER_CTX_free(c);
}

static void reference_derives_as_rfc3711_b3(void **state)
{
    (void)state;
    static const uint8_t key[] = {0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0,
                                  0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE, 0x41, 0x39};
    static const uint8_t salt[] = {0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE,
                                   0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6};
    static const uint8_t want_key[] = {0xC6, 0x1E, 0x7A, 0x93, 0x74, 0x4F, 0x39, 0xEE,
                                       0x10, 0x73, 0x4A, 0xFE, 0x3F, 0xF7, 0xA0, 0x87};
    static const uint8_t want_salt[] = {0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C,
                                        0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1};
    static const uint8_t want_auth[] = {0xCE, 0xBE, 0x32, 0x1F, 0x6F, 0xF7, 0x71, 0x6B, 0x6F, 0xD4,
                                        0xAB, 0x49, 0xAF, 0x25, 0x6A, 0x15, 0x6D, 0x38, 0xBA, 0xA4};
    uint8_t out[20];
    derive(key, salt, 0, out, 16);
    assert_memory_equal(out, want_key, 16);
    derive(key, salt, 2, out, 14);
    assert_memory_equal(out, want_salt, 14);
    derive(key, salt, 1, out, 20);
    assert_memory_equal(out, want_auth, 20);
}

static void reference_seals_as_rfc7714_16_1_1(void **state)
{
    (void)state;
    static const uint8_t header[] = {0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0, 0xb2};
    static const uint8_t salt[] = {0x51, 0x75, 0x69, 0x64, 0x20, 0x70, 0x72, 0x6f, 0x20, 0x71, 0x75, 0x6f};
    static const char text[] = "Gallia est omnis divisa in partes tres";
    static const uint8_t want[] = {0xf2, 0x4d, 0xe3, 0xa3, 0xfb, 0x34, 0xde, 0x6c, 0xac, 0xba, 0x86,
                                   0x1c, 0x9d, 0x7e, 0x4b, 0xca, 0xbe, 0x63, 0x3b, 0xd5, 0x0d, 0x29,
                                   0x4e, 0x6f, 0x42, 0xa5, 0xf4, 0x7a, 0x51, 0xc7, 0xd1, 0x9b, 0x36,
                                   0xde, 0x3a, 0xdf, 0x88, 0x33, 0x89, 0x9d, 0x7f, 0x27, 0xbe, 0xb1,
                                   0x6a, 0x91, 0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce};
    uint8_t key[16], out[sizeof want];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    gcm_seal(key, salt, kg_get_u32(header + 8), 0, kg_get_u16(header + 2), header, sizeof header,
             (const uint8_t *)text, sizeof text - 1, out);
    assert_memory_equal(out, want, sizeof want);
}

static const uint8_t master[60] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 7, 1, 8,
                                   2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 3, 6, 0, 2, 8,
                                   7, 4, 7, 1, 3, 5, 2, 6, 6, 2, 4, 9, 7, 7, 5, 7, 2, 4, 7, 0};

static size_t make_packet(uint8_t *packet, uint16_t sequence)
{
    static const uint8_t header[] = {
        0x91, 0xe0, 0, 0, 1,    2,    3, 4, 0xca, 0xfe, 0xba, 0xbe, /* CSRC, extension */
        0,    0,    0, 9, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0,    0};
    memcpy(packet, header, sizeof header);
    kg_put_u16(packet + 2, sequence);
    for (size_t i = 0; i < 40; i++)
        packet[sizeof header + i] = (uint8_t)(i * 3);
    return sizeof header + 40;
}

/* Sequences 65534 … 1, so that the rollover counter enters the nonce. */
static void wrapper_agrees_in_gcm(void **state)
{
    (void)state;
    uint8_t salt[14] = {0}, key[16], session_salt[12], packet[128], want[128];
    struct kg_srtp *s =
        kg_srtp_create(KG_SRTP_AEAD_AES_128_GCM, master, 56, false); /* server: second key, second salt */
    assert_non_null(s);
    memcpy(salt, master + 32 + 12, 12);
    derive(master + 16, salt, 0, key, 16);
    derive(master + 16, salt, 2, session_salt, 12);
    for (uint32_t i = 0; i < 4; i++) {
        uint16_t sequence = (uint16_t)(65534 + i);
        size_t size = make_packet(packet, sequence);
        memcpy(want, packet, 24);
        gcm_seal(key, session_salt, 0xcafebabe, i < 2 ? 0 : 1, sequence, packet, 24, packet + 24, 40,
                 want + 24);
        assert_int_equal(kg_srtp_protect_rtp(s, packet, &size, sizeof packet), KG_SRTP_OK);
        assert_int_equal(size, 24 + 40 + 16);
        assert_memory_equal(packet, want, size);
    }
    kg_srtp_destroy(s);
}

static void wrapper_agrees_in_sha1_80(void **state)
{
    (void)state;
    uint8_t key[16], auth[20], salt[14], packet[128], want[128], mac[20];
    unsigned mac_size;
    struct kg_srtp *s =
        kg_srtp_create(KG_SRTP_AES128_CM_SHA1_80, master, 60, true); /* client: first key, first salt */
    assert_non_null(s);
    derive(master, master + 32, 0, key, 16);
    derive(master, master + 32, 1, auth, 20);
    derive(master, master + 32, 2, salt, 14);
    for (uint32_t i = 0; i < 4; i++) {
        uint16_t sequence = (uint16_t)(65534 + i);
        uint32_t roc = i < 2 ? 0 : 1;
        size_t size = make_packet(packet, sequence);
        memcpy(want, packet, size);
        uint8_t iv[16] = {0}; /* RFC 3711 §4.1.1 */
        memcpy(iv, salt, 14);
        kg_put_u32(iv + 4, kg_get_u32(iv + 4) ^ 0xcafebabe);
        kg_put_u32(iv + 8, kg_get_u32(iv + 8) ^ roc);
        kg_put_u16(iv + 12, kg_get_u16(iv + 12) ^ sequence);
        aes_ctr(key, iv, want + 24, 40);
        kg_put_u32(want + size, roc); /* §4.2: M = packet ‖ ROC */
        HMAC(EVP_sha1(), auth, sizeof auth, want, size + 4, mac, &mac_size);
        memcpy(want + size, mac, 10);
        assert_int_equal(kg_srtp_protect_rtp(s, packet, &size, sizeof packet), KG_SRTP_OK);
        assert_int_equal(size, 24 + 40 + 10);
        assert_memory_equal(packet, want, size);
    }
    kg_srtp_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_derives_as_rfc3711_b3),
        cmocka_unit_test(reference_seals_as_rfc7714_16_1_1),
        cmocka_unit_test(wrapper_agrees_in_gcm),
        cmocka_unit_test(wrapper_agrees_in_sha1_80),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
