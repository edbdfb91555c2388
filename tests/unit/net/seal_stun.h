/* Ends a STUN message put together by hand with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7),
 * computed here and not by rtp/stun.c, which knows no attribute that is wrong. */
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/bytes.h"

/* w: header and attributes, padded. authentic false: the integrity is one bit off, the fingerprint right. */
static inline void seal_stun(struct kg_writer *w, const char *password, bool authentic)
{
    enum { HEADER = 20, INTEGRITY = 24, FINGERPRINT = 8 };
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_size;
    kg_put_u16(w->data + 2, (uint16_t)(w->pos - HEADER + INTEGRITY));
    HMAC(EVP_sha1(), password, (int)strlen(password), w->data, w->pos, mac, &mac_size);
    mac[0] ^= !authentic;
    kg_write_u32(w, 0x00080014);
    kg_write_bytes(w, mac, 20);
    kg_put_u16(w->data + 2, (uint16_t)(w->pos - HEADER + FINGERPRINT));
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < w->pos * 8; i++) {
        if (i % 8 == 0)
            crc ^= w->data[i / 8];
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    kg_write_u32(w, 0x80280004);
    kg_write_u32(w, ~crc ^ 0x5354554e);
}
