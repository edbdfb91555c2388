/* Making authorities: what needs the root's key, and so a person with the medium and its passphrase. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/ca_pair.h"
#include "relay/ca_x509.h"

enum { NAME_MAX_BYTES = 64, ISSUERS_MAX = 8 };

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static void finish(struct authority *a)
{
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
    *a = (struct authority){0};
}

bool kg_ca_passphrase_check(const char *passphrase, struct kg_problem *problem)
{
    size_t characters = 0, bytes = strlen(passphrase), kinds = 0;
    bool seen[256] = {false};
    for (const unsigned char *c = (const unsigned char *)passphrase; *c; c++) {
        characters += (*c & 0xc0) != 0x80; /* not a UTF-8 continuation */
        kinds += !seen[*c];
        seen[*c] = true;
    }
    if (characters < KG_CA_PASSPHRASE_MIN || kinds < 5)
        return kg_problem_set(
            problem,
            "the passphrase must have at least %d characters, five of them different: it is "
            "all that protects the root's key when its medium is lost",
            KG_CA_PASSPHRASE_MIN);
    if (bytes > KG_CA_PASSPHRASE_MAX)
        return kg_problem_set(problem, "the passphrase must have at most %d bytes", KG_CA_PASSPHRASE_MAX);
    return true;
}

static bool refuse_existing(const struct kg_ca_making *m, struct kg_problem *problem)
{
    const struct {
        const char *folder, *file;
    } files[] = {
        {m->root, KG_CA_ROOT_KEY},   {m->root, KG_CA_ROOT_CERT},      {m->signer, KG_CA_ISSUING_KEY},
        {m->state, KG_CA_CERT_FILE}, {m->state, KG_CA_RELAY_KEY},     {m->state, KG_CA_RELAY_CERT},
        {m->state, KG_CA_OLD_KEY},   {m->signer, KG_CA_ISSUING_CERT},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        char path[KG_CA_PATH_BYTES];
        if (!kg_ca_path(path, files[i].folder, files[i].file, problem))
            return false;
        if (access(path, F_OK) == 0)
            return kg_problem_set(
                problem,
                "%s exists already; a new authority would lock out every enrolled room. Use "
                "other folders, or move the old files away first",
                path);
    }
    return true;
}

/* Whether `inner` is `outer` or lies in it. Both exist. */
static bool lies_in(const char *inner, const char *outer)
{
    char *a = realpath(inner, NULL), *b = realpath(outer, NULL);
    size_t n = b ? strlen(b) : 0;
    bool inside = a && b && strncmp(a, b, n) == 0 && (a[n] == '\0' || a[n] == '/' || n == 1);
    free(a);
    free(b);
    return inside;
}

static bool check_root(const struct kg_ca_making *m, struct kg_problem *problem)
{
    if (!m->root || !*m->root)
        return kg_problem_set(problem, "no folder for the root's key: give a medium that can be locked away");
    if (!kg_ca_make_folder(m->root, problem) || !kg_ca_make_folder(m->state, problem) ||
        !kg_ca_make_folder(m->signer, problem))
        return false;
    if (lies_in(m->root, m->state) || lies_in(m->root, m->signer))
        return kg_problem_set(problem,
                              "the root's key must not lie with the relay or the signer: give a folder on a "
                              "medium that can be locked away, not %s",
                              m->root);
    return true;
}

static bool make_root(const struct kg_ca_making *m, struct authority *root, struct kg_problem *problem)
{
    size_t size = strlen(m->name);
    if (size == 0 || size > NAME_MAX_BYTES - 16)
        return kg_problem_set(problem, "the authority's name must have 1 to %d bytes", NAME_MAX_BYTES - 16);
    root->key = EVP_EC_gen("P-384");
    if (!root->key)
        return kg_ca_openssl_problem(problem, "cannot make a key");
    root->certificate = kg_ca_x509_root(root->key, m->name, m->now_s, problem);
    return root->certificate != NULL;
}

/* Each has a name of its own, or chains of the old one would be tried with the new one's key. */
static bool make_issuing(const struct authority *root, int64_t now_s, struct authority *issuing,
                         struct kg_problem *problem)
{
    char name[NAME_MAX_BYTES + 1] = "", full[NAME_MAX_BYTES + 32];
    X509_NAME_get_text_by_NID(X509_get_subject_name(root->certificate), NID_commonName, name,
                              NAME_MAX_BYTES - 15);
    snprintf(full, sizeof full, "%s issuing %06x", name, (unsigned)(kg_random_u32() & 0xffffff));
    issuing->key = EVP_EC_gen("P-256");
    if (!issuing->key)
        return kg_ca_openssl_problem(problem, "cannot make a key");
    issuing->certificate =
        kg_ca_x509_issuing(issuing->key, full, now_s, root->certificate, root->key, problem);
    return issuing->certificate != NULL;
}

static bool sign_relay(const struct kg_ca_making *m, const struct authority *issuing, struct authority *relay,
                       struct kg_problem *problem)
{
    const struct kg_ca_subject subject = {
        .kind = KG_CA_SERVER, .addresses = m->addresses, .address_count = m->address_count};
    relay->key = EVP_EC_gen("P-256");
    if (!relay->key)
        return kg_ca_openssl_problem(problem, "cannot make a key");
    relay->certificate =
        kg_ca_x509_leaf(relay->key, &subject, m->now_s, issuing->certificate, issuing->key, problem);
    return relay->certificate != NULL;
}

static bool write_certificate(const char *folder, const char *file, X509 *certificate,
                              struct kg_problem *problem)
{
    char *pem = kg_ca_x509_pem(certificate);
    bool ok = pem ? kg_ca_write_file(folder, file, 0644, pem, problem) : kg_problem_set(problem, "no memory");
    free(pem);
    return ok;
}

static bool write_issuing(const struct kg_ca_making *m, const struct authority *issuing,
                          struct kg_problem *problem)
{
    char *pem = kg_ca_x509_pem(issuing->certificate);
    bool ok =
        pem ? kg_ca_pair_write(m->signer, KG_CA_ISSUING_CERT, KG_CA_ISSUING_KEY, pem, issuing->key, problem)
            : kg_problem_set(problem, "no memory");
    free(pem);
    return ok;
}

static bool write_relay(const struct kg_ca_making *m, const struct authority *issuing,
                        const struct authority *relay, struct kg_problem *problem)
{
    struct kg_ca_certificate chain = {.pem = kg_ca_x509_pem(relay->certificate),
                                      .issuer_pem = kg_ca_x509_pem(issuing->certificate)};
    bool ok = (chain.pem && chain.issuer_pem) || kg_problem_set(problem, "no memory");
    ok = ok && kg_ca_relay_install(m->state, relay->key, &chain, problem);
    kg_ca_certificate_finish(&chain);
    return ok;
}

static void remove_made(const struct kg_ca_making *m)
{
    const char *const files[][2] = {{m->root, KG_CA_ROOT_KEY},
                                    {m->root, KG_CA_ROOT_CERT},
                                    {m->signer, KG_CA_ISSUING_KEY},
                                    {m->signer, KG_CA_ISSUING_CERT},
                                    {m->state, KG_CA_CERT_FILE},
                                    {m->state, KG_CA_ISSUERS},
                                    {m->state, KG_CA_RELAY_KEY},
                                    {m->state, KG_CA_RELAY_CERT},
                                    {m->signer, KG_CA_ISSUING_KEY KG_CA_NEXT},
                                    {m->state, KG_CA_RELAY_KEY KG_CA_NEXT}};
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        char path[KG_CA_PATH_BYTES];
        if (kg_ca_path(path, files[i][0], files[i][1], NULL))
            unlink(path);
    }
}

bool kg_ca_init(const struct kg_ca_making *m, struct kg_problem *problem)
{
    struct authority root = {0}, issuing = {0}, relay = {0};
    if (!kg_ca_passphrase_check(m->passphrase, problem) || !check_root(m, problem) ||
        !refuse_existing(m, problem))
        return false;
    /* All in memory first: wrong addresses leave nothing behind. */
    bool ok = make_root(m, &root, problem) && make_issuing(&root, m->now_s, &issuing, problem) &&
              sign_relay(m, &issuing, &relay, problem);
    if (ok) {
        ok = kg_ca_write_secret(m->root, KG_CA_ROOT_KEY, root.key, m->passphrase, problem) &&
             write_certificate(m->root, KG_CA_ROOT_CERT, root.certificate, problem) &&
             write_issuing(m, &issuing, problem) && write_relay(m, &issuing, &relay, problem) &&
             write_certificate(m->state, KG_CA_ISSUERS, issuing.certificate, problem) &&
             write_certificate(m->state, KG_CA_CERT_FILE, root.certificate, problem);
        if (!ok)
            remove_made(m);
    }
    finish(&relay);
    finish(&issuing);
    finish(&root);
    return ok;
}

static bool open_root(const struct kg_ca_making *m, struct authority *root, struct kg_problem *problem)
{
    char path[KG_CA_PATH_BYTES];
    if (!kg_ca_path(path, m->root, KG_CA_ROOT_CERT, problem))
        return false;
    root->certificate = kg_ca_x509_read(path, problem);
    if (!root->certificate || !kg_ca_path(path, m->root, KG_CA_ROOT_KEY, problem))
        return false;
    root->key = kg_ca_read_key(path, m->passphrase, problem);
    if (!root->key)
        return false;
    if (X509_check_private_key(root->certificate, root->key) == 1)
        return m->now_s < kg_ca_x509_not_after(root->certificate) ||
               kg_problem_set(problem,
                              "the root has expired; make a new authority with \"kaigi-ctl ca init\"");
    ERR_clear_error();
    return kg_problem_set(problem, "%s in %s is not the key of %s", KG_CA_ROOT_KEY, m->root, KG_CA_ROOT_CERT);
}

/* Another root's issuing authority would be trusted by nobody. */
static bool same_root(const struct kg_ca_making *m, const struct authority *root, struct kg_problem *problem)
{
    char path[KG_CA_PATH_BYTES];
    X509 *pinned =
        kg_ca_path(path, m->state, KG_CA_CERT_FILE, problem) ? kg_ca_x509_read(path, problem) : NULL;
    if (!pinned)
        return false;
    bool same = X509_cmp(pinned, root->certificate) == 0;
    X509_free(pinned);
    return same || kg_problem_set(problem, "the root in %s is not the one in %s, which the rooms trust",
                                  m->root, path);
}

/* The new one first, then those that have not expired. */
static bool add_issuer(const struct kg_ca_making *m, X509 *fresh, struct kg_problem *problem)
{
    char path[KG_CA_PATH_BYTES];
    if (!kg_ca_path(path, m->state, KG_CA_ISSUERS, problem))
        return false;
    char *all = kg_ca_x509_pem(fresh);
    FILE *in = fopen(path, "re");
    X509 *old = in && all ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    for (int i = 1; old; i++) {
        char *joined = NULL, *pem = kg_ca_x509_pem(old);
        if (pem && i < ISSUERS_MAX && kg_ca_x509_not_after(old) > m->now_s &&
            asprintf(&joined, "%s%s", all, pem) >= 0) {
            free(all);
            all = joined;
        }
        free(pem);
        X509_free(old);
        old = PEM_read_X509(in, NULL, NULL, NULL);
    }
    ERR_clear_error();
    if (in)
        fclose(in);
    bool ok = all ? kg_ca_write_file(m->state, KG_CA_ISSUERS, 0644, all, problem)
                  : kg_problem_set(problem, "no memory");
    free(all);
    return ok;
}

bool kg_ca_issue(const struct kg_ca_making *m, struct kg_problem *problem)
{
    struct authority root = {0}, issuing = {0};
    bool ok = open_root(m, &root, problem) && same_root(m, &root, problem) &&
              kg_ca_make_folder(m->signer, problem) && make_issuing(&root, m->now_s, &issuing, problem) &&
              /* The relay must know it before the signer uses it. */
              add_issuer(m, issuing.certificate, problem) && write_issuing(m, &issuing, problem);
    finish(&issuing);
    finish(&root);
    return ok;
}
