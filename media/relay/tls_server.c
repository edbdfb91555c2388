#include "relay/tls_server.h"

#include <errno.h>
#include <libwebsockets.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/ca.h"
#include "relay/ca_x509.h"

enum { WARN_DAYS = 30 };

static bool readable(const char *path, struct kg_problem *problem)
{
    if (access(path, R_OK) == 0)
        return true;
    return kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                          errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
}

/* Rooms refuse an expired certificate, and their screens blame a clock: here is where it can be mended. */
static void warn_of_dates(SSL_CTX *context, const char *state)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", state, KG_CA_RELAY_CERT);
    X509 *certificate = SSL_CTX_get0_certificate(context);
    time_t soon = time(NULL) + WARN_DAYS * 86400;
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        kg_log(KG_LOG_ERROR, "relay", "relay.certificate",
               "%s is not valid yet, no room will connect: set this machine's clock", path);
    else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        kg_log(KG_LOG_ERROR, "relay", "relay.certificate",
               "%s has expired, no room will connect: run \"kaigi-ctl ca server\", then send SIGHUP", path);
    else if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) < 0)
        kg_log(KG_LOG_WARN, "relay", "relay.certificate",
               "%s expires in less than %d days: run \"kaigi-ctl ca server\", then send SIGHUP", path,
               WARN_DAYS);
}

static bool load_own(SSL_CTX *context, const char *state, struct kg_problem *problem)
{
    char certificate[4096], key[4096];
    snprintf(certificate, sizeof certificate, "%s/%s", state, KG_CA_RELAY_CERT);
    snprintf(key, sizeof key, "%s/%s", state, KG_CA_RELAY_KEY);
    if (!readable(certificate, problem) || !readable(key, problem))
        return false;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        ERR_clear_error();
        return kg_problem_set(problem, "%s holds no certificate; restore it or run \"kaigi-ctl ca server\"",
                              certificate);
    }
    /* Also fails when the key is not the certificate's. */
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return kg_problem_set(problem,
                              "%s is not the private key of %s; restore both from one backup or run "
                              "\"kaigi-ctl ca server\"",
                              key, certificate);
    }
    return true;
}

static bool demand_clients(SSL_CTX *context, const char *state, struct kg_problem *problem)
{
    char ca[4096];
    snprintf(ca, sizeof ca, "%s/%s", state, KG_CA_CERT_FILE);
    if (!readable(ca, problem))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
    if (!names || SSL_CTX_load_verify_locations(context, ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        ERR_clear_error();
        return kg_problem_set(problem, "%s holds no certificate; restore it from a backup", ca);
    }
    /* Devices show their own certificate alone. */
    char issuers[4096];
    snprintf(issuers, sizeof issuers, "%s/%s", state, KG_CA_ISSUERS);
    if (access(issuers, F_OK) == 0 && SSL_CTX_load_verify_locations(context, issuers, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        ERR_clear_error();
        return kg_problem_set(problem, "%s holds no certificate; restore it from a backup", issuers);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, 1);
    return true;
}

static bool harden(SSL_CTX *context, struct kg_problem *problem)
{
    /* No resumption: a revoked certificate must be shown, and refused, every time. */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1)
        return true;
    return kg_ca_openssl_problem(problem, "OpenSSL refuses TLS 1.2");
}

static bool prepare(SSL_CTX *context, const char *state, struct kg_problem *problem)
{
    return harden(context, problem) && load_own(context, state, problem) &&
           demand_clients(context, state, problem);
}

bool kg_tls_server_check(const char *state, struct kg_problem *problem)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    if (!scratch)
        return kg_ca_openssl_problem(problem, "OpenSSL gives no context");
    bool ok = prepare(scratch, state, problem);
    if (ok)
        warn_of_dates(scratch, state);
    SSL_CTX_free(scratch);
    return ok;
}

bool kg_tls_server_prepare(SSL_CTX *context, const char *state)
{
    struct kg_problem problem;
    if (prepare(context, state, &problem))
        return true;
    kg_log(KG_LOG_ERROR, "relay", "relay.tls", "%s", problem.text);
    return false;
}

bool kg_tls_server_reload(SSL_CTX *context, const char *state)
{
    struct kg_problem problem;
    /* Tried apart first: a half-loaded pair would refuse everybody. */
    if (kg_tls_server_check(state, &problem) && load_own(context, state, &problem))
        return true;
    kg_log(KG_LOG_ERROR, "relay", "relay.tls", "keeping the old certificate: %s", problem.text);
    return false;
}

struct lws_vhost *kg_tls_server_vhost(struct lws_context *context, const char *name, const char *alpn,
                                      const struct lws_protocols *protocols, const struct lws_retry_bo *idle,
                                      void *user)
{
    /* Never used, for nothing is dialled from here: without it libwebsockets makes a client context for each
     * host, and leaks one when a process has two of its contexts. Lives as long as the process. */
    static SSL_CTX *client;
    if (!client)
        client = SSL_CTX_new(TLS_client_method());
    struct lws_context_creation_info info = {
        .provided_client_ssl_ctx = client,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | LWS_SERVER_OPTION_VALIDATE_UTF8,
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .vhost_name = name,
        .alpn = alpn,
        .protocols = protocols,
        .retry_and_idle_policy = idle,
        .timeout_secs = 10,
        .http_proxy_address = "",
        .user = user,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    struct lws_vhost *vhost = lws_create_vhost(context, &info);
    if (!vhost)
        kg_log(KG_LOG_ERROR, "relay", "relay.tls", "libwebsockets refuses the TLS service \"%s\"", name);
    return vhost;
}
