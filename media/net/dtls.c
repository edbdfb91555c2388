#include "net/dtls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "net/dtls_context.h"

/* RFC 6347 §4.2.4.1 begins at 1 s without knowledge of the path; ICE has just measured it. Twelve
 * retransmissions (OpenSSL's limit) must outlast KG_DTLS_HANDSHAKE_MAX_US. */
enum { FIRST_TIMER_MIN_US = 100000, FIRST_TIMER_MAX_US = 1000000, TIMER_MAX_US = 1600000, TIMER_RTTS = 3 };

struct kg_dtls {
    struct kg_dtls_params params;
    SSL *ssl;
    enum kg_dtls_state state;
    enum kg_dtls_error error;
    int64_t deadline_us; /* of the handshake */
    int64_t timer_us;    /* OpenSSL's next retransmission; INT64_MAX: none */
    unsigned first_timer_us;
    size_t handshake_bytes;
    bool wrong_fingerprint;
    const uint8_t *in; /* the datagram being read; NULL: none */
    size_t in_size;
};

/* A memory BIO would join datagrams; this one keeps them apart: a read takes the datagram at hand, a write
 * sends one. */
static int bio_read(BIO *bio, char *data, int size)
{
    struct kg_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!d->in || size < 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = KG_MIN((size_t)size, d->in_size);
    memcpy(data, d->in, n);
    d->in = NULL;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct kg_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size > 0)
        d->params.send(d->params.user, data, (size_t)size);
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return KG_DTLS_MTU;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method;
static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kaigi datagrams");
    if (!bio_method)
        return;
    BIO_meth_set_read(bio_method, bio_read);
    BIO_meth_set_write(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

static BIO *bio_create(struct kg_dtls *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, d);
    BIO_set_init(bio, 1);
    return bio;
}

static unsigned on_timer(SSL *ssl, unsigned timer_us)
{
    const struct kg_dtls *d = SSL_get_app_data(ssl);
    return timer_us == 0 ? d->first_timer_us : KG_MIN(timer_us * 2, (unsigned)TIMER_MAX_US);
}

/* The certificate is nobody's word but signalling's (RFC 8122 §6.2), and it is checked before the handshake
 * goes on: the peer learns of a refusal by an alert, and no key ever exists. Possession is proven by
 * CertificateVerify. */
int kg_dtls_verify(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct kg_dtls *d = SSL_get_app_data(ssl);
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    uint8_t fingerprint[KG_FINGERPRINT_BYTES];
    if (certificate && kg_fingerprint_of(certificate, fingerprint) &&
        CRYPTO_memcmp(fingerprint, d->params.remote_fingerprint, sizeof fingerprint) == 0)
        return 1;
    d->wrong_fingerprint = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

struct kg_dtls *kg_dtls_create(const struct kg_dtls_params *params)
{
    struct kg_dtls *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->params = *params;
    d->timer_us = INT64_MAX;
    d->deadline_us = INT64_MAX;
    d->ssl = SSL_new(kg_identity_dtls(params->identity));
    BIO *bio = d->ssl ? bio_create(d) : NULL;
    if (!bio)
        goto fail;
    SSL_set_bio(d->ssl, bio, bio); /* takes the one reference */
    SSL_set_app_data(d->ssl, d);
    DTLS_set_timer_cb(d->ssl, on_timer);
    if (!SSL_set_mtu(d->ssl, KG_DTLS_MTU) ||
        (params->srtp_profiles && SSL_set_tlsext_use_srtp(d->ssl, params->srtp_profiles) != 0))
        goto fail;
    if (params->client)
        SSL_set_connect_state(d->ssl);
    else
        SSL_set_accept_state(d->ssl);
    return d;
fail:
    kg_log(KG_LOG_ERROR, "net", "net.dtls-failed", "OpenSSL refuses a DTLS association");
    ERR_clear_error();
    kg_dtls_destroy(d);
    return NULL;
}

void kg_dtls_destroy(struct kg_dtls *d)
{
    if (!d)
        return;
    SSL_free(d->ssl);
    free(d);
}

static void end(struct kg_dtls *d, enum kg_dtls_error error)
{
    d->state = KG_DTLS_CLOSED;
    d->error = error;
    d->timer_us = INT64_MAX;
    d->deadline_us = INT64_MAX;
}

static void read_timer(struct kg_dtls *d, int64_t now_us)
{
    struct timeval left;
    d->timer_us = INT64_MAX;
    if (d->state == KG_DTLS_HANDSHAKING && DTLSv1_get_timeout(d->ssl, &left))
        d->timer_us = now_us + (int64_t)left.tv_sec * 1000000 + left.tv_usec;
}

/* What OpenSSL's refusal means. Called right after the failing call, its error queue still full. */
static void fail(struct kg_dtls *d, int status)
{
    char why[160] = "closed by the peer";
    int kind = SSL_get_error(d->ssl, status);
    unsigned long code = ERR_peek_error();
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return;
    }
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    bool closed =
        kind == SSL_ERROR_ZERO_RETURN || (SSL_get_shutdown(d->ssl) & SSL_RECEIVED_SHUTDOWN && !code);
    bool handshaking = d->state == KG_DTLS_HANDSHAKING;
    end(d, d->wrong_fingerprint ? KG_DTLS_FINGERPRINT : closed ? KG_DTLS_PEER_CLOSED : KG_DTLS_FAILED);
    if (d->error == KG_DTLS_PEER_CLOSED)
        return;
    kg_log(KG_LOG_WARN, "net", handshaking ? "net.dtls-handshake-failed" : "net.dtls-ended", "DTLS %s %s: %s",
           d->params.client ? "client" : "server", handshaking ? "handshake failed" : "ended",
           d->wrong_fingerprint ? "the peer's certificate is not the one signalled" : why);
}

static void handshake(struct kg_dtls *d)
{
    ERR_clear_error();
    int status = SSL_do_handshake(d->ssl);
    if (status != 1) {
        fail(d, status);
    } else if (!SSL_get_selected_srtp_profile(d->ssl)) {
        kg_log(KG_LOG_WARN, "net", "net.dtls-no-profile", "the DTLS peer shares no SRTP profile with us");
        SSL_shutdown(d->ssl);
        end(d, KG_DTLS_PROFILE);
    } else {
        d->state = KG_DTLS_CONNECTED;
        d->deadline_us = INT64_MAX;
    }
}

/* After the handshake: alerts and a client's repeated last flight. Application data has no use here. */
static void drain(struct kg_dtls *d)
{
    uint8_t scrap[KG_DTLS_MTU];
    int status;
    ERR_clear_error();
    do
        status = SSL_read(d->ssl, scrap, sizeof scrap);
    while (status > 0);
    fail(d, status);
}

void kg_dtls_start(struct kg_dtls *d, int64_t rtt_us, int64_t now_us)
{
    if (d->state != KG_DTLS_NEW)
        return;
    int64_t first_us = rtt_us > 0 ? rtt_us * TIMER_RTTS : FIRST_TIMER_MIN_US;
    d->first_timer_us = (unsigned)KG_MAX(FIRST_TIMER_MIN_US, KG_MIN(first_us, FIRST_TIMER_MAX_US));
    d->state = KG_DTLS_HANDSHAKING;
    d->deadline_us = now_us + KG_DTLS_HANDSHAKE_MAX_US;
    if (d->params.client)
        handshake(d);
    read_timer(d, now_us);
}

void kg_dtls_receive(struct kg_dtls *d, const void *data, size_t size, int64_t now_us)
{
    if (d->state != KG_DTLS_HANDSHAKING && d->state != KG_DTLS_CONNECTED)
        return;
    d->in = data;
    d->in_size = size;
    if (d->state == KG_DTLS_HANDSHAKING) {
        d->handshake_bytes += size;
        handshake(d);
        if (d->state == KG_DTLS_HANDSHAKING && d->handshake_bytes > KG_DTLS_HANDSHAKE_MAX_BYTES) {
            kg_log(KG_LOG_WARN, "net", "net.dtls-handshake-failed",
                   "a DTLS handshake of more than %d bytes is cut off", KG_DTLS_HANDSHAKE_MAX_BYTES);
            end(d, KG_DTLS_FAILED);
        }
    }
    if (d->state == KG_DTLS_CONNECTED)
        drain(d);
    d->in = NULL;
    read_timer(d, now_us);
}

void kg_dtls_tick(struct kg_dtls *d, int64_t now_us)
{
    if (d->state != KG_DTLS_HANDSHAKING)
        return;
    if (now_us >= d->deadline_us) {
        end(d, KG_DTLS_TIMEOUT);
        return;
    }
    if (now_us < d->timer_us)
        return;
    ERR_clear_error();
    int status = (int)DTLSv1_handle_timeout(d->ssl);
    if (status < 0)
        fail(d, status);
    read_timer(d, now_us);
}

int64_t kg_dtls_next_us(const struct kg_dtls *d)
{
    return KG_MIN(d->timer_us, d->deadline_us);
}

void kg_dtls_close(struct kg_dtls *d)
{
    if (d->state == KG_DTLS_CONNECTED) {
        ERR_clear_error();
        SSL_shutdown(d->ssl);
        ERR_clear_error();
    }
    end(d, d->error);
}

enum kg_dtls_state kg_dtls_get_state(const struct kg_dtls *d)
{
    return d->state;
}

enum kg_dtls_error kg_dtls_get_error(const struct kg_dtls *d)
{
    return d->error;
}

struct kg_srtp *kg_dtls_make_srtp(struct kg_dtls *d)
{
    static const char label[] = "EXTRACTOR-dtls_srtp"; /* RFC 5764 §4.2 */
    if (d->state != KG_DTLS_CONNECTED)
        return NULL;
    const SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(d->ssl);
    enum kg_srtp_profile profile = (enum kg_srtp_profile)selected->id;
    uint8_t keys[KG_SRTP_MAX_KEYS];
    size_t size = kg_srtp_key_bytes(profile);
    struct kg_srtp *srtp = NULL;
    if (size > 0 && SSL_export_keying_material(d->ssl, keys, size, label, sizeof label - 1, NULL, 0, 0) == 1)
        srtp = kg_srtp_create(profile, keys, size, d->params.client);
    else
        kg_log(KG_LOG_ERROR, "net", "net.dtls-failed", "OpenSSL exports no keys for %s", selected->name);
    OPENSSL_cleanse(keys, sizeof keys);
    return srtp;
}
