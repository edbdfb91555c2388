/* Exports of the audit trail: whatever the bytes, one verdict; a row that is read says the same when written
 * again, and only an export that ends with its anchor is sound. */
#include <stdlib.h>
#include <string.h>

#include "relay/audit_export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void write_again(const char *line, size_t size)
{
    struct kg_audit_row row, again;
    uint8_t hash[KG_AUDIT_HASH_BYTES], hash_again[KG_AUDIT_HASH_BYTES];
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    if (object && kg_audit_row_parse(object, &row)) {
        json_t *written = kg_audit_row_json(&row);
        must(written && kg_audit_row_parse(written, &again));
        must(kg_audit_hash(&row, hash) && kg_audit_hash(&again, hash_again));
        must(memcmp(hash, hash_again, sizeof hash) == 0 && row.seq == again.seq);
        json_decref(written);
    }
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_audit_reader reader;
    struct kg_audit_anchor earlier = {.seq = 2};
    const char *at = (const char *)data, *end = at + size;
    kg_audit_reader_begin(&reader, size % 2 ? &earlier : NULL);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        write_again(at, length);
        if (!kg_audit_reader_line(&reader, at, length))
            break;
        at += length + 1;
    }
    const struct kg_audit_verdict *verdict = kg_audit_reader_end(&reader);
    must(verdict->text[0] && verdict->count >= 0);
    must(verdict->fault != KG_AUDIT_SOUND ||
         (reader.ended && verdict->count == reader.anchor.count && verdict->seq <= reader.anchor.seq));
    return 0;
}
