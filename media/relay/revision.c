#include "relay/revision.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

int64_t kg_revision_of(const char *first, ...)
{
    uint8_t hash[EVP_MAX_MD_SIZE] = {0};
    uint64_t revision = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    va_list texts;
    va_start(texts, first);
    for (const char *text = first; text && ok; text = va_arg(texts, const char *))
        ok =
            EVP_DigestUpdate(context, text, strlen(text) + 1) == 1; /* with its end: no two lists are alike */
    va_end(texts);
    if (!ok || EVP_DigestFinal_ex(context, hash, NULL) != 1)
        kg_log(KG_LOG_ERROR, "relay", NULL, "OpenSSL gives no SHA-256");
    EVP_MD_CTX_free(context);
    for (int i = 0; i < 8; i++)
        revision = revision << 8 | hash[i];
    return (int64_t)(revision >> 12);
}
