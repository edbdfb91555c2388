#include "relay/ca_x509.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/random.h"

/* Backdated so that a room whose clock is a little behind accepts what was just signed. */
enum { SERIAL_BYTES = 16, BACKDATE_S = 3600, DAY_S = 86400 };
static const char room_scheme[] = "kaigi:room:", administrator_scheme[] = "kaigi:admin:";

/* The same as a room's id in agendas: nothing that a URI or an X.509 text form would read otherwise. */
static bool is_id(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n < KG_CA_ID_BYTES && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool kg_ca_openssl_problem(struct kg_problem *problem, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return kg_problem_set(problem, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_BYTES];
    kg_random_bytes(bytes, sizeof bytes);
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive and of one length (RFC 5280 §4.1.2.2) */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return ok;
}

static bool set_name(X509_NAME *name, const char *common)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)common, -1,
                                      -1, 0) == 1;
}

/* What all have in common. issuer NULL: signed by itself. */
static X509 *begin(EVP_PKEY *key, const char *common, int64_t now_s, int days, X509 *issuer)
{
    X509 *certificate = X509_new();
    if (!certificate)
        return NULL;
    int64_t end_s = now_s + (int64_t)days * DAY_S;
    if (issuer)
        end_s = KG_MIN(end_s, kg_ca_x509_not_after(issuer));
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool ok = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
              set_name(subject, common) && X509_set_pubkey(certificate, key) == 1 &&
              X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now_s - BACKDATE_S)) &&
              ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)end_s);
    if (ok)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static X509 *sign(X509 *certificate, bool ok, EVP_PKEY *issuer_key, const EVP_MD *digest,
                  struct kg_problem *problem)
{
    if (certificate && ok && X509_sign(certificate, issuer_key, digest) > 0)
        return certificate;
    kg_ca_openssl_problem(problem, "cannot make the certificate");
    X509_free(certificate);
    return NULL;
}

X509 *kg_ca_x509_root(EVP_PKEY *key, const char *name, int64_t now_s, struct kg_problem *problem)
{
    X509 *c = begin(key, name, now_s, KG_CA_ROOT_DAYS, NULL);
    bool ok = c && add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:1") &&
              add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(c, c, NID_subject_key_identifier, "hash");
    return sign(c, ok, key, EVP_sha384(), problem);
}

X509 *kg_ca_x509_issuing(EVP_PKEY *key, const char *name, int64_t now_s, X509 *root, EVP_PKEY *root_key,
                         struct kg_problem *problem)
{
    X509 *c = begin(key, name, now_s, KG_CA_ISSUING_DAYS, root);
    bool ok = c && add_extension(c, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(c, root, NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(c, root, NID_ext_key_usage, "clientAuth,serverAuth") &&
              add_extension(c, root, NID_subject_key_identifier, "hash") &&
              add_extension(c, root, NID_authority_key_identifier, "keyid");
    return sign(c, ok, root_key, EVP_sha384(), problem);
}

/* Letters, digits, dots and hyphens: nothing that could end the SAN's text form early. */
static bool is_host_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 253 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n &&
           name[0] != '.' && name[0] != '-';
}

static bool write_names(char *text, size_t size, const char *const *addresses, size_t count,
                        struct kg_problem *problem)
{
    size_t used = 0;
    if (count == 0)
        return kg_problem_set(problem, "no address given: rooms check the relay's name or address");
    for (size_t i = 0; i < count; i++) {
        struct in6_addr ignored;
        bool numeric = inet_pton(AF_INET, addresses[i], &ignored) == 1 ||
                       inet_pton(AF_INET6, addresses[i], &ignored) == 1;
        if (!numeric && !is_host_name(addresses[i]))
            return kg_problem_set(problem, "\"%.100s\" is neither a host name nor an address", addresses[i]);
        int n =
            snprintf(text + used, size - used, "%s%s:%s", i ? "," : "", numeric ? "IP" : "DNS", addresses[i]);
        if (n < 0 || (size_t)n >= size - used)
            return kg_problem_set(problem, "too many addresses for one certificate");
        used += (size_t)n;
    }
    return true;
}

/* The profile: common name, subject alternative name, purpose and life. */
struct profile {
    const char *common, *purpose;
    char names[4096];
    int days;
};

static bool choose(const struct kg_ca_subject *subject, struct profile *p, struct kg_problem *problem)
{
    switch (subject->kind) {
    case KG_CA_SERVER:
        p->days = KG_CA_SERVER_DAYS;
        p->purpose = "serverAuth";
        if (!write_names(p->names, sizeof p->names, subject->addresses, subject->address_count, problem))
            return false;
        /* A common name has at most 64 characters; a longer first address stands in the SAN alone. */
        p->common = strlen(subject->addresses[0]) <= 64 ? subject->addresses[0] : "kaigi-relay";
        return true;
    case KG_CA_ROOM:
    case KG_CA_ADMINISTRATOR:
        p->days = subject->kind == KG_CA_ROOM ? KG_CA_ROOM_DAYS : KG_CA_ADMINISTRATOR_DAYS;
        p->purpose = "clientAuth";
        p->common = subject->id;
        snprintf(p->names, sizeof p->names, "URI:%s%s",
                 subject->kind == KG_CA_ROOM ? room_scheme : administrator_scheme, subject->id);
        return true;
    }
    return kg_problem_set(problem, "there is no such kind of certificate");
}

bool kg_ca_subject_check(const struct kg_ca_subject *subject, struct kg_problem *problem)
{
    struct profile ignored;
    if (subject->kind != KG_CA_SERVER && (!subject->id || !is_id(subject->id)))
        return kg_problem_set(problem, "an id has 1 to %d characters of a-z, 0-9 and \"-\"",
                              KG_CA_ID_BYTES - 1);
    return choose(subject, &ignored, problem);
}

X509 *kg_ca_x509_leaf(EVP_PKEY *key, const struct kg_ca_subject *subject, int64_t now_s, X509 *issuer,
                      EVP_PKEY *issuer_key, struct kg_problem *problem)
{
    struct profile p;
    if (!choose(subject, &p, problem))
        return NULL;
    X509 *c = begin(key, p.common, now_s, p.days, issuer);
    bool ok = c && add_extension(c, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(c, issuer, NID_key_usage, "critical,digitalSignature") &&
              add_extension(c, issuer, NID_ext_key_usage, p.purpose) &&
              add_extension(c, issuer, NID_subject_key_identifier, "hash") &&
              add_extension(c, issuer, NID_authority_key_identifier, "keyid") &&
              add_extension(c, issuer, NID_subject_alt_name, p.names);
    return sign(c, ok, issuer_key, EVP_sha256(), problem);
}

bool kg_ca_x509_identity(const X509 *certificate, enum kg_ca_kind *kind, char id[KG_CA_ID_BYTES])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        char text[128];
        int size = ASN1_STRING_length(uri);
        if (size <= 0 || size >= (int)sizeof text || memchr(ASN1_STRING_get0_data(uri), 0, (size_t)size))
            continue;
        memcpy(text, ASN1_STRING_get0_data(uri), (size_t)size);
        text[size] = '\0';
        size_t room = sizeof room_scheme - 1, administrator = sizeof administrator_scheme - 1;
        bool is_room = strncmp(text, room_scheme, room) == 0;
        if (!is_room && strncmp(text, administrator_scheme, administrator) != 0)
            continue;
        const char *rest = text + (is_room ? room : administrator);
        if (!is_id(rest))
            continue;
        snprintf(id, KG_CA_ID_BYTES, "%s", rest);
        *kind = is_room ? KG_CA_ROOM : KG_CA_ADMINISTRATOR;
        found = true;
    }
    GENERAL_NAMES_free(names);
    return found;
}

X509 *kg_ca_x509_read(const char *path, struct kg_problem *problem)
{
    FILE *in = fopen(path, "re");
    if (!in) {
        kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                       errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
        return NULL;
    }
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    if (!certificate) {
        ERR_clear_error();
        kg_problem_set(problem, "%s holds no certificate", path);
    }
    return certificate;
}

void kg_ca_x509_fingerprint(const X509 *certificate, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    unsigned size = 0;
    memset(fingerprint, 0, KG_CA_FINGERPRINT_BYTES);
    if (X509_digest(certificate, EVP_sha256(), fingerprint, &size) != 1)
        ERR_clear_error();
}

void kg_ca_x509_serial(const X509 *certificate, char text[KG_CA_SERIAL_TEXT])
{
    text[0] = '\0';
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;
    if (hex)
        snprintf(text, KG_CA_SERIAL_TEXT, "%s", hex);
    OPENSSL_free(hex);
    BN_free(number);
}

int64_t kg_ca_x509_not_after(const X509 *certificate)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

char *kg_ca_x509_pem(X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text = NULL, *data;
    if (memory && PEM_write_bio_X509(memory, certificate) == 1) {
        long size = BIO_get_mem_data(memory, &data);
        text = strndup(data, (size_t)size);
    }
    BIO_free(memory);
    return text;
}
