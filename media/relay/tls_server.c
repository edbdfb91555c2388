#include "relay/tls_server.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/queue.h"
#include "relay/ca_file.h"
#include "relay/ca_pair.h"
#include "relay/ca_x509.h"

enum {
    MAX_INTERMEDIATES = 3, /* LGPKI has one or two between root and device */
    SECURITY_LEVEL = 2,    /* of OpenSSL: no RSA under 2048 bits, no MD5, no SHA-1 */
};

/* The files. */

struct files {
    char certificate[KG_CA_PATH_BYTES], key[KG_CA_PATH_BYTES];
    char root[KG_CA_PATH_BYTES], issuers[KG_CA_PATH_BYTES];
};

static bool name_files(struct files *f, const struct kg_tls_server_params *params, struct kg_problem *problem)
{
    if (!kg_ca_path(f->certificate, params->state, KG_CA_RELAY_CERT, problem) ||
        !kg_ca_path(f->key, params->state, KG_CA_RELAY_KEY, problem) ||
        !kg_ca_path(f->root, params->state, KG_CA_CERT_FILE, problem) ||
        !kg_ca_path(f->issuers, params->state, KG_CA_ISSUERS, problem))
        return false;
    if (params->certificate)
        snprintf(f->certificate, sizeof f->certificate, "%s", params->certificate);
    if (params->key)
        snprintf(f->key, sizeof f->key, "%s", params->key);
    return true;
}

static bool readable(const char *path, struct kg_problem *problem)
{
    if (access(path, R_OK) == 0)
        return true;
    return kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                          errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
}

/* Where the certificate is renewed. */
static const char *remedy_of(const struct kg_tls_server_params *params)
{
    return params->certificate ? "have it renewed by its authority, then send SIGHUP"
                               : "run \"kaigi-ctl ca server\", then send SIGHUP";
}

/* Both at once: a context in use keeps the old pair when the new one is refused. */
static bool load_own(SSL_CTX *context, const struct kg_tls_server_params *params, const struct files *f,
                     struct kg_problem *problem)
{
    struct kg_ca_pair pair;
    if (!kg_ca_pair_read(f->certificate, f->key, false, remedy_of(params), &pair, problem))
        return false;
    bool ok = true;
    /* The reverse of what the relay asks of devices. */
    if (X509_check_purpose(pair.certificate, X509_PURPOSE_SSL_SERVER, 0) != 1)
        ok = kg_problem_set(problem, "%s is not a server's certificate; no room would accept it",
                            f->certificate);
    else if (SSL_CTX_use_cert_and_key(context, pair.certificate, pair.key, pair.chain, 1) != 1)
        ok = kg_problem_set(problem, "%s holds no certificate that can serve; restore it or %s",
                            f->certificate, remedy_of(params));
    ERR_clear_error();
    kg_ca_pair_finish(&pair);
    return ok;
}

static bool add_authority(X509_STORE *store, STACK_OF(X509_NAME) * names, const char *path,
                          struct kg_problem *problem)
{
    if (!readable(path, problem))
        return false;
    if (X509_STORE_load_file(store, path) == 1 && SSL_add_file_cert_subjects_to_stack(names, path) == 1)
        return true;
    ERR_clear_error();
    return kg_problem_set(problem, "%s holds no certificate; restore it from a backup", path);
}

/* Devices show their own certificate alone, so the issuing authorities are known here too; the end of every
 * chain is still a root. */
static bool load_authorities(SSL_CTX *context, const struct kg_tls_server_params *params,
                             const struct files *f, struct kg_problem *problem)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    bool ok = (store && names) || kg_problem_set(problem, "no memory");
    ok = ok && add_authority(store, names, f->root, problem) &&
         /* A state folder of before there was a signer has none. */
         (access(f->issuers, F_OK) != 0 || add_authority(store, names, f->issuers, problem)) &&
         (!params->client_ca || add_authority(store, names, params->client_ca, problem));
    if (!ok) {
        X509_STORE_free(store);
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return false;
    }
    SSL_CTX_set_cert_store(context, store);
    SSL_CTX_set_client_CA_list(context, names);
    return true;
}

/* Judging clients. */

static int params_index(void)
{
    static int index = -1; /* vhosts are made by main, before others start */
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static void name_peer(const SSL *tls, struct kg_tls_refusal *refusal)
{
    struct sockaddr_storage peer = {0};
    socklen_t peer_size = sizeof peer;
    char host[64], port[8];
    snprintf(refusal->peer, sizeof refusal->peer, "?");
    if (getpeername(SSL_get_fd(tls), (struct sockaddr *)&peer, &peer_size) != 0)
        peer.ss_family = AF_UNSPEC;
    else if (getnameinfo((struct sockaddr *)&peer, peer_size, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(refusal->peer, sizeof refusal->peer, peer.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                 port);
    kg_enrolment_source_of((struct sockaddr *)&peer, &refusal->source);
}

/* What a stranger wrote about itself, made harmless: it goes to the log and the audit trail. */
static void name_subject(const X509 *certificate, char *text, size_t size)
{
    text[0] = '\0';
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, (int)size);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f || *c == '"' || *c == '\\')
            *c = '?';
    }
}

static void tell(const struct kg_tls_server_params *params, const SSL *tls, const X509 *leaf, bool passed,
                 const char *reason)
{
    struct kg_tls_refusal refusal = {.passed = passed};
    if (!params || !params->refusals || !leaf)
        return;
    name_peer(tls, &refusal);
    name_subject(leaf, refusal.name, sizeof refusal.name);
    kg_ca_x509_fingerprint(leaf, refusal.digest);
    kg_ca_fingerprint_text(refusal.digest, refusal.fingerprint);
    snprintf(refusal.reason, sizeof refusal.reason, "%s", reason);
    if (!kg_queue_push(params->refusals, &refusal))
        kg_log(KG_LOG_DEBUG, "relay", NULL, "a refused certificate is not told of: too many at once");
}

void kg_tls_server_tell(const struct kg_tls_server_params *params, SSL *tls, const char *reason)
{
    if (tls)
        tell(params, tls, SSL_get0_peer_certificate(tls), true, reason);
}

/* In place of X509_verify_cert, which takes a certificate that names no purpose at all for any. */
static int judge(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    int ok = X509_verify_cert(store), error = X509_STORE_CTX_get_error(store);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (ok == 1 && (!(X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) ||
                    !(X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT))) {
        error = X509_V_ERR_INVALID_PURPOSE;
        ok = 0;
    }
    if (ok == 1)
        return 1;
    if (error == X509_V_OK)
        error = X509_V_ERR_UNSPECIFIED;
    X509_STORE_CTX_set_error(store, error);
    const SSL *tls = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (tls)
        tell(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), params_index()), tls, leaf, false,
             X509_verify_cert_error_string(error));
    return 0;
}

void kg_tls_server_peer(SSL *tls, struct kg_peer_identity *peer)
{
    const X509 *certificate = tls ? SSL_get0_peer_certificate(tls) : NULL;
    enum kg_ca_kind kind;
    *peer = (struct kg_peer_identity){.kind = KG_PEER_NONE};
    if (!certificate || SSL_get_verify_result(tls) != X509_V_OK)
        return;
    kg_ca_x509_fingerprint(certificate, peer->fingerprint);
    peer->kind = KG_PEER_ROOM;
    if (kg_ca_x509_identity(certificate, &kind, peer->id) && kind == KG_CA_ADMINISTRATOR)
        peer->kind = KG_PEER_ADMINISTRATOR;
}

/* A certificate that somebody vouches for before its device ever comes. */

static const char *remedy_for(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "give one that its authority has renewed";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "set this machine's clock, or come again on its first day";
    case X509_V_ERR_INVALID_PURPOSE:
        return "let its authority make one for TLS clients (extended key usage clientAuth)";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return "let its authority make one with SHA-256 and a key of EC P-256 or RSA 2048 at least";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "give one of an authority in relay.conf's client-ca, and behind it in the same file those "
               "between it and that authority";
    default:
        return "let its authority make another";
    }
}

static bool judge_alone(SSL_CTX *context, X509 *leaf, STACK_OF(X509) * between, struct kg_problem *problem)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    bool ok = store && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context), leaf, between) == 1 &&
              X509_STORE_CTX_set_default(store, "ssl_client") == 1;
    if (!ok) {
        kg_ca_openssl_problem(problem, "the certificate cannot be judged");
    } else {
        /* As the handshake's, where OpenSSL takes both from the context. */
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(store), SECURITY_LEVEL);
        X509_STORE_CTX_set_depth(store, MAX_INTERMEDIATES);
        ok = judge(store, NULL) == 1;
        int error = X509_STORE_CTX_get_error(store);
        if (!ok)
            kg_problem_set(problem, "no device could connect with this certificate (%s): %s",
                           X509_verify_cert_error_string(error), remedy_for(error));
    }
    X509_STORE_CTX_free(store);
    ERR_clear_error();
    return ok;
}

bool kg_tls_server_knows(const struct kg_tls_server_params *params, const char *pem,
                         struct kg_ca_certificate *out, struct kg_problem *problem)
{
    struct files f;
    struct kg_ca_certificate made;
    enum kg_ca_kind kind;
    char id[KG_CA_ID_BYTES];
    if (!name_files(&f, params, problem) || !kg_ca_certificate_read(pem, &made, problem))
        return false;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    BIO *text = BIO_new_mem_buf(pem, -1);
    STACK_OF(X509) *between = sk_X509_new_null();
    X509 *leaf = text ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL, *next;
    bool ok = (context && between && leaf) || kg_ca_openssl_problem(problem, "cannot read the certificate");
    while (ok && sk_X509_num(between) < MAX_INTERMEDIATES + 1 &&
           (next = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(between, next) == 0)
            X509_free(next);
    }
    ERR_clear_error();
    ok = ok && load_authorities(context, params, &f, problem) && judge_alone(context, leaf, between, problem);
    if (ok && kg_ca_x509_identity(leaf, &kind, id) && kind == KG_CA_ADMINISTRATOR)
        ok = kg_problem_set(problem, "this certificate names an administrator, and no room comes in by one: "
                                     "let its authority make one without the name kaigi:admin:...");
    sk_X509_pop_free(between, X509_free);
    X509_free(leaf);
    BIO_free(text);
    SSL_CTX_free(context);
    if (ok)
        *out = made;
    else
        kg_ca_certificate_finish(&made);
    return ok;
}

/* Setting up. */

static bool harden(SSL_CTX *context, struct kg_problem *problem)
{
    /* No resumption: a revoked certificate must be shown, and refused, every time. */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1)
        return true;
    return kg_ca_openssl_problem(problem, "OpenSSL refuses TLS 1.2");
}

static bool prepare(SSL_CTX *context, const struct kg_tls_server_params *params, struct kg_problem *problem)
{
    struct files f;
    if (!name_files(&f, params, problem) || !harden(context, problem) ||
        !load_own(context, params, &f, problem) || !load_authorities(context, params, &f, problem))
        return false;
    SSL_CTX_set_verify_depth(context, MAX_INTERMEDIATES);
    SSL_CTX_set_cert_verify_callback(context, judge, NULL);
    return SSL_CTX_set_ex_data(context, params_index(), (void *)params) == 1 ||
           kg_ca_openssl_problem(problem, "OpenSSL gives no room");
}

/* Rooms refuse an expired certificate, and their screens blame a clock: here is where it can be mended. */
static void warn_of(const char *path, const char *remedy)
{
    struct kg_problem ignored;
    X509 *certificate = access(path, F_OK) == 0 ? kg_ca_x509_read(path, &ignored) : NULL;
    if (!certificate)
        return;
    time_t soon = time(NULL) + KG_TLS_WARN_DAYS * INT64_C(86400);
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        kg_log(KG_LOG_ERROR, "relay", "relay.certificate",
               "%s is not valid yet, no room will connect: set this machine's clock", path);
    else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        kg_log(KG_LOG_ERROR, "relay", "relay.certificate", "%s has expired, no room will connect: %s", path,
               remedy);
    else if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) < 0)
        kg_log(KG_LOG_WARN, "relay", "relay.certificate", "%s expires in less than %d days: %s", path,
               KG_TLS_WARN_DAYS, remedy);
    X509_free(certificate);
}

void kg_tls_server_warn(const struct kg_tls_server_params *params)
{
    struct files f;
    char old[KG_CA_PATH_BYTES];
    if (!name_files(&f, params, NULL))
        return;
    warn_of(f.certificate, remedy_of(params));
    warn_of(f.issuers, "run \"kaigi-ctl ca issue\" with the root's medium");
    warn_of(f.root, "make a new authority with \"kaigi-ctl ca init\" and enrol every room again");
    if (params->client_ca)
        warn_of(params->client_ca, "take its authority's new one");
    if (kg_ca_path(old, params->state, KG_CA_OLD_KEY, NULL) && access(old, F_OK) == 0)
        kg_log(KG_LOG_WARN, "relay", "relay.old-key",
               "%s is an earlier release's authority, whose key must not lie here: move it and ca.crt to "
               "kaigi-signer's folder as %s and %s",
               old, KG_CA_ISSUING_KEY, KG_CA_ISSUING_CERT);
}

static int64_t end_of(const char *path)
{
    struct kg_problem ignored;
    X509 *certificate = kg_ca_x509_read(path, &ignored);
    int64_t end_s = certificate ? kg_ca_x509_not_after(certificate) : 0;
    X509_free(certificate);
    return end_s;
}

void kg_tls_server_ends(const struct kg_tls_server_params *params, struct kg_tls_server_ends *ends)
{
    struct files f;
    *ends = (struct kg_tls_server_ends){0};
    if (!name_files(&f, params, NULL))
        return;
    ends->relay_s = end_of(f.certificate);
    ends->issuing_s = end_of(f.issuers);
    ends->root_s = end_of(f.root);
}

bool kg_tls_server_check(const struct kg_tls_server_params *params, struct kg_problem *problem)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    if (!scratch)
        return kg_ca_openssl_problem(problem, "OpenSSL gives no context");
    bool ok = prepare(scratch, params, problem);
    if (ok)
        kg_tls_server_warn(params);
    SSL_CTX_free(scratch);
    return ok;
}

bool kg_tls_server_prepare(SSL_CTX *context, const struct kg_tls_server_params *params,
                           enum kg_tls_clients clients)
{
    struct kg_problem problem;
    if (!prepare(context, params, &problem)) {
        kg_log(KG_LOG_ERROR, "relay", "relay.tls", "%s", problem.text);
        return false;
    }
    SSL_CTX_set_verify(context,
                       clients == KG_TLS_CLIENTS_REQUIRED ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                          : SSL_VERIFY_PEER,
                       NULL);
    return true;
}

bool kg_tls_server_reload(SSL_CTX *context, const struct kg_tls_server_params *params)
{
    struct kg_problem problem;
    struct files f;
    /* Tried apart first: a half-loaded pair would refuse everybody. */
    if (kg_tls_server_check(params, &problem) && name_files(&f, params, &problem) &&
        load_own(context, params, &f, &problem) && load_authorities(context, params, &f, &problem))
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
