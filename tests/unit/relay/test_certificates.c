/* Every kind of bad certificate on every leg where TLS judges: a room's control connection, its tunnel, an
 * administrator's connection, and the relay's own certificate at the terminal. All are made here. */
#include "unit/cmocka_all.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/queue.h"
#include "net/tls_client.h"
#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/ca_x509.h"
#include "relay/gate.h"
#include "relay/tls_server.h"
#include "unit/folder.h"

enum { DAY_S = 86400 };

static char folder[64];
static struct kg_queue *refusals;
static X509 *issuing, *foreign_root, *foreign_sub, *foreign_rsa, *rogue_sub;
static EVP_PKEY *issuing_key, *foreign_root_key, *foreign_sub_key, *foreign_rsa_key, *rogue_key, *other_key,
    *room_key, *weak_key;

static const char *in_folder(const char *file)
{
    static char paths[256][192];
    static unsigned next;
    char *path = paths[next++ % 256];
    snprintf(path, 192, "%s/%s", folder, file);
    return path;
}

/* Making certificates. */

enum issuer {
    OURS,
    FOREIGN,
    FOREIGN_RSA, /* which can sign with MD5 */
    ROGUE,       /* an authority below our issuing one, which may have none */
    IMPOSTOR,
    ITSELF
};
enum damage { WHOLE, FLIPPED_SIGNATURE, GARBAGE_EXTENSION };

struct recipe {
    const char *name;
    enum issuer issuer;
    const char *names, *purpose; /* subjectAltName and extendedKeyUsage; NULL: none */
    int from_days, to_days;
    int rsa_bits; /* 0: EC P-256 */
    const char *digest;
    enum damage damage;
    /* What the relay says of it; NULL: let in, as `kind`. */
    const char *reason;
    int alert;
    enum kg_peer_kind kind;
    const char *id;
};

#define ROOM_NAME "URI:kaigi:room:kaku-1"
#define CLIENT    .purpose = "clientAuth", .from_days = -1, .to_days = 30, .digest = "SHA256"

static const struct recipe clients[] = {
    {"a room", OURS, ROOM_NAME, CLIENT, .kind = KG_PEER_ROOM, .id = "kaku-1"},
    {"an administrator", OURS, "URI:kaigi:admin:tanaka", CLIENT, .kind = KG_PEER_ADMINISTRATOR,
     .id = "tanaka"},
    {"a foreign device below a sub-authority", FOREIGN, NULL, CLIENT, .kind = KG_PEER_ROOM, .id = ""},
    {"RSA 2048", OURS, ROOM_NAME, CLIENT, .rsa_bits = 2048, .kind = KG_PEER_ROOM, .id = "kaku-1"},
    {"an id that is none", OURS, "URI:kaigi:admin:a b", CLIENT, .kind = KG_PEER_ROOM, .id = ""},
    {"expired", OURS, ROOM_NAME, "clientAuth", -90, -1, 0, "SHA256", .reason = "has expired",
     .alert = SSL_AD_CERTIFICATE_EXPIRED},
    {"not yet valid", OURS, ROOM_NAME, "clientAuth", 1, 90, 0, "SHA256", .reason = "not yet valid",
     .alert = SSL_AD_BAD_CERTIFICATE},
    {"for servers", OURS, ROOM_NAME, "serverAuth", -1, 90, 0, "SHA256", .reason = "purpose",
     .alert = SSL_AD_UNSUPPORTED_CERTIFICATE},
    {"for nothing in particular", OURS, ROOM_NAME, NULL, -1, 90, 0, "SHA256", .reason = "purpose",
     .alert = SSL_AD_UNSUPPORTED_CERTIFICATE},
    {"of an unknown authority with our name", IMPOSTOR, ROOM_NAME, CLIENT, .reason = "signature failure",
     .alert = SSL_AD_DECRYPT_ERROR},
    {"signed by itself", ITSELF, ROOM_NAME, CLIENT, .reason = "self-signed", .alert = SSL_AD_UNKNOWN_CA},
    {"of an authority that may not be one", ROGUE, ROOM_NAME, CLIENT, .reason = "path length",
     .alert = SSL_AD_UNKNOWN_CA},
    {"with a damaged signature", OURS, ROOM_NAME, CLIENT, .damage = FLIPPED_SIGNATURE,
     .reason = "signature failure", .alert = SSL_AD_DECRYPT_ERROR},
    {"malformed", OURS, ROOM_NAME, CLIENT, .damage = GARBAGE_EXTENSION,
     .reason = /* OpenSSL looks for no issuer of what it cannot read */ "unable to get local issuer",
     .alert = SSL_AD_UNKNOWN_CA},
    {"RSA 1024", OURS, ROOM_NAME, CLIENT, .rsa_bits = 1024, .reason = "key too weak",
     .alert = SSL_AD_BAD_CERTIFICATE},
    {"signed with SHA-1", OURS, ROOM_NAME, "clientAuth", -1, 30, 0, "SHA1",
     .reason = "digest algorithm too weak", .alert = SSL_AD_BAD_CERTIFICATE},
    {"signed with MD5", FOREIGN_RSA, ROOM_NAME, "clientAuth", -1, 30, 0, "MD5",
     .reason = "digest algorithm too weak", .alert = SSL_AD_BAD_CERTIFICATE},
};

static void add_extension(X509 *c, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, c, c, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(c, extension, -1);
    X509_EXTENSION_free(extension);
}

static void add_garbage(X509 *c)
{
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(bytes, (const unsigned char *)"\x30\x7fgarbage", 9);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_key_usage, 1, bytes);
    X509_add_ext(c, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(bytes);
}

static X509 *begin(EVP_PKEY *key, const char *name, const X509 *issuer, int from_days, int to_days)
{
    static long serial = 100;
    X509 *c = X509_new();
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
    X509_gmtime_adj(X509_getm_notBefore(c), from_days * (long)DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(c), to_days * (long)DAY_S);
    X509_set_pubkey(c, key);
    return c;
}

/* One of each size is enough: RSA keys are slow to make. The caller's. */
static EVP_PKEY *key_of(int rsa_bits)
{
    EVP_PKEY *key = rsa_bits == 0 ? room_key : rsa_bits == 1024 ? weak_key : foreign_rsa_key;
    EVP_PKEY_up_ref(key);
    return key;
}

static X509 *make(const struct recipe *r, EVP_PKEY **key)
{
    const struct {
        X509 *certificate;
        EVP_PKEY *key;
    } issuers[] = {[OURS] = {issuing, issuing_key},
                   [FOREIGN] = {foreign_sub, foreign_sub_key},
                   [FOREIGN_RSA] = {foreign_rsa, foreign_rsa_key},
                   [ROGUE] = {rogue_sub, rogue_key},
                   [IMPOSTOR] = {issuing, other_key},
                   [ITSELF] = {NULL, NULL}};
    *key = key_of(r->rsa_bits);
    X509 *c = begin(*key, "kaku-1\x1b[2J", issuers[r->issuer].certificate, r->from_days, r->to_days);
    add_extension(c, NID_basic_constraints, "critical,CA:FALSE");
    if (r->purpose)
        add_extension(c, NID_ext_key_usage, r->purpose);
    if (r->names)
        add_extension(c, NID_subject_alt_name, r->names);
    if (r->damage == GARBAGE_EXTENSION)
        add_garbage(c);
    EVP_PKEY *signer = issuers[r->issuer].key ? issuers[r->issuer].key : *key;
    assert_true(X509_sign(c, signer, EVP_get_digestbyname(r->digest)) > 0);
    if (r->damage == FLIPPED_SIGNATURE) {
        const ASN1_BIT_STRING *signature;
        X509_get0_signature(&signature, NULL, c);
        signature->data[signature->length - 1] ^= 1;
    }
    return c;
}

static X509 *make_authority(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *c = begin(key, name, issuer, -10, 300);
    add_extension(c, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(c, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(c, issuer ? issuer_key : key, EVP_sha256()) > 0);
    return c;
}

static void write_certificates(const char *file, X509 *first, X509 *second)
{
    FILE *out = fopen(in_folder(file), "w");
    assert_non_null(out);
    PEM_write_X509(out, first);
    if (second)
        PEM_write_X509(out, second);
    fclose(out);
}

static int alert_seen;

static void see_alert(const SSL *tls, int where, int value)
{
    (void)tls;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        alert_seen = value & 0xff;
}

/* One for all: contexts are slow to make. */
static SSL_CTX *client_context;

static int make_world(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1"};
    struct kg_problem problem;
    if (!folder_make(folder, "legs"))
        return -1;
    const struct kg_ca_making making = {.root = in_folder("root"),
                                        .state = in_folder("state"),
                                        .signer = in_folder("signer"),
                                        .name = "CA",
                                        .passphrase = "of this test only",
                                        .addresses = addresses,
                                        .address_count = 1,
                                        .now_s = time(NULL)};
    if (!kg_ca_init(&making, &problem))
        return -1;
    issuing = kg_ca_x509_read(in_folder("signer/" KG_CA_ISSUING_CERT), &problem);
    issuing_key = kg_ca_read_key(in_folder("signer/" KG_CA_ISSUING_KEY), NULL, &problem);
    foreign_root_key = EVP_EC_gen("P-256");
    foreign_sub_key = EVP_EC_gen("P-256");
    foreign_rsa_key = EVP_RSA_gen(2048);
    rogue_key = EVP_EC_gen("P-256");
    other_key = EVP_EC_gen("P-256");
    room_key = EVP_EC_gen("P-256");
    weak_key = EVP_RSA_gen(1024);
    foreign_root = make_authority(foreign_root_key, "foreign root", NULL, NULL);
    foreign_sub = make_authority(foreign_sub_key, "foreign sub", foreign_root, foreign_root_key);
    foreign_rsa = make_authority(foreign_rsa_key, "foreign RSA", foreign_root, foreign_root_key);
    rogue_sub = make_authority(rogue_key, "rogue", issuing, issuing_key);
    write_certificates("foreign.pem", foreign_root, NULL);
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(client_context, 0); /* a stranger shows what it likes */
    SSL_CTX_set_info_callback(client_context, see_alert);
    refusals = kg_queue_create(4, sizeof(struct kg_tls_refusal));
    return refusals ? 0 : -1;
}

static int remove_world(void **state)
{
    (void)state;
    X509 *const certificates[] = {issuing, foreign_root, foreign_sub, foreign_rsa, rogue_sub};
    EVP_PKEY *const keys[] = {issuing_key, foreign_root_key, foreign_sub_key, foreign_rsa_key,
                              rogue_key,   other_key,        room_key,        weak_key};
    for (size_t i = 0; i < KG_ARRAY_LEN(certificates); i++)
        X509_free(certificates[i]);
    for (size_t i = 0; i < KG_ARRAY_LEN(keys); i++)
        EVP_PKEY_free(keys[i]);
    SSL_CTX_free(client_context);
    kg_queue_destroy(refusals);
    return folder_remove(folder) ? 0 : -1;
}

/* Handshakes in memory. */

/* true: the server's handshake is complete. What a client only learns after its own (TLS 1.3) is read too. */
static bool shake_hands(SSL *server, SSL *client)
{
    BIO *a, *b;
    char byte;
    alert_seen = -1;
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 6; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
        if (SSL_is_init_finished(client))
            SSL_read(client, &byte, 1);
    }
    ERR_clear_error();
    return SSL_is_init_finished(server);
}

static SSL *make_client(X509 *certificate, EVP_PKEY *key, X509 *between, int version)
{
    SSL *client = SSL_new(client_context);
    SSL_set_max_proto_version(client, version);
    if (certificate) {
        assert_int_equal(SSL_use_certificate(client, certificate), 1);
        assert_int_equal(SSL_use_PrivateKey(client, key), 1);
    }
    if (between)
        assert_int_equal(SSL_add1_chain_cert(client, between), 1);
    return client;
}

static void try_client(const struct recipe *r, SSL_CTX *server_context, int version)
{
    EVP_PKEY *key;
    X509 *certificate = make(r, &key);
    X509 *const between[] = {[OURS] = NULL,       [FOREIGN] = foreign_sub, [FOREIGN_RSA] = foreign_rsa,
                             [ROGUE] = rogue_sub, [IMPOSTOR] = NULL,       [ITSELF] = NULL};
    SSL *server = SSL_new(server_context),
        *client = make_client(certificate, key, between[r->issuer], version);
    struct kg_tls_refusal refusal;
    struct kg_peer_identity peer;
    bool in = shake_hands(server, client);
    bool told = kg_queue_pop(refusals, &refusal);
    kg_tls_server_peer(server, &peer);
    if (in != (r->reason == NULL) || told != (r->reason != NULL))
        fail_msg("%s: %s (%s)", r->name, in ? "let in" : "refused", told ? refusal.reason : "not told");
    if (r->reason) {
        if (!strstr(refusal.reason, r->reason) || alert_seen != r->alert)
            fail_msg("%s: \"%s\", alert %d", r->name, refusal.reason, alert_seen);
        assert_int_equal(peer.kind, KG_PEER_NONE);
        assert_string_equal(refusal.name, "kaku-1?[2J"); /* no terminal is told to clear itself */
        assert_int_equal(strlen(refusal.fingerprint), 95);
    } else {
        if (peer.kind != r->kind || strcmp(peer.id, r->id) != 0)
            fail_msg("%s: taken for %d \"%s\"", r->name, peer.kind, peer.id);
        uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
        kg_ca_x509_fingerprint(certificate, fingerprint);
        assert_memory_equal(peer.fingerprint, fingerprint, sizeof fingerprint);
    }
    SSL_free(server);
    SSL_free(client);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static SSL_CTX *make_server(struct kg_tls_server_params *params, enum kg_tls_clients wanted)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    *params = (struct kg_tls_server_params){
        .state = in_folder("state"), .client_ca = in_folder("foreign.pem"), .refusals = refusals};
    assert_true(kg_tls_server_prepare(context, params, wanted));
    return context;
}

/* Control and administration share one service; the tunnel demands a certificate. */
static void test_clients_at_the_relay(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t leg = 0; leg < 2; leg++) {
        struct kg_tls_server_params params;
        SSL_CTX *server = make_server(&params, leg ? KG_TLS_CLIENTS_REQUIRED : KG_TLS_CLIENTS_OPTIONAL);
        for (size_t v = 0; v < KG_ARRAY_LEN(versions); v++) {
            for (size_t i = 0; i < KG_ARRAY_LEN(clients); i++)
                try_client(&clients[i], server, versions[v]);
        }
        SSL_CTX_free(server);
    }
}

static void test_no_certificate_at_all(void **state)
{
    (void)state;
    for (size_t leg = 0; leg < 2; leg++) {
        struct kg_tls_server_params params;
        struct kg_peer_identity peer;
        SSL_CTX *server_context =
            make_server(&params, leg ? KG_TLS_CLIENTS_REQUIRED : KG_TLS_CLIENTS_OPTIONAL);
        SSL *server = SSL_new(server_context), *client = make_client(NULL, NULL, NULL, TLS1_3_VERSION);
        assert_int_equal(shake_hands(server, client), leg == 0);
        kg_tls_server_peer(server, &peer);
        assert_int_equal(peer.kind, KG_PEER_NONE);
        if (leg)
            assert_int_equal(alert_seen, SSL_AD_CERTIFICATE_REQUIRED);
        SSL_free(server);
        SSL_free(client);
        SSL_CTX_free(server_context);
    }
}

/* Without client-ca, a device of the foreign authority is a stranger; after a reload it is known. */
static void test_a_foreign_authority_is_known_by_its_setting_alone(void **state)
{
    (void)state;
    struct kg_tls_server_params params = {.state = in_folder("state"), .refusals = refusals};
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    assert_true(kg_tls_server_prepare(server, &params, KG_TLS_CLIENTS_OPTIONAL));
    struct recipe stranger = clients[2];
    stranger.reason = "unable to get";
    stranger.alert = SSL_AD_UNKNOWN_CA;
    try_client(&stranger, server, TLS1_3_VERSION);
    params.client_ca = in_folder("foreign.pem");
    assert_true(kg_tls_server_reload(server, &params));
    try_client(&clients[2], server, TLS1_3_VERSION);
    /* Files that cannot serve leave everything as it was. */
    params.client_ca = in_folder("nowhere.pem");
    assert_false(kg_tls_server_reload(server, &params));
    try_client(&clients[2], server, TLS1_3_VERSION);
    SSL_CTX_free(server);
}

/* What an operator vouches for before the device comes is judged as its handshake will be. */

static char *pem_of(const struct recipe *r)
{
    EVP_PKEY *key;
    X509 *certificate = make(r, &key);
    X509 *const between[] = {[OURS] = NULL,       [FOREIGN] = foreign_sub, [FOREIGN_RSA] = foreign_rsa,
                             [ROGUE] = rogue_sub, [IMPOSTOR] = NULL,       [ITSELF] = NULL};
    const char *bytes;
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    if (between[r->issuer])
        assert_int_equal(PEM_write_bio_X509(out, between[r->issuer]), 1);
    long size = BIO_get_mem_data(out, &bytes);
    char *pem = strndup(bytes, (size_t)size);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

static void try_vouched(const struct recipe *r, const char *client_ca)
{
    const struct kg_tls_server_params params = {.state = in_folder("state"), .client_ca = client_ca};
    const char *reason = r->kind == KG_PEER_ADMINISTRATOR ? "names an administrator" : r->reason;
    struct kg_ca_certificate known = {0}, read;
    struct kg_problem problem = {""};
    char *pem = pem_of(r);
    bool ok = kg_tls_server_knows(&params, pem, &known, &problem);
    if (ok != !reason || (reason && !strstr(problem.text, reason)))
        fail_msg("%s: %s \"%s\"", r->name, ok ? "known" : "refused", problem.text);
    if (ok) {
        assert_true(kg_ca_certificate_read(pem, &read, &problem));
        assert_memory_equal(known.fingerprint, read.fingerprint, sizeof read.fingerprint);
        kg_ca_certificate_finish(&read);
    } else {
        assert_null(known.pem);
        assert_non_null(strstr(problem.text, ": ")); /* and what to do */
    }
    kg_ca_certificate_finish(&known);
    free(pem);
}

static void test_certificates_that_are_vouched_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < KG_ARRAY_LEN(clients); i++)
        try_vouched(&clients[i], in_folder("foreign.pem"));
    struct recipe stranger = clients[2];
    stranger.reason = "unable to get";
    try_vouched(&stranger, NULL);
    const struct kg_tls_server_params params = {.state = in_folder("state")};
    struct kg_ca_certificate known = {0};
    struct kg_problem problem;
    assert_false(kg_tls_server_knows(&params, "no PEM at all", &known, &problem));
    assert_non_null(strstr(problem.text, "this is no certificate"));
}

/* The relay's certificate at the terminal. */

static const struct {
    struct recipe recipe;
    enum kg_tls_problem problem;
    const char *pinned;
} servers[] = {
#define SERVER(text, by, what, from, to, bits, hash)                                                         \
    {                                                                                                        \
        .name = (text), .issuer = (by), .names = (what), .purpose = "serverAuth", .from_days = (from),       \
        .to_days = (to), .rsa_bits = (bits), .digest = (hash)                                                \
    }
    {SERVER("address", OURS, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_OK, "state/ca.crt"},
    {SERVER("among several", OURS, "DNS:relay.example,IP:10.0.0.1,IP:127.0.0.1", -1, 30, 0, "SHA256"),
     KG_TLS_OK, "state/ca.crt"},
    {SERVER("root, sub, server", FOREIGN, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_OK, "foreign.pem"},
    {SERVER("a bundle is pinned", FOREIGN, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_OK, "bundle.pem"},
    {SERVER("another address", OURS, "IP:127.0.0.2", -1, 30, 0, "SHA256"), KG_TLS_WRONG_NAME, "state/ca.crt"},
    {SERVER("the address as a name", OURS, "DNS:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_WRONG_NAME,
     "state/ca.crt"},
    {SERVER("expired", OURS, "IP:127.0.0.1", -30, -1, 0, "SHA256"), KG_TLS_EXPIRED, "state/ca.crt"},
    {SERVER("not yet valid", OURS, "IP:127.0.0.1", 1, 30, 0, "SHA256"), KG_TLS_NOT_YET_VALID, "state/ca.crt"},
    {SERVER("foreign", FOREIGN, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_UNTRUSTED, "state/ca.crt"},
    {SERVER("impostor", IMPOSTOR, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_UNTRUSTED, "state/ca.crt"},
    {SERVER("signed by itself", ITSELF, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_UNTRUSTED,
     "state/ca.crt"},
    {SERVER("rogue", ROGUE, "IP:127.0.0.1", -1, 30, 0, "SHA256"), KG_TLS_UNTRUSTED, "state/ca.crt"},
    {SERVER("RSA 1024", OURS, "IP:127.0.0.1", -1, 30, 1024, "SHA256"), KG_TLS_UNTRUSTED, "state/ca.crt"},
    {SERVER("SHA-1", OURS, "IP:127.0.0.1", -1, 30, 0, "SHA1"), KG_TLS_UNTRUSTED, "state/ca.crt"},
    {SERVER("MD5", FOREIGN_RSA, "IP:127.0.0.1", -1, 30, 0, "MD5"), KG_TLS_UNTRUSTED, "foreign.pem"},
    {{.name = "a room's", .issuer = OURS, .names = "IP:127.0.0.1," ROOM_NAME, CLIENT},
     KG_TLS_UNTRUSTED,
     "state/ca.crt"},
    {{.name = "damaged",
      .issuer = OURS,
      .names = "IP:127.0.0.1",
      .purpose = "serverAuth",
      .from_days = -1,
      .to_days = 30,
      .digest = "SHA256",
      .damage = FLIPPED_SIGNATURE},
     KG_TLS_UNTRUSTED,
     "state/ca.crt"},
    {{.name = "malformed",
      .issuer = OURS,
      .names = "IP:127.0.0.1",
      .purpose = "serverAuth",
      .from_days = -1,
      .to_days = 30,
      .digest = "SHA256",
      .damage = GARBAGE_EXTENSION},
     KG_TLS_UNTRUSTED,
     "state/ca.crt"},
};

static void try_server(const struct recipe *r, enum kg_tls_problem wanted, const char *pinned,
                       const char *name)
{
    EVP_PKEY *key;
    X509 *certificate = make(r, &key);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(context, 0);
    assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    SSL_CTX_add1_chain_cert(context, r->issuer == FOREIGN       ? foreign_sub
                                     : r->issuer == FOREIGN_RSA ? foreign_rsa
                                                                : issuing);
    if (r->issuer == ROGUE)
        SSL_CTX_add1_chain_cert(context, rogue_sub);
    char detail[256];
    enum kg_tls_problem problem;
    const struct kg_tls_client_params params = {.ca_file = in_folder(pinned), .peer_name = name};
    struct kg_tls_client *terminal = kg_tls_client_create(&params, &problem, detail, sizeof detail);
    assert_non_null(terminal);
    SSL *server = SSL_new(context), *client = SSL_new(kg_tls_client_context(terminal));
    bool in = shake_hands(server, client);
    problem = kg_tls_client_problem(terminal, detail, sizeof detail);
    if (problem != wanted || in != (wanted == KG_TLS_OK))
        fail_msg("%s: problem %d, \"%s\"", r->name, problem, detail);
    if (wanted != KG_TLS_OK)
        assert_non_null(strstr(detail, "(certificate of "));
    assert_null(strchr(detail, 0x1b)); /* no log is told to clear itself */
    SSL_free(server);
    SSL_free(client);
    kg_tls_client_destroy(terminal);
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void test_the_relay_at_the_terminal(void **state)
{
    (void)state;
    X509 *root = kg_ca_x509_read(in_folder("state/" KG_CA_CERT_FILE), NULL);
    write_certificates("bundle.pem", root, foreign_root);
    X509_free(root);
    for (size_t i = 0; i < KG_ARRAY_LEN(servers); i++)
        try_server(&servers[i].recipe, servers[i].problem, servers[i].pinned, "127.0.0.1");
    struct recipe named = servers[1].recipe;
    try_server(&named, KG_TLS_OK, "state/ca.crt", "relay.example");
    try_server(&named, KG_TLS_WRONG_NAME, "state/ca.crt", "relay.example.invalid");
}

/* [tls] certificate and key, and what is refused of them before anything else starts. */
static void test_own_chain(void **state)
{
    (void)state;
    struct kg_problem problem;
    EVP_PKEY *key;
    struct recipe r = servers[2].recipe;
    X509 *server = make(&r, &key);
    write_certificates("chain.pem", server, foreign_sub);
    assert_true(kg_ca_write_key(folder, "chain.key", key, &problem));
    struct kg_tls_server_params params = {
        .state = in_folder("state"), .certificate = in_folder("chain.pem"), .key = in_folder("chain.key")};
    assert_true(kg_tls_server_check(&params, &problem));
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_true(kg_tls_server_prepare(context, &params, KG_TLS_CLIENTS_OPTIONAL));
    char detail[256];
    enum kg_tls_problem trouble;
    const struct kg_tls_client_params pinned = {.ca_file = in_folder("foreign.pem"),
                                                .peer_name = "127.0.0.1"};
    struct kg_tls_client *terminal = kg_tls_client_create(&pinned, &trouble, detail, sizeof detail);
    SSL *at_relay = SSL_new(context), *at_terminal = SSL_new(kg_tls_client_context(terminal));
    assert_true(shake_hands(at_relay, at_terminal));
    SSL_free(at_relay);
    SSL_free(at_terminal);
    kg_tls_client_destroy(terminal);
    SSL_CTX_free(context);

    params.key = in_folder("state/" KG_CA_RELAY_KEY);
    assert_false(kg_tls_server_check(&params, &problem));
    assert_non_null(strstr(problem.text, "is not the private key of"));
    X509_free(server);
    EVP_PKEY_free(key);
    r.purpose = "clientAuth";
    server = make(&r, &key);
    write_certificates("chain.pem", server, foreign_sub);
    assert_true(kg_ca_write_key(folder, "chain.key", key, &problem));
    params.key = in_folder("chain.key");
    assert_false(kg_tls_server_check(&params, &problem));
    assert_non_null(strstr(problem.text, "not a server's certificate"));
    X509_free(server);
    EVP_PKEY_free(key);
}

static void test_the_gate(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct kg_gate *gate = kg_gate_create();
    struct kg_gate_key *keys = calloc(COUNT, sizeof *keys), *fewer = calloc(COUNT, sizeof *keys),
                       probe = {{0}};
    assert_false(kg_gate_admits(gate, probe.fingerprint));
    for (int i = 0; i < COUNT; i++)
        keys[i].fingerprint[0] = fewer[i].fingerprint[0] = (uint8_t)(200 - i * 3);
    assert_false(kg_gate_replace(gate, keys, COUNT));
    for (int i = 0; i < 256; i++) {
        probe.fingerprint[0] = (uint8_t)i;
        assert_int_equal(kg_gate_admits(gate, probe.fingerprint), i >= 53 && i <= 200 && (200 - i) % 3 == 0);
    }
    assert_true(kg_gate_replace(gate, fewer, COUNT - 1));
    probe.fingerprint[0] = 53;
    assert_false(kg_gate_admits(gate, probe.fingerprint));
    assert_true(kg_gate_replace(gate, NULL, 0));
    kg_gate_destroy(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_at_the_relay),
        cmocka_unit_test(test_no_certificate_at_all),
        cmocka_unit_test(test_a_foreign_authority_is_known_by_its_setting_alone),
        cmocka_unit_test(test_certificates_that_are_vouched_for),
        cmocka_unit_test(test_the_relay_at_the_terminal),
        cmocka_unit_test(test_own_chain),
        cmocka_unit_test(test_the_gate),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
