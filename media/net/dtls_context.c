#include "net/dtls_context.h"

enum { MAX_PEER_CERTIFICATES_BYTES = 8192 };

/* RFC 8827 §6.5 and RFC 9325 §4.2: forward secrecy and AEAD only. RSA stays for a browser's certificate. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
/* An OpenSSL server takes the first of ITS list that the client offers, so this order is the relay's
 * preference. */
static const char srtp_profiles[] = "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";

SSL_CTX *kg_dtls_context_create(X509 *certificate, EVP_PKEY *key)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    if (!ctx)
        return NULL;
    if (!SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) || !SSL_CTX_set_cipher_list(ctx, ciphers) ||
        !SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") || !SSL_CTX_use_certificate(ctx, certificate) ||
        !SSL_CTX_use_PrivateKey(ctx, key) || SSL_CTX_set_tlsext_use_srtp(ctx, srtp_profiles) != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    /* An association lives as long as its transport and never resumes: no tickets, sessions or renegotiation.
     */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_QUERY_MTU | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ctx, MAX_PEER_CERTIFICATES_BYTES);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, kg_dtls_verify, NULL);
    return ctx;
}
