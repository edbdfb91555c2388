#include "app/identity_store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "net/est.h"
#include "net/identity.h"

/* A pair of names: the files themselves (""), or those beside them. */
struct names {
    char key[PATH_MAX], certificate[PATH_MAX];
};

static struct names names_of(const struct kg_identity_files *files, const char *suffix)
{
    struct names names;
    snprintf(names.key, sizeof names.key, "%s%s", files->key, suffix);
    snprintf(names.certificate, sizeof names.certificate, "%s%s", files->certificate, suffix);
    return names;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, (char *)"") : NULL;
    if (file)
        fclose(file);
    ERR_clear_error();
    return key;
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    ERR_clear_error();
    return certificate;
}

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static bool fits(const char *key_path, const char *certificate_path)
{
    EVP_PKEY *key = read_key(key_path);
    X509 *certificate = read_certificate(certificate_path);
    bool ok = key && certificate && X509_check_private_key(certificate, key) == 1;
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return ok;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *seconds)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *seconds = (int64_t)timegm(&tm);
    return true;
}

enum kg_identity_state kg_identity_store_look(const struct kg_identity_files *files,
                                              struct kg_identity_times *times)
{
    struct kg_identity_times found = {0};
    if (!is_there(files->certificate) && errno == ENOENT)
        return KG_IDENTITY_NONE;
    if (!fits(files->key, files->certificate))
        return KG_IDENTITY_BROKEN;
    X509 *certificate = read_certificate(files->certificate);
    bool ok = certificate && seconds_of(X509_get0_notBefore(certificate), &found.not_before_s) &&
              seconds_of(X509_get0_notAfter(certificate), &found.not_after_s);
    X509_free(certificate);
    ERR_clear_error();
    if (!ok)
        return KG_IDENTITY_BROKEN;
    *times = found;
    return KG_IDENTITY_USABLE;
}

void kg_identity_fingerprint_of_file(const char *path, char *text, size_t size)
{
    uint8_t fingerprint[KG_FINGERPRINT_BYTES];
    char whole[KG_FINGERPRINT_TEXT_BYTES] = "";
    X509 *certificate = read_certificate(path);
    if (certificate && kg_fingerprint_of(certificate, fingerprint))
        kg_fingerprint_text(fingerprint, whole);
    X509_free(certificate);
    snprintf(text, size, "%s", whole);
}

/* --- judging -------------------------------------------------------------------------------------------- */

static int find_own(STACK_OF(X509) * certificates, EVP_PKEY *key)
{
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        EVP_PKEY *other = X509_get0_pubkey(sk_X509_value(certificates, i));
        if (other && EVP_PKEY_eq(other, key) == 1)
            return i;
    }
    return -1;
}

static bool verify(X509 *own, STACK_OF(X509) * others, const char *ca_file, int64_t now_s, char *why,
                   size_t size)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool ready = store && context && X509_STORE_load_file(store, ca_file) == 1 &&
                 X509_STORE_CTX_init(context, store, own, others) == 1 &&
                 X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1;
    bool ok = false;
    if (ready) {
        X509_STORE_CTX_set_time(context, 0, (time_t)now_s);
        ok = X509_verify_cert(context) == 1;
    }
    if (!ok)
        snprintf(why, size, "%s",
                 ready ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(context))
                       : "ca-file of [relay] cannot be read");
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return ok;
}

bool kg_identity_check(STACK_OF(X509) * certificates, EVP_PKEY *key, const char *ca_file, int64_t now_s,
                       char *why, size_t why_size)
{
    int at = find_own(certificates, key);
    bool ok = at >= 0;
    if (!ok)
        snprintf(why, why_size, "none of the certificates is for this device's key");
    else
        ok = verify(sk_X509_value(certificates, at), certificates, ca_file, now_s, why, why_size);
    if (ok && at > 0) {
        X509 *own = sk_X509_delete(certificates, at);
        ok = sk_X509_unshift(certificates, own) > 0;
        if (!ok) {
            X509_free(own);
            snprintf(why, why_size, "memory is short");
        }
    }
    ERR_clear_error();
    return ok;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fsync(fd) != 0)
        kg_log(KG_LOG_WARN, "app", NULL, "%s: its folder cannot be synced: %m", path);
    close(fd);
}

static void sync_folders(const struct kg_identity_files *files)
{
    sync_folder_of(files->key);
    sync_folder_of(files->certificate);
}

static void make_folder_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    if (mkdir(dirname(copy), 0700) != 0 && errno != EEXIST)
        kg_log(KG_LOG_WARN, "app", NULL, "%s: its folder cannot be made: %m", path);
}

static FILE *create(const char *path)
{
    make_folder_of(path);
    if (unlink(path) != 0 && errno != ENOENT)
        return NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

static bool finish(FILE *file, bool written)
{
    bool ok = written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    return fclose(file) == 0 && ok;
}

static bool write_key(const char *path, EVP_PKEY *key)
{
    FILE *file = create(path);
    return file && finish(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
}

/* Ours, then those that lead to the authority; the authority itself every peer has. */
static bool write_certificates(const char *path, STACK_OF(X509) * certificates)
{
    FILE *file = create(path);
    bool ok = file != NULL;
    for (int i = 0; ok && i < sk_X509_num(certificates); i++) {
        X509 *certificate = sk_X509_value(certificates, i);
        if (i == 0 || X509_check_issued(certificate, certificate) != X509_V_OK)
            ok = PEM_write_X509(file, certificate) == 1;
    }
    return file && finish(file, ok);
}

static bool move_pair(const struct names *from, const struct kg_identity_files *to)
{
    bool ok = rename(from->key, to->key) == 0 && rename(from->certificate, to->certificate) == 0;
    sync_folders(to);
    return ok;
}

static void drop(const struct names *names)
{
    (void)unlink(names->key);
    (void)unlink(names->certificate);
}

/* A second name for the pair in use, if it is one. */
static bool keep_old(const struct kg_identity_files *files)
{
    struct names old = names_of(files, ".old");
    if (!fits(files->key, files->certificate))
        return true;
    drop(&old);
    bool ok = link(files->key, old.key) == 0 && link(files->certificate, old.certificate) == 0;
    sync_folders(files);
    return ok;
}

bool kg_identity_store_put(const struct kg_identity_files *files, EVP_PKEY *key,
                           STACK_OF(X509) * certificates)
{
    struct names fresh = names_of(files, ".new");
    errno = 0;
    bool ok = write_key(fresh.key, key) && write_certificates(fresh.certificate, certificates);
    sync_folders(files);
    ok = ok && keep_old(files) && move_pair(&fresh, files);
    ERR_clear_error();
    if (ok)
        return true;
    kg_log(KG_LOG_ERROR, "app", "app.identity-not-saved",
           "%s, %s: %m; give this user their folders to write, and free their disk", files->key,
           files->certificate);
    kg_identity_store_recover(files); /* whichever pair is whole */
    return false;
}

void kg_identity_store_recover(const struct kg_identity_files *files)
{
    struct names fresh = names_of(files, ".new"), old = names_of(files, ".old");
    bool complete = fits(fresh.key, fresh.certificate);
    /* Between the two renames of a put: the key is the new one already. */
    bool half = !complete && !is_there(fresh.key) && fits(files->key, fresh.certificate);
    if ((complete && keep_old(files) && move_pair(&fresh, files)) ||
        (half && rename(fresh.certificate, files->certificate) == 0))
        kg_log(KG_LOG_WARN, "app", "app.identity-recovered",
               "an interrupted change of the certificate is ended");
    else if (!fits(files->key, files->certificate) && fits(files->key, old.certificate) &&
             rename(old.certificate, files->certificate) == 0)
        kg_log(KG_LOG_WARN, "app", "app.identity-recovered",
               "an interrupted return to the old certificate is ended");
    else if (!fits(files->key, files->certificate) && fits(old.key, old.certificate) &&
             move_pair(&old, files))
        kg_log(KG_LOG_WARN, "app", "app.identity-recovered",
               "key and certificate do not fit: back to the old ones");
    if (fits(files->key, files->certificate)) /* or what is there may be all that fits the key */
        drop(&fresh);
    sync_folders(files);
}

void kg_identity_store_confirm(const struct kg_identity_files *files)
{
    struct names old = names_of(files, ".old");
    if (!is_there(old.key) && !is_there(old.certificate))
        return;
    drop(&old);
    sync_folders(files);
    kg_log(KG_LOG_INFO, "app", "app.identity-confirmed", "the relay has taken the new certificate");
}

bool kg_identity_store_revert(const struct kg_identity_files *files)
{
    struct names old = names_of(files, ".old");
    if (!fits(old.key, old.certificate) || !move_pair(&old, files))
        return false;
    kg_log(KG_LOG_WARN, "app", "app.identity-reverted",
           "the relay does not take the new certificate: back to the old one");
    return true;
}
