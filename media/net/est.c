#include "net/est.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_CHARACTERS = KG_EST_CODE_SIZE - 1, BASE64_LINE = 64 };

const char *kg_est_fault_text(enum kg_est_fault fault)
{
    switch (fault) {
    case KG_EST_OK:
        return "nothing is wrong";
    case KG_EST_TOO_LONG:
        return "the body is too long";
    case KG_EST_NOT_BASE64:
        return "the body is not base64";
    case KG_EST_NOT_CERTIFICATES:
        return "the body holds no certificates (a certs-only PKCS#7 in DER, as base64)";
    case KG_EST_MEMORY:
        return "memory is short";
    }
    return "?";
}

/* --- base64 (RFC 4648 §4, with line ends anywhere, as RFC 8951 §3.1 wants them tolerated)
 * --------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static bool is_space(char c)
{
    return c == '\r' || c == '\n' || c == ' ' || c == '\t';
}

/* The bytes (free() them), at least one. NULL: *fault. Strict but for white space: padding is required, and
 * the bits behind the last byte must be 0, so that one content has one form. */
static uint8_t *base64_decode(const char *text, size_t size, size_t *out_size, enum kg_est_fault *fault)
{
    uint8_t *bytes = malloc(size / 4 * 3 + 3);
    uint32_t bits = 0;
    size_t used = 0;
    unsigned digits = 0, padding = 0;
    *fault = bytes ? KG_EST_NOT_BASE64 : KG_EST_MEMORY;
    for (size_t i = 0; i < size && bytes; i++) {
        int digit = digit_of(text[i]);
        if (is_space(text[i]))
            continue;
        bool pad = text[i] == '=' && (digits % 4 >= 2) && padding < 2;
        if ((digit < 0 && !pad) || (padding && !pad))
            goto refuse;
        padding += pad;
        bits = bits << 6 | (pad ? 0 : (uint32_t)digit);
        if (++digits % 4 == 0) {
            bytes[used++] = (uint8_t)(bits >> 16);
            bytes[used++] = (uint8_t)(bits >> 8);
            bytes[used++] = (uint8_t)bits;
            if ((padding == 1 && bits & 0xff) || (padding == 2 && bits & 0xffff))
                goto refuse;
        }
    }
    if (bytes && digits > 0 && digits % 4 == 0) {
        *out_size = used - padding;
        *fault = KG_EST_OK;
        return bytes;
    }

refuse:
    free(bytes);
    return NULL;
}

/* Lines of 64 characters, each ended by LF, as other servers and the usual tools have them. */
static char *base64_encode(const uint8_t *bytes, size_t size)
{
    size_t characters = (size + 2) / 3 * 4, used = 0;
    char *text = malloc(characters + characters / BASE64_LINE + 2);
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = KG_MIN(size - i, (size_t)3);
        uint32_t bits = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        for (unsigned k = 0; k < 4; k++)
            text[used++] = k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
        if ((i / 3 + 1) % (BASE64_LINE / 4) == 0 || i + 3 >= size) {
            text[used++] = '\n';
        }
    }
    text[used] = '\0';
    return text;
}

/* Takes der (OPENSSL_free). size < 0: it was not made. */
static char *encode_der(unsigned char *der, int size)
{
    char *text = size > 0 ? base64_encode(der, (size_t)size) : NULL;
    OPENSSL_free(der);
    ERR_clear_error();
    return text;
}

/* --- requests --- */

uint8_t *kg_est_request_decode(const char *body, size_t size, size_t *der_size, enum kg_est_fault *fault)
{
    *fault = KG_EST_TOO_LONG;
    return size <= KG_EST_REQUEST_MAX ? base64_decode(body, size, der_size, fault) : NULL;
}

char *kg_est_request_encode(X509_REQ *request)
{
    unsigned char *der = NULL;
    int size = i2d_X509_REQ(request, &der);
    return encode_der(der, size);
}

char *kg_est_request_pem(const uint8_t *der, size_t size)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text = NULL, *data = NULL;
    if (memory && PEM_write_bio(memory, PEM_STRING_X509_REQ, "", der, (long)size) > 0) {
        long length = BIO_get_mem_data(memory, &data);
        text = strndup(data, (size_t)length);
    }
    BIO_free(memory);
    ERR_clear_error();
    return text;
}

void kg_est_request_serial(const uint8_t *der, size_t size, char serial[KG_EST_SERIAL_SIZE])
{
    const unsigned char *end = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &end, (long)size);
    X509_NAME *subject = request ? X509_REQ_get_subject_name(request) : NULL;
    int at = subject ? X509_NAME_get_index_by_NID(subject, NID_serialNumber, -1) : -1;
    const ASN1_STRING *text = at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)) : NULL;
    const unsigned char *bytes = text ? ASN1_STRING_get0_data(text) : NULL;
    size_t used = 0;
    for (int i = 0; bytes && i < ASN1_STRING_length(text) && used < KG_EST_SERIAL_SIZE - 1; i++)
        serial[used++] = bytes[i] > ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '?';
    serial[used] = '\0';
    X509_REQ_free(request);
    ERR_clear_error();
}

/* --- certificates --- */

char *kg_est_certificates_encode(STACK_OF(X509) * certificates)
{
    PKCS7 *message = PKCS7_new();
    unsigned char *der = NULL;
    int size = -1;
    bool ok = message && PKCS7_set_type(message, NID_pkcs7_signed) == 1 &&
              PKCS7_content_new(message, NID_pkcs7_data) == 1;
    if (ok) {
        /* Signed by nobody, over nothing: the content is absent (RFC 5751 §3.2.2). */
        ASN1_OCTET_STRING_free(message->d.sign->contents->d.data);
        message->d.sign->contents->d.data = NULL;
    }
    for (int i = 0; ok && i < sk_X509_num(certificates); i++)
        ok = PKCS7_add_certificate(message, sk_X509_value(certificates, i)) == 1;
    if (ok)
        size = i2d_PKCS7(message, &der);
    PKCS7_free(message);
    return encode_der(der, size);
}

STACK_OF(X509) * kg_est_certificates_decode(const char *body, size_t size, enum kg_est_fault *fault)
{
    size_t der_size = 0;
    *fault = KG_EST_TOO_LONG;
    uint8_t *der = size <= KG_EST_CERTIFICATES_MAX ? base64_decode(body, size, &der_size, fault) : NULL;
    if (!der)
        return NULL;
    const unsigned char *end = der;
    PKCS7 *message = d2i_PKCS7(NULL, &end, (long)der_size);
    STACK_OF(X509) *certificates = NULL;
    *fault = KG_EST_NOT_CERTIFICATES;
    if (message && end == der + der_size && PKCS7_type_is_signed(message) && message->d.sign &&
        sk_PKCS7_SIGNER_INFO_num(message->d.sign->signer_info) <= 0 &&
        sk_X509_num(message->d.sign->cert) > 0 && sk_X509_num(message->d.sign->cert) <= KG_EST_CHAIN_MAX) {
        certificates = X509_chain_up_ref(message->d.sign->cert);
        *fault = certificates ? KG_EST_OK : KG_EST_MEMORY;
    }
    PKCS7_free(message);
    free(der);
    ERR_clear_error();
    return certificates;
}

STACK_OF(X509) * kg_est_certificates_of_pem(const char *pem)
{
    BIO *memory = BIO_new_mem_buf(pem, -1);
    STACK_OF(X509) *certificates = sk_X509_new_null();
    X509 *certificate = NULL;
    while (memory && certificates && sk_X509_num(certificates) < KG_EST_CHAIN_MAX &&
           (certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(certificates, certificate) <= 0) {
            X509_free(certificate);
            break;
        }
    }
    BIO_free(memory);
    ERR_clear_error();
    if (sk_X509_num(certificates) > 0)
        return certificates;
    sk_X509_free(certificates);
    return NULL;
}

const char *kg_est_attributes(void)
{
    /* SEQUENCE { SEQUENCE { id-ecPublicKey, SET { prime256v1 } }, ecdsa-with-SHA256 } */
    return "MCEwFQYHKoZIzj0CATEKBggqhkjOPQMBBwYIKoZIzj0EAwI=\n";
}

/* --- the code --- */

bool kg_est_key_hash(EVP_PKEY *key, uint8_t hash[KG_EST_HASH_BYTES])
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);
    bool ok = size > 0 && EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void kg_est_code(const uint8_t hash[KG_EST_HASH_BYTES], char code[KG_EST_CODE_SIZE])
{
    uint64_t bits = 0;
    for (int i = 0; i < 6; i++)
        bits = bits << 8 | hash[i];
    for (int i = 0; i < CODE_CHARACTERS; i++)
        code[i] = crockford[bits >> (48 - 5 * (i + 1)) & 31];
    code[CODE_CHARACTERS] = '\0';
}

void kg_est_code_text(const char code[KG_EST_CODE_SIZE], char text[KG_EST_CODE_TEXT_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < CODE_CHARACTERS && code[i]; i++) {
        if (i == 3 || i == 6)
            text[used++] = '-';
        text[used++] = code[i];
    }
    text[used] = '\0';
}

bool kg_est_code_read(const char *text, char code[KG_EST_CODE_SIZE])
{
    size_t used = 0;
    for (; *text; text++) {
        char c = *text;
        if (c == '-' || c == ' ')
            continue;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
        if (used >= CODE_CHARACTERS || !strchr(crockford, c))
            return false;
        code[used++] = c;
    }
    code[used] = '\0';
    return used == CODE_CHARACTERS;
}
