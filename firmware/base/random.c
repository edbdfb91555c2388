#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void kg_random_bytes(void *data, size_t size)
{
    unsigned char *p = data;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            abort();
        p += n;
        size -= (size_t)n;
    }
}

uint32_t kg_random_u32(void)
{
    uint32_t v;
    kg_random_bytes(&v, sizeof v);
    return v;
}

void kg_random_text(char *text, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned letters = sizeof alphabet - 1;
    for (size_t i = 0; i + 1 < size;) {
        unsigned char c;
        kg_random_bytes(&c, 1);
        if (c < 256 / letters * letters)
            text[i++] = alphabet[c % letters];
    }
    text[size - 1] = '\0';
}
