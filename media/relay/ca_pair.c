#include "relay/ca_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "relay/ca_file.h"

/* A change between the reading of one file and the other: the second look finds it over. */
enum { LOOKS = 2 };

struct place {
    const char *certificate, *key, *remedy;
    bool secret;
};

static int refuse_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static FILE *open_file(const char *path, struct kg_problem *problem)
{
    FILE *in = fopen(path, "re");
    if (!in)
        kg_problem_set(problem, "cannot read %s: %s%s", path, strerror(errno),
                       errno == ENOENT ? "; run \"kaigi-ctl ca init\" first" : "");
    return in;
}

static bool read_certificates(const struct place *p, struct kg_ca_pair *pair, struct kg_problem *problem)
{
    FILE *in = open_file(p->certificate, problem);
    if (!in)
        return false;
    pair->chain = sk_X509_new_null();
    pair->certificate = pair->chain ? PEM_read_X509_AUX(in, NULL, refuse_passphrase, NULL) : NULL;
    bool ok = pair->certificate != NULL;
    X509 *next;
    while (ok && (next = PEM_read_X509(in, NULL, refuse_passphrase, NULL))) {
        ok = sk_X509_push(pair->chain, next) > 0;
        if (!ok)
            X509_free(next);
    }
    fclose(in);
    /* The end of the file is the one error there may be. */
    ok = ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return ok ||
           kg_problem_set(problem, "%s holds no certificate; restore it, or %s", p->certificate, p->remedy);
}

static bool no_pair(const struct place *p, struct kg_problem *problem)
{
    return kg_problem_set(problem, "%s is not the private key of %s; restore both from one backup, or %s",
                          p->key, p->certificate, p->remedy);
}

static EVP_PKEY *read_key(const struct place *p, const char *path, struct kg_problem *problem)
{
    if (p->secret)
        return kg_ca_read_key(path, NULL, problem);
    FILE *in = open_file(path, problem);
    if (!in)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, refuse_passphrase, NULL);
    fclose(in);
    ERR_clear_error();
    if (!key)
        no_pair(p, problem);
    return key;
}

static bool fits(struct kg_ca_pair *pair, EVP_PKEY *key)
{
    if (key && X509_check_private_key(pair->certificate, key) == 1) {
        pair->key = key;
        return true;
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    return false;
}

/* *is_next: the key lay beside its place. */
static bool look(const struct place *p, struct kg_ca_pair *pair, bool *is_next, struct kg_problem *problem)
{
    char next[KG_CA_PATH_BYTES + sizeof KG_CA_NEXT];
    *is_next = false;
    if (!read_certificates(p, pair, problem))
        return false;
    EVP_PKEY *key = read_key(p, p->key, problem);
    if (key)
        no_pair(p, problem);
    if (fits(pair, key))
        return true;
    snprintf(next, sizeof next, "%s" KG_CA_NEXT, p->key);
    *is_next = fits(pair, read_key(p, next, NULL));
    return *is_next;
}

static bool read_pair(const struct place *p, struct kg_ca_pair *pair, bool *is_next,
                      struct kg_problem *problem)
{
    for (int i = 0; i < LOOKS; i++) {
        *pair = (struct kg_ca_pair){0};
        if (look(p, pair, is_next, problem))
            return true;
        kg_ca_pair_finish(pair);
    }
    return false;
}

bool kg_ca_pair_read(const char *certificate, const char *key, bool secret, const char *remedy,
                     struct kg_ca_pair *pair, struct kg_problem *problem)
{
    const struct place p = {certificate, key, remedy, secret};
    bool is_next;
    return read_pair(&p, pair, &is_next, problem);
}

void kg_ca_pair_finish(struct kg_ca_pair *pair)
{
    X509_free(pair->certificate);
    sk_X509_pop_free(pair->chain, X509_free);
    EVP_PKEY_free(pair->key);
    *pair = (struct kg_ca_pair){0};
}

/* A change that was cut off may have left its key beside its place: it is brought there first, or the next
 * one would overwrite what fits the certificate. */
static bool settle(int folder, const char *certificate, const char *key, const char *next,
                   struct kg_problem *problem)
{
    const struct place p = {certificate, key, "", false};
    struct kg_ca_pair pair;
    bool is_next;
    if (!read_pair(&p, &pair, &is_next, NULL))
        return true;
    kg_ca_pair_finish(&pair);
    if (!is_next)
        return true;
    if (rename(next, key) != 0)
        return kg_problem_set(problem, "cannot rename %s to %s: %s", next, key, strerror(errno));
    fsync(folder); /* some media cannot */
    return true;
}

static int lock_folder(const char *folder, struct kg_problem *problem)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)) /* some media cannot lock */
        return fd;
    if (fd < 0)
        kg_problem_set(problem, "cannot open the folder %s: %s", folder, strerror(errno));
    else
        kg_problem_set(problem, "another kaigi-ctl is changing the keys in %s; wait for it", folder);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Three steps, each synced before the next: the new key beside the old one; the certificate over the old one,
 * which makes the new pair the pair; the key over the old one. */
bool kg_ca_pair_write(const char *folder, const char *certificate_file, const char *key_file,
                      const char *certificates, EVP_PKEY *key, struct kg_problem *problem)
{
    char certificate_path[KG_CA_PATH_BYTES], key_path[KG_CA_PATH_BYTES], next[KG_CA_PATH_BYTES],
        next_file[64];
    snprintf(next_file, sizeof next_file, "%s" KG_CA_NEXT, key_file);
    if (!kg_ca_path(certificate_path, folder, certificate_file, problem) ||
        !kg_ca_path(key_path, folder, key_file, problem) || !kg_ca_path(next, folder, next_file, problem))
        return false;
    int lock = lock_folder(folder, problem);
    if (lock < 0)
        return false;
    bool ok = settle(lock, certificate_path, key_path, next, problem) &&
              kg_ca_write_key(folder, next_file, key, problem);
    if (ok && !kg_ca_write_file(folder, certificate_file, 0644, certificates, problem)) {
        unlink(next);
        ok = false;
    }
    /* From here on the new pair is in force, whether the key gets to its place now or by the next change. */
    if (ok && rename(next, key_path) == 0)
        fsync(lock);
    close(lock);
    return ok;
}
