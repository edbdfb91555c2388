#include "relay/ca_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/ca_x509.h"

/* 16 MiB and 50 ms a guess; OpenSSL reads back no more than 32 MiB. */
enum { SCRYPT_N = 16384, SCRYPT_R = 8, SCRYPT_P = 1 };

bool kg_ca_path(char path[KG_CA_PATH_BYTES], const char *folder, const char *file, struct kg_problem *problem)
{
    int size = snprintf(path, KG_CA_PATH_BYTES, "%s/%s", folder, file);
    return (size > 0 && size < KG_CA_PATH_BYTES - 8) ||
           kg_problem_set(problem, "the path of %.100s… is too long", folder);
}

bool kg_ca_make_folder(const char *folder, struct kg_problem *problem)
{
    struct stat st;
    if (mkdir(folder, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return kg_problem_set(problem, "cannot make the folder %s: %s", folder, strerror(errno));
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return kg_problem_set(problem, "%s is not a folder; give another", folder);
    return true;
}

/* A key that its service cannot read is no use; on a medium without owners (FAT) there is nothing to give. */
static bool give_to_owner(int fd, const char *folder)
{
    struct stat st;
    if (stat(folder, &st) != 0 || (st.st_uid == geteuid() && st.st_gid == getegid()))
        return true;
    return fchown(fd, st.st_uid, st.st_gid) == 0 || geteuid() != 0 || errno == EPERM || errno == ENOSYS;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd); /* some media cannot; the file itself is synced */
    close(fd);
}

static bool write_all(int fd, const char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, text + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        done += (size_t)written;
    }
    return true;
}

bool kg_ca_write_file(const char *folder, const char *file, mode_t mode, const char *text,
                      struct kg_problem *problem)
{
    char path[KG_CA_PATH_BYTES], temporary[KG_CA_PATH_BYTES + 8];
    if (!kg_ca_path(path, folder, file, problem))
        return false;
    snprintf(temporary, sizeof temporary, "%s.new", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return kg_problem_set(problem, "cannot write %s: %s", temporary, strerror(errno));
    bool ok = write_all(fd, text, strlen(text)) && give_to_owner(fd, folder) && fsync(fd) == 0;
    int error = errno;
    ok = close(fd) == 0 && ok;
    if (ok && rename(temporary, path) == 0) {
        sync_folder(folder);
        return true;
    }
    error = ok ? errno : error;
    unlink(temporary);
    return kg_problem_set(problem, "cannot write %s: %s", path, strerror(error));
}

/* Takes memory, wiping what it held. */
static bool write_memory(const char *folder, const char *file, BIO *memory, bool ok,
                         struct kg_problem *problem)
{
    char *data = NULL;
    long size = ok ? BIO_get_mem_data(memory, &data) : 0;
    char *text = size > 0 ? strndup(data, (size_t)size) : NULL;
    ok = text ? kg_ca_write_file(folder, file, 0600, text, problem)
              : kg_ca_openssl_problem(problem, "cannot write the key");
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    if (data)
        OPENSSL_cleanse(data, (size_t)size);
    BIO_free(memory);
    return ok;
}

bool kg_ca_write_key(const char *folder, const char *file, EVP_PKEY *key, struct kg_problem *problem)
{
    BIO *memory = BIO_new(BIO_s_mem());
    bool ok = memory && PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1;
    return write_memory(folder, file, memory, ok, problem);
}

bool kg_ca_write_secret(const char *folder, const char *file, EVP_PKEY *key, const char *passphrase,
                        struct kg_problem *problem)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
    X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    X509_SIG *sealed = plain && how ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how) : NULL;
    if (!sealed)
        X509_ALGOR_free(how); /* else the sealed one's */
    BIO *memory = sealed ? BIO_new(BIO_s_mem()) : NULL;
    bool ok = memory && PEM_write_bio_PKCS8(memory, sealed) == 1;
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(plain);
    return write_memory(folder, file, memory, ok, problem);
}

static int give_passphrase(char *buffer, int size, int writing, void *user)
{
    const char *passphrase = user;
    (void)writing;
    size_t wanted = passphrase ? strlen(passphrase) : 0;
    if (!passphrase || wanted > (size_t)size)
        return -1; /* never ask the terminal */
    memcpy(buffer, passphrase, wanted);
    return (int)wanted;
}

static FILE *open_key(const char *path, bool sealed, struct kg_problem *problem)
{
    FILE *in = fopen(path, "re");
    struct stat st;
    if (!in) {
        kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                       errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
        return NULL;
    }
    if (!sealed && (fstat(fileno(in), &st) != 0 || (st.st_mode & 077) != 0)) {
        kg_problem_set(problem, "%s can be read by other users; run \"chmod 600 %s\"", path, path);
        fclose(in);
        return NULL;
    }
    return in;
}

EVP_PKEY *kg_ca_read_key(const char *path, const char *passphrase, struct kg_problem *problem)
{
    FILE *in = open_key(path, passphrase != NULL, problem);
    if (!in)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, give_passphrase, (void *)passphrase);
    fclose(in);
    if (!key) {
        ERR_clear_error();
        if (passphrase)
            kg_problem_set(problem, "the passphrase does not open %s", path);
        else
            kg_problem_set(problem, "%s holds no private key", path);
    }
    return key;
}
