/* The acceptor's look into a ClientHello: any answer is fine, but more bytes may only settle MORE, never
 * unsettle. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum kg_client_hello whole = kg_client_hello_offers(data, size, "kaigi-media");
    if (size >= KG_CLIENT_HELLO_MAX_BYTES && whole == KG_CLIENT_HELLO_MORE)
        abort(); /* an acceptor would wait for ever */
    for (size_t cut = 0; cut < size; cut = cut * 2 + 1) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, data, cut);
        enum kg_client_hello part = kg_client_hello_offers(exact, cut, "kaigi-media");
        free(exact);
        if (part != KG_CLIENT_HELLO_MORE && part != whole)
            abort();
    }
    return 0;
}
