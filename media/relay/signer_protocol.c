#include "relay/signer_protocol.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 3 };

static bool read_kind(const char *kind, struct kg_signer_request *r)
{
    r->status = kind && strcmp(kind, "status") == 0;
    if (r->status)
        return true;
    for (int i = KG_CA_ROOM; kind && i <= KG_CA_SERVER; i++) {
        if (strcmp(kind, kg_ca_kind_name((enum kg_ca_kind)i)) == 0) {
            r->subject.kind = (enum kg_ca_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_addresses(struct kg_signer_request *r, struct kg_problem *problem)
{
    const json_t *list = json_object_get(r->json, "addresses");
    size_t count = json_array_size(list);
    if (count == 0 || count > KG_SIGNER_MAX_ADDRESSES)
        return kg_problem_set(problem, "a server's certificate takes 1 to %d addresses",
                              KG_SIGNER_MAX_ADDRESSES);
    for (size_t i = 0; i < count; i++) {
        r->addresses[i] = json_string_value(json_array_get(list, i));
        if (!r->addresses[i])
            return kg_problem_set(problem, "an address is not text");
    }
    r->subject.addresses = r->addresses;
    r->subject.address_count = count;
    return true;
}

static bool read_fields(struct kg_signer_request *r, struct kg_problem *problem)
{
    if (!json_is_object(r->json))
        return kg_problem_set(problem, "the question is not a JSON object");
    if (!read_kind(json_string_value(json_object_get(r->json, "kind")), r))
        return kg_problem_set(problem, "the kind must be room, administrator, server or status");
    size_t fields = r->status ? 1 : FIELDS_MAX;
    if (json_object_size(r->json) != fields)
        return kg_problem_set(problem, "the question has fields that mean nothing here, or lacks some");
    if (r->status)
        return true;
    if (r->subject.kind == KG_CA_SERVER && !read_addresses(r, problem))
        return false;
    r->subject.id = json_string_value(json_object_get(r->json, "id"));
    if (!kg_ca_subject_check(&r->subject, problem))
        return false;
    const json_t *csr = json_object_get(r->json, "csr");
    if (!json_is_string(csr))
        return kg_problem_set(problem, "the question holds no certificate request");
    return kg_ca_request_read(json_string_value(csr), json_string_length(csr), &r->request, problem);
}

bool kg_signer_request_read(const char *line, size_t size, struct kg_signer_request *out,
                            struct kg_problem *problem)
{
    json_error_t ignored;
    struct kg_signer_request *r = out;
    *r = (struct kg_signer_request){0};
    if (size > KG_SIGNER_MAX_BYTES)
        return kg_problem_set(problem, "the question is too long");
    /* Without JSON_ALLOW_NUL: no text has a NUL in it. */
    r->json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &ignored);
    if (read_fields(r, problem))
        return true;
    kg_signer_request_finish(r);
    return false;
}

void kg_signer_request_finish(struct kg_signer_request *request)
{
    kg_ca_request_finish(&request->request);
    json_decref(request->json);
    *request = (struct kg_signer_request){0};
}

/* DER as PEM; PEM as it is. NULL: neither can be, or memory. */
static char *pem_of(const void *csr, size_t size)
{
    if (size == 0 || size > KG_CA_REQUEST_MAX_BYTES)
        return NULL;
    if (*(const uint8_t *)csr != 0x30)
        return strndup(csr, size);
    static const char begin[] = "-----BEGIN CERTIFICATE REQUEST-----\n",
                      end[] = "-----END CERTIFICATE REQUEST-----\n";
    size_t room = sizeof begin + sizeof end + size * 4 / 3 + size / 32 + 128;
    char *text = malloc(room), *at = text;
    if (!text)
        return NULL;
    memcpy(at, begin, sizeof begin - 1);
    at += sizeof begin - 1;
    const uint8_t *bytes = csr;
    for (size_t done = 0; done < size;) {
        size_t part = KG_MIN(size - done, (size_t)48);
        at += EVP_EncodeBlock((unsigned char *)at, bytes + done, (int)part);
        *at++ = '\n';
        done += part;
    }
    memcpy(at, end, sizeof end);
    return text;
}

static json_t *address_list(const struct kg_ca_subject *subject)
{
    json_t *list = json_array();
    for (size_t i = 0; i < subject->address_count; i++)
        json_array_append_new(list, json_string(subject->addresses[i]));
    return list;
}

char *kg_signer_request_write(const struct kg_ca_subject *subject, const void *csr, size_t csr_size)
{
    char *pem = pem_of(csr, csr_size), *line = NULL;
    const char *kind = kg_ca_kind_name(subject->kind);
    json_t *object =
        !pem ? NULL
        : subject->kind == KG_CA_SERVER
            ? json_pack("{s:s, s:o, s:s}", "kind", kind, "addresses", address_list(subject), "csr", pem)
            : json_pack("{s:s, s:s, s:s}", "kind", kind, "id", subject->id, "csr", pem);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    size_t size = text ? strlen(text) : 0;
    if (text && size < KG_SIGNER_MAX_BYTES)
        line = realloc(text, size + 2);
    if (line) {
        memcpy(line + size, "\n", 2);
        text = NULL;
    }
    free(text);
    json_decref(object);
    free(pem);
    return line;
}

static bool read_certificate(const json_t *answer, struct kg_ca_certificate *out, struct kg_problem *problem)
{
    const char *pem = json_string_value(json_object_get(answer, "certificate"));
    const char *issuer = json_string_value(json_object_get(answer, "issuer"));
    if (!pem || !issuer || !kg_ca_certificate_read(pem, out, NULL))
        return kg_problem_set(problem, "the signer's answer holds no certificate; kaigi-signer and the relay "
                                       "differ in version");
    out->issuer_pem = strdup(issuer);
    if (out->issuer_pem)
        return true;
    kg_ca_certificate_finish(out);
    return kg_problem_set(problem, "no memory");
}

bool kg_signer_answer_read(const char *line, size_t size, struct kg_ca_certificate *out,
                           struct kg_problem *problem)
{
    json_error_t ignored;
    json_t *answer =
        size <= KG_SIGNER_MAX_BYTES ? json_loadb(line, size, JSON_REJECT_DUPLICATES, &ignored) : NULL;
    struct kg_ca_certificate made = {0};
    bool ok;
    if (json_is_true(json_object_get(answer, "ok"))) {
        ok = read_certificate(answer, &made, problem);
    } else {
        const char *error = json_string_value(json_object_get(answer, "error"));
        ok = kg_problem_set(problem, "%.400s", error ? error : "the signer's answer cannot be understood");
    }
    json_decref(answer);
    if (ok)
        *out = made;
    return ok;
}
