#include "app/room_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static void log_file(const char *path, const char *what)
{
    unsigned long code = ERR_get_error();
    kg_log(KG_LOG_ERROR, "app", NULL, "%s: %s: %s", path, what,
           code ? ERR_reason_error_string(code) : (errno ? "the system refuses" : "?"));
}

/* Open for writing only if it is not there yet. */
static FILE *create_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        kg_log(KG_LOG_ERROR, "app", NULL, "%s: %m", path);
        return NULL;
    }
    FILE *file = fdopen(fd, "w");
    if (!file)
        close(fd);
    return file;
}

static bool finish_file(FILE *file, const char *path, bool written)
{
    bool ok = written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    ok = fclose(file) == 0 && ok;
    if (!ok) {
        log_file(path, "cannot be written");
        unlink(path);
    }
    return ok;
}

static EVP_PKEY *load_key(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    struct stat info;
    EVP_PKEY *key = NULL;
    if (fstat(fileno(file), &info) == 0 && (info.st_mode & 077) != 0)
        kg_log(KG_LOG_ERROR, "app", NULL,
               "%s: others may read it (mode %03o): make it 0600, or make a new key", path,
               info.st_mode & 0777);
    else if (!(key = PEM_read_PrivateKey(file, NULL, NULL, (char *)"")))
        log_file(path, "no usable private key");
    fclose(file);
    return key;
}

static EVP_PKEY *make_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key) {
        log_file(path, "no key could be made");
        return NULL;
    }
    FILE *file = create_file(path, 0600);
    if (!file || !finish_file(file, path, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    kg_log(KG_LOG_INFO, "app", "app.key-made", "made the room's key %s", path);
    return key;
}

X509_REQ *kg_room_identity_request(EVP_PKEY *key, const char *common_name, const char *serial_number)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = request ? X509_REQ_get_subject_name(request) : NULL;
    bool ok = name && X509_REQ_set_version(request, 0) == 1 &&
              X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                         (const unsigned char *)common_name, -1, -1, 0) == 1 &&
              (!serial_number || !serial_number[0] ||
               X509_NAME_add_entry_by_NID(name, NID_serialNumber, MBSTRING_ASC,
                                          (const unsigned char *)serial_number, -1, -1, 0) == 1) &&
              X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_sign(request, key, EVP_sha256()) > 0;
    if (!ok) {
        X509_REQ_free(request);
        return NULL;
    }
    return request;
}

bool kg_room_identity_make(const char *key_file, const char *csr_file, const char *common_name)
{
    ERR_clear_error();
    errno = 0;
    EVP_PKEY *key = access(key_file, F_OK) == 0 ? load_key(key_file) : make_key(key_file);
    if (!key)
        return false;
    X509_REQ *request = kg_room_identity_request(key, common_name, NULL);
    EVP_PKEY_free(key);
    if (!request) {
        log_file(csr_file, "no certificate request could be made");
        return false;
    }
    FILE *file = create_file(csr_file, 0644);
    bool ok = file && finish_file(file, csr_file, PEM_write_X509_REQ(file, request) == 1);
    X509_REQ_free(request);
    if (ok)
        kg_log(KG_LOG_INFO, "app", "app.request-made", "wrote the certificate request %s", csr_file);
    return ok;
}
