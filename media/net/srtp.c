#include "net/srtp.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"

enum {
    RTP_HEADER = 12,
    RTCP_HEADER = 8,
    RTP_SSRC_AT = 8,
    RTCP_SSRC_AT = 4,
    MAX_KEY_AND_SALT = 30,
};

struct profile {
    enum kg_srtp_profile id;
    const char *name;
    size_t key, salt;
    size_t rtp_tag, rtcp_trailer;
    void (*set_rtp)(srtp_crypto_policy_t *policy);
    void (*set_rtcp)(srtp_crypto_policy_t *policy);
};

/* RFC 7714 §12: 16-byte tags. RFC 5764 §4.1.2 with RFC 3711 §5.2: 80 bits, and 80 bits for SRTCP too. The
 * SRTCP trailer has the 4-byte index (RFC 3711 §3.4). */
static const struct profile profiles[] = {
    {KG_SRTP_AEAD_AES_128_GCM, "AEAD_AES_128_GCM", 16, 12, 16, 20, srtp_crypto_policy_set_aes_gcm_128_16_auth,
     srtp_crypto_policy_set_aes_gcm_128_16_auth},
    {KG_SRTP_AES128_CM_SHA1_80, "AES128_CM_SHA1_80", 16, 14, 10, 14, srtp_crypto_policy_set_rtp_default,
     srtp_crypto_policy_set_rtcp_default},
};

/* SSRCs one direction has streams for. A list: a party has few, and the recent one is tried first. */
struct ssrc_set {
    uint32_t count, recent, capacity;
    uint32_t *ssrc;
};

struct kg_srtp {
    const struct profile *profile;
    srtp_t send, receive;
    struct ssrc_set sending, receiving;
    uint32_t sending_ssrc[KG_SRTP_MAX_SEND_SSRC];
    uint32_t receiving_ssrc[KG_SRTP_MAX_RECEIVE_SSRC];
};

static const struct profile *profile_of(enum kg_srtp_profile id)
{
    for (size_t i = 0; i < KG_ARRAY_LEN(profiles); i++)
        if (profiles[i].id == id)
            return &profiles[i];
    return NULL;
}

const char *kg_srtp_profile_name(enum kg_srtp_profile profile)
{
    const struct profile *p = profile_of(profile);
    return p ? p->name : "none";
}

size_t kg_srtp_key_bytes(enum kg_srtp_profile profile)
{
    const struct profile *p = profile_of(profile);
    return p ? 2 * (p->key + p->salt) : 0;
}

/* libsrtp keeps one process-wide table of ciphers; it is made once and lives as long as the process. */
static srtp_err_status_t library_status;
static void init_library(void)
{
    library_status = srtp_init();
}

static bool library_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    return library_status == srtp_err_status_ok;
}

void kg_srtp_prepare(void)
{
    (void)library_ready(); /* kg_srtp_create reports */
}

static srtp_t session_create(const struct profile *profile, const uint8_t *key, const uint8_t *salt,
                             bool outbound)
{
    uint8_t key_and_salt[MAX_KEY_AND_SALT];
    srtp_policy_t policy;
    srtp_t session = NULL;
    memcpy(key_and_salt, key, profile->key);
    memcpy(key_and_salt + profile->key, salt, profile->salt);
    memset(&policy, 0, sizeof policy);
    profile->set_rtp(&policy.rtp);
    profile->set_rtcp(&policy.rtcp);
    policy.ssrc.type = outbound ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key_and_salt;
    policy.window_size = KG_SRTP_WINDOW;
    policy.allow_repeat_tx = 0;
    srtp_err_status_t status = srtp_create(&session, &policy);
    OPENSSL_cleanse(key_and_salt, sizeof key_and_salt);
    if (status == srtp_err_status_ok)
        return session;
    kg_log(KG_LOG_ERROR, "net", "net.srtp-failed", "libsrtp refuses a session for %s: error %d",
           profile->name, (int)status);
    return NULL;
}

struct kg_srtp *kg_srtp_create(enum kg_srtp_profile id, const uint8_t *keys, size_t size, bool client)
{
    const struct profile *profile = profile_of(id);
    if (!profile || size != kg_srtp_key_bytes(id) || !library_ready()) {
        kg_log(KG_LOG_ERROR, "net", "net.srtp-failed",
               "no SRTP with profile %d, %zu bytes of keys, library state %d", (int)id, size,
               (int)library_status);
        return NULL;
    }
    struct kg_srtp *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    const uint8_t *client_key = keys, *server_key = keys + profile->key;
    const uint8_t *client_salt = keys + 2 * profile->key, *server_salt = client_salt + profile->salt;
    s->profile = profile;
    s->sending = (struct ssrc_set){.capacity = KG_SRTP_MAX_SEND_SSRC, .ssrc = s->sending_ssrc};
    s->receiving = (struct ssrc_set){.capacity = KG_SRTP_MAX_RECEIVE_SSRC, .ssrc = s->receiving_ssrc};
    s->send =
        session_create(profile, client ? client_key : server_key, client ? client_salt : server_salt, true);
    s->receive =
        session_create(profile, client ? server_key : client_key, client ? server_salt : client_salt, false);
    if (s->send && s->receive)
        return s;
    kg_srtp_destroy(s);
    return NULL;
}

void kg_srtp_destroy(struct kg_srtp *srtp)
{
    if (!srtp)
        return;
    /* libsrtp and OpenSSL wipe what they derived from the keys. */
    if (srtp->send)
        srtp_dealloc(srtp->send);
    if (srtp->receive)
        srtp_dealloc(srtp->receive);
    free(srtp);
}

enum kg_srtp_profile kg_srtp_get_profile(const struct kg_srtp *srtp)
{
    return srtp->profile->id;
}

static bool set_has(struct ssrc_set *set, uint32_t ssrc)
{
    if (set->recent < set->count && set->ssrc[set->recent] == ssrc)
        return true;
    for (uint32_t i = 0; i < set->count; i++)
        if (set->ssrc[i] == ssrc) {
            set->recent = i;
            return true;
        }
    return false;
}

static void set_add(struct ssrc_set *set, uint32_t ssrc)
{
    set->recent = set->count;
    set->ssrc[set->count++] = ssrc;
}

static enum kg_srtp_result result_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return KG_SRTP_OK;
    case srtp_err_status_auth_fail:
        return KG_SRTP_AUTH;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return KG_SRTP_REPLAY;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
        return KG_SRTP_SHORT;
    default:
        return KG_SRTP_OTHER;
    }
}

/* The four operations differ in session, SSRC position and least size. A stream appears in libsrtp only after
 * the first packet that authenticates, so an SSRC is counted only then. */
static enum kg_srtp_result transform(srtp_err_status_t (*fn)(srtp_t, void *, int *), srtp_t session,
                                     struct ssrc_set *set, size_t ssrc_at, void *packet, size_t *size)
{
    uint32_t ssrc = kg_get_u32((const uint8_t *)packet + ssrc_at);
    bool known = set_has(set, ssrc);
    if (!known && set->count == set->capacity)
        return KG_SRTP_LIMIT;
    int length = (int)*size;
    enum kg_srtp_result result = result_of(fn(session, packet, &length));
    if (result != KG_SRTP_OK)
        return result;
    if (!known)
        set_add(set, ssrc);
    *size = (size_t)length;
    return KG_SRTP_OK;
}

/* The version, and CSRCs and extension inside the packet: libsrtp does not look at the first. */
static bool rtp_header_fits(const uint8_t *packet, size_t size)
{
    if (size < RTP_HEADER || packet[0] >> 6 != 2)
        return false;
    size_t header = RTP_HEADER + 4u * (packet[0] & 15);
    if (packet[0] & 0x10) {
        if (size < header + 4)
            return false;
        header += 4 + 4u * kg_get_u16(packet + header + 2);
    }
    return header <= size;
}

enum kg_srtp_result kg_srtp_protect_rtp(struct kg_srtp *srtp, void *packet, size_t *size, size_t capacity)
{
    if (*size > INT32_MAX / 2 || *size + srtp->profile->rtp_tag > capacity || !rtp_header_fits(packet, *size))
        return KG_SRTP_SHORT;
    return transform(srtp_protect, srtp->send, &srtp->sending, RTP_SSRC_AT, packet, size);
}

enum kg_srtp_result kg_srtp_protect_rtcp(struct kg_srtp *srtp, void *packet, size_t *size, size_t capacity)
{
    if (*size < RTCP_HEADER || *size > INT32_MAX / 2 || *size + srtp->profile->rtcp_trailer > capacity)
        return KG_SRTP_SHORT;
    return transform(srtp_protect_rtcp, srtp->send, &srtp->sending, RTCP_SSRC_AT, packet, size);
}

enum kg_srtp_result kg_srtp_unprotect_rtp(struct kg_srtp *srtp, void *packet, size_t *size)
{
    if (*size > INT32_MAX / 2 || *size < srtp->profile->rtp_tag + RTP_HEADER ||
        !rtp_header_fits(packet, *size - srtp->profile->rtp_tag))
        return KG_SRTP_SHORT;
    return transform(srtp_unprotect, srtp->receive, &srtp->receiving, RTP_SSRC_AT, packet, size);
}

enum kg_srtp_result kg_srtp_unprotect_rtcp(struct kg_srtp *srtp, void *packet, size_t *size)
{
    if (*size > INT32_MAX / 2 || *size < srtp->profile->rtcp_trailer + RTCP_HEADER)
        return KG_SRTP_SHORT;
    return transform(srtp_unprotect_rtcp, srtp->receive, &srtp->receiving, RTCP_SSRC_AT, packet, size);
}
