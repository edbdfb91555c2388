#include "relay/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/ca_x509.h"

struct kg_ca {
    EVP_PKEY *key;
    X509 *certificate;
};

static void path_of(char *path, size_t size, const char *folder, const char *file)
{
    snprintf(path, size, "%s/%s", folder, file);
}

/* Writes a PEM file whole beside its place and then renames it, so that nobody reads half a key. */
static bool write_file(const char *folder, const char *file, mode_t mode, EVP_PKEY *key, X509 *certificate,
                       struct kg_problem *problem)
{
    char path[4096], temporary[4096 + 8];
    path_of(path, sizeof path, folder, file);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) {
        if (fd >= 0)
            close(fd);
        return kg_problem_set(problem, "cannot write %s: %s", temporary, strerror(errno));
    }
    bool ok = key ? PEM_write_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1
                  : PEM_write_X509(out, certificate) == 1;
    ok = ok && fflush(out) == 0 && fsync(fd) == 0;
    int error = errno;
    ok = fclose(out) == 0 && ok;
    if (ok && rename(temporary, path) == 0)
        return true;
    error = ok ? errno : error;
    unlink(temporary);
    return kg_problem_set(problem, "cannot write %s: %s", path, strerror(error));
}

static bool write_pair(const char *folder, const char *key_file, const char *certificate_file, EVP_PKEY *key,
                       X509 *certificate, struct kg_problem *problem)
{
    return write_file(folder, key_file, 0600, key, NULL, problem) &&
           write_file(folder, certificate_file, 0644, NULL, certificate, problem);
}

static bool make_folder(const char *folder, struct kg_problem *problem)
{
    struct stat st;
    if (mkdir(folder, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return kg_problem_set(problem, "cannot make the state folder %s: %s", folder, strerror(errno));
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return kg_problem_set(problem, "%s is not a folder; give another with --state", folder);
    return true;
}

static bool refuse_existing(const char *folder, struct kg_problem *problem)
{
    static const char *const files[] = {KG_CA_KEY_FILE, KG_CA_CERT_FILE, KG_CA_RELAY_KEY, KG_CA_RELAY_CERT};
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        char path[4096];
        path_of(path, sizeof path, folder, files[i]);
        if (access(path, F_OK) == 0)
            return kg_problem_set(
                problem,
                "%s exists already; a new authority would lock out every enrolled room. Use "
                "another state folder, or move the old one away first",
                path);
    }
    return true;
}

bool kg_ca_renew_relay(struct kg_ca *ca, const char *folder, const char *const *addresses,
                       size_t address_count, int64_t now_s, struct kg_problem *problem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = NULL;
    bool ok = key || kg_ca_openssl_problem(problem, "cannot make a key");
    if (ok) {
        certificate =
            kg_ca_x509_server(key, addresses, address_count, now_s, ca->certificate, ca->key, problem);
        ok = certificate && write_pair(folder, KG_CA_RELAY_KEY, KG_CA_RELAY_CERT, key, certificate, problem);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ok;
}

bool kg_ca_init(const char *folder, const char *name, const char *const *addresses, size_t address_count,
                int64_t now_s, struct kg_problem *problem)
{
    if (!make_folder(folder, problem) || !refuse_existing(folder, problem))
        return false;
    struct kg_ca ca = {.key = EVP_EC_gen("P-256")};
    if (!ca.key)
        return kg_ca_openssl_problem(problem, "cannot make a key");
    ca.certificate = kg_ca_x509_authority(ca.key, name, now_s, problem);
    /* The relay's pair first: when its addresses are wrong, no authority is left behind. */
    bool ok = ca.certificate && kg_ca_renew_relay(&ca, folder, addresses, address_count, now_s, problem) &&
              write_pair(folder, KG_CA_KEY_FILE, KG_CA_CERT_FILE, ca.key, ca.certificate, problem);
    X509_free(ca.certificate);
    EVP_PKEY_free(ca.key);
    return ok;
}

static FILE *open_key(const char *path, struct kg_problem *problem)
{
    FILE *in = fopen(path, "re");
    struct stat st;
    if (!in) {
        kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                       errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
        return NULL;
    }
    if (fstat(fileno(in), &st) != 0 || (st.st_mode & 077) != 0) {
        kg_problem_set(problem, "%s can be read by other users; run \"chmod 600 %s\"", path, path);
        fclose(in);
        return NULL;
    }
    return in;
}

struct kg_ca *kg_ca_open(const char *folder, struct kg_problem *problem)
{
    char path[4096];
    path_of(path, sizeof path, folder, KG_CA_KEY_FILE);
    FILE *in = open_key(path, problem);
    struct kg_ca *ca = in ? calloc(1, sizeof *ca) : NULL;
    if (!ca) {
        if (in)
            fclose(in);
        return NULL;
    }
    ca->key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    fclose(in);
    if (!ca->key) {
        kg_ca_openssl_problem(problem, "ca.key holds no private key");
        goto close_ca;
    }
    path_of(path, sizeof path, folder, KG_CA_CERT_FILE);
    ca->certificate = kg_ca_x509_read(path, problem);
    if (!ca->certificate)
        goto close_ca;
    if (X509_check_private_key(ca->certificate, ca->key) != 1) {
        ERR_clear_error();
        kg_problem_set(problem, "ca.key in %s is not the key of ca.crt; restore both from one backup",
                       folder);
        goto close_ca;
    }
    return ca;

close_ca:
    kg_ca_close(ca);
    return NULL;
}

void kg_ca_close(struct kg_ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    free(ca);
}

static bool strong_key(EVP_PKEY *key, struct kg_problem *problem)
{
    int bits = EVP_PKEY_get_bits(key);
    char curve[32] = "";
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
        (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0))
        return true;
    if (EVP_PKEY_is_a(key, "RSA") && bits >= 2048 && bits <= 4096)
        return true;
    return kg_problem_set(problem, "the request's key (%s, %d bits) is not accepted; use EC P-256",
                          EVP_PKEY_get0_type_name(key) ? EVP_PKEY_get0_type_name(key) : "unknown", bits);
}

static char *pem_of(X509 *certificate)
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

bool kg_ca_sign_room(struct kg_ca *ca, const char *csr_pem, const char *room, int64_t now_s,
                     struct kg_ca_certificate *out, struct kg_problem *problem)
{
    BIO *memory = BIO_new_mem_buf(csr_pem, -1);
    X509_REQ *request = memory ? PEM_read_bio_X509_REQ(memory, NULL, NULL, NULL) : NULL;
    BIO_free(memory);
    if (!request) {
        ERR_clear_error();
        return kg_problem_set(problem, "the file is no certificate request (expected a line \"-----BEGIN "
                                       "CERTIFICATE REQUEST-----\")");
    }
    struct kg_ca_certificate made = {.not_after_s = now_s + KG_CA_ROOM_DAYS * INT64_C(86400)};
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    X509 *certificate = NULL;
    bool ok = key || kg_problem_set(problem, "the certificate request holds no usable public key");
    ok = ok && strong_key(key, problem);
    if (ok && X509_REQ_verify(request, key) != 1) {
        ERR_clear_error();
        ok = kg_problem_set(problem,
                            "the request's signature is wrong: it is damaged, or its key is another's");
    }
    if (ok) {
        certificate = kg_ca_x509_room(key, room, now_s, ca->certificate, ca->key, problem);
        ok = certificate != NULL;
    }
    if (ok) {
        kg_ca_x509_fingerprint(certificate, made.fingerprint);
        kg_ca_x509_serial(certificate, made.serial);
        made.pem = pem_of(certificate);
        ok = made.pem || kg_ca_openssl_problem(problem, "cannot write the certificate");
    }
    X509_free(certificate);
    X509_REQ_free(request);
    if (ok)
        *out = made;
    return ok;
}

bool kg_ca_file_fingerprint(const char *path, uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES],
                            struct kg_problem *problem)
{
    X509 *certificate = kg_ca_x509_read(path, problem);
    if (!certificate)
        return false;
    kg_ca_x509_fingerprint(certificate, fingerprint);
    X509_free(certificate);
    return true;
}
