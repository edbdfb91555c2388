#include "net/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct kg_tls_client {
    SSL_CTX *context;
    char *peer_name;
    bool peer_is_address;
    bool established;
    int verify_error;        /* X509_V_… of the last handshake */
    char verify_detail[160]; /* whose certificate, until when */
    int alert;               /* fatal alert the server sent, -1: none */
};

static void describe_certificate(struct kg_tls_client *tls, X509_STORE_CTX *store, int error)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    char name[80] = "?";
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    for (char *c = name; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    snprintf(tls->verify_detail, sizeof tls->verify_detail, "%s (certificate of %s)",
             X509_verify_cert_error_string(error), name);
}

/* In place of X509_verify_cert, to keep its verdict: libwebsockets frees the SSL before it tells of a
 * failure. */
static int verify(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    int ok = X509_verify_cert(store);
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct kg_tls_client *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int error = X509_STORE_CTX_get_error(store);
    if (ok <= 0 && error == X509_V_OK)
        error = X509_V_ERR_UNSPECIFIED;
    if (tls && ok <= 0) {
        tls->verify_error = error;
        describe_certificate(tls, store, error);
    }
    return tls ? ok : 0; /* given up: nobody is left to check the name */
}

static void prepare_peer_check(const struct kg_tls_client *tls, SSL *ssl)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool ok;
    if (tls->peer_is_address) {
        /* RFC 6066 §3: no server name for a literal address. */
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, tls->peer_name) == 1;
        SSL_set_tlsext_host_name(ssl, NULL);
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = X509_VERIFY_PARAM_set1_host(param, tls->peer_name, 0) == 1 &&
             SSL_set_tlsext_host_name(ssl, tls->peer_name) == 1;
    }
    if (!ok) /* matches nothing: the handshake fails closed */
        X509_VERIFY_PARAM_set1_host(param, "invalid.invalid", 0);
}

static void on_progress(const SSL *ssl, int where, int value)
{
    struct kg_tls_client *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (!tls)
        return;
    if (where & SSL_CB_HANDSHAKE_START && !tls->established)
        prepare_peer_check(tls, (SSL *)ssl);
    if (where & SSL_CB_HANDSHAKE_DONE)
        tls->established = true;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        tls->alert = value & 0xff;
}

static enum kg_tls_problem load_files(SSL_CTX *context, const struct kg_tls_client_params *params,
                                      const char **file)
{
    *file = params->ca_file;
    if (SSL_CTX_load_verify_file(context, params->ca_file) != 1)
        return KG_TLS_CA_FILE;
    if (!params->certificate_file)
        return KG_TLS_OK;
    *file = params->certificate_file;
    if (SSL_CTX_use_certificate_chain_file(context, params->certificate_file) != 1)
        return KG_TLS_CERTIFICATE_FILE;
    *file = params->key_file;
    if (!params->key_file || SSL_CTX_use_PrivateKey_file(context, params->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return KG_TLS_KEY_FILE;
    return KG_TLS_OK;
}

/* OpenSSL's own words for a missing file are "system lib". */
static void describe_file(const char *file, char *detail, size_t detail_size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    if (!file)
        snprintf(detail, detail_size, "no key file is set");
    else if (access(file, R_OK) != 0)
        snprintf(detail, detail_size, "%s: %s", file, strerror(errno));
    else if (reason && strcmp(reason, "key values mismatch") == 0)
        snprintf(detail, detail_size, "%s: not the key of the certificate", file);
    else
        snprintf(detail, detail_size, "%s: not a PEM file of the kind wanted (%s)", file,
                 reason ? reason : "cannot be used");
}

/* A key with a passphrase must not stop the program to ask for it. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static enum kg_tls_problem set_up(struct kg_tls_client *tls, const struct kg_tls_client_params *params,
                                  char *detail, size_t detail_size)
{
    tls->peer_name = strdup(params->peer_name);
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->peer_name || !tls->context)
        return KG_TLS_FAILED;
    struct in6_addr ignored;
    tls->peer_is_address = inet_pton(AF_INET, params->peer_name, &ignored) == 1 ||
                           inet_pton(AF_INET6, params->peer_name, &ignored) == 1;
    SSL_CTX_set_app_data(tls->context, tls);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls->context, verify, NULL);
    SSL_CTX_set_info_callback(tls->context, on_progress);
    SSL_CTX_set_default_passwd_cb(tls->context, no_passphrase);
    /* One short-lived context per connection: nothing to resume. */
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    const char *file = "";
    ERR_clear_error();
    enum kg_tls_problem problem = load_files(tls->context, params, &file);
    if (problem != KG_TLS_OK) {
        describe_file(file, detail, detail_size);
    }
    return problem;
}

struct kg_tls_client *kg_tls_client_create(const struct kg_tls_client_params *params,
                                           enum kg_tls_problem *problem, char *detail, size_t detail_size)
{
    struct kg_tls_client *tls = calloc(1, sizeof *tls);
    snprintf(detail, detail_size, "%s", tls ? "" : "memory is short");
    *problem = tls ? set_up(tls, params, detail, detail_size) : KG_TLS_FAILED;
    if (*problem != KG_TLS_OK) {
        kg_tls_client_destroy(tls);
        return NULL;
    }
    kg_tls_client_reset(tls);
    return tls;
}

void kg_tls_client_destroy(struct kg_tls_client *tls)
{
    if (!tls)
        return;
    if (tls->context) {
        /* A connection that is still closing may hold the context longer than we live. */
        SSL_CTX_set_app_data(tls->context, NULL);
        SSL_CTX_free(tls->context);
    }
    free(tls->peer_name);
    free(tls);
}

SSL_CTX *kg_tls_client_context(struct kg_tls_client *tls)
{
    return tls->context;
}

void kg_tls_client_reset(struct kg_tls_client *tls)
{
    tls->established = false;
    tls->verify_error = X509_V_OK;
    tls->alert = -1;
    tls->verify_detail[0] = '\0';
}

bool kg_tls_client_established(const struct kg_tls_client *tls)
{
    return tls->established;
}

static enum kg_tls_problem problem_of_verify(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return KG_TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return KG_TLS_NOT_YET_VALID;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return KG_TLS_WRONG_NAME;
    default:
        return KG_TLS_UNTRUSTED;
    }
}

/* RFC 8446 §6.2: the alerts by which a server speaks of our certificate. */
static enum kg_tls_problem problem_of_alert(int alert)
{
    switch (alert) {
    case SSL3_AD_CERTIFICATE_EXPIRED:
        return KG_TLS_REJECTED_EXPIRED;
    case SSL3_AD_NO_CERTIFICATE:
    case SSL3_AD_BAD_CERTIFICATE:
    case SSL3_AD_UNSUPPORTED_CERTIFICATE:
    case SSL3_AD_CERTIFICATE_REVOKED:
    case SSL3_AD_CERTIFICATE_UNKNOWN:
    case TLS1_AD_UNKNOWN_CA:
    case TLS1_AD_ACCESS_DENIED:
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return KG_TLS_REJECTED;
    default:
        return KG_TLS_FAILED;
    }
}

enum kg_tls_problem kg_tls_client_problem(const struct kg_tls_client *tls, char *detail, size_t detail_size)
{
    if (tls->verify_error != X509_V_OK) {
        snprintf(detail, detail_size, "%s", tls->verify_detail);
        return problem_of_verify(tls->verify_error);
    }
    if (tls->alert >= 0) {
        snprintf(detail, detail_size, "the server's alert %d: %s", tls->alert,
                 SSL_alert_desc_string_long(tls->alert));
        return problem_of_alert(tls->alert);
    }
    snprintf(detail, detail_size, "no TLS failure is known");
    return KG_TLS_OK;
}
