/* What a hostile relay may ask of the signer, what a hostile signer may answer the relay, and certificate
 * requests alone: any verdict is fine. What is accepted must be complete. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/signer_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_problem problem;
    struct kg_signer_request request;
    struct kg_ca_request csr;
    struct kg_ca_certificate certificate;
    if (kg_signer_request_read((const char *)data, size, &request, &problem)) {
        if (!request.status && (!request.request.key || !kg_ca_subject_check(&request.subject, NULL)))
            abort();
        kg_signer_request_finish(&request);
    }
    if (kg_ca_request_read(data, size, &csr, &problem)) {
        if (!csr.key || !*csr.key_text)
            abort();
        kg_ca_request_finish(&csr);
    }
    if (kg_signer_answer_read((const char *)data, size, &certificate, &problem)) {
        if (!certificate.pem || !certificate.issuer_pem || !*certificate.serial)
            abort();
        kg_ca_certificate_finish(&certificate);
    }
    return 0;
}
