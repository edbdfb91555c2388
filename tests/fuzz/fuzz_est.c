/* What strangers send to be enrolled, and what a device gets back. The first byte chooses which; whatever is
 * taken must come out the same after being written and read once more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/est.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_request(const char *body, size_t size)
{
    enum kg_est_fault fault;
    size_t der_size = 0;
    uint8_t *der = kg_est_request_decode(body, size, &der_size, &fault);
    if (!der != (fault != KG_EST_OK))
        abort();
    if (!der)
        return;
    char serial[KG_EST_SERIAL_SIZE];
    kg_est_request_serial(der, der_size, serial);
    for (const char *c = serial; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            abort(); /* it is shown on terminals */
    }
    const unsigned char *end = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &end, (long)der_size);
    char *again = request ? kg_est_request_encode(request) : NULL;
    if (again) {
        size_t again_size = 0;
        uint8_t *second = kg_est_request_decode(again, strlen(again), &again_size, &fault);
        if (!second && fault != KG_EST_TOO_LONG)
            abort();
        free(second);
    }
    free(again);
    X509_REQ_free(request);
    free(der);
}

static void read_certificates(const char *body, size_t size)
{
    enum kg_est_fault fault;
    STACK_OF(X509) *certificates = kg_est_certificates_decode(body, size, &fault);
    if (!certificates)
        return;
    char *again = kg_est_certificates_encode(certificates);
    STACK_OF(X509) *second = again ? kg_est_certificates_decode(again, strlen(again), &fault) : NULL;
    if (second && sk_X509_num(second) > sk_X509_num(certificates))
        abort();
    sk_X509_pop_free(second, X509_free);
    sk_X509_pop_free(certificates, X509_free);
    free(again);
}

static void read_code(const char *typed)
{
    char code[KG_EST_CODE_SIZE], text[KG_EST_CODE_TEXT_SIZE], again[KG_EST_CODE_SIZE];
    if (!kg_est_code_read(typed, code))
        return;
    kg_est_code_text(code, text);
    if (!kg_est_code_read(text, again) || strcmp(code, again) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0]) {
    case 'c':
        read_certificates(text, size - 1);
        break;
    case '9':
        read_code(text);
        break;
    default:
        read_request(text, size - 1);
        break;
    }
    free(text);
    return 0;
}
