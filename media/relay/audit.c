#include "relay/audit.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const results[] = {"ok", "refused", "failed"};

const char *kg_audit_result_name(enum kg_audit_result result)
{
    return results[result];
}

bool kg_audit_result_parse(const char *name, enum kg_audit_result *result)
{
    for (size_t i = 0; i < KG_ARRAY_LEN(results); i++) {
        if (strcmp(name, results[i]) == 0) {
            *result = (enum kg_audit_result)i;
            return true;
        }
    }
    return false;
}

const char *kg_audit_compared_name(enum kg_audit_compared compared)
{
    static const char *const names[] = {"none", "met", "too-old"};
    return names[compared];
}

const char *kg_audit_compared_text(enum kg_audit_compared compared)
{
    static const char *const texts[] = {
        [KG_AUDIT_NO_ANCHOR] = "not checked, without an anchor: rows taken away early, or all rewritten",
        [KG_AUDIT_ANCHOR_MET] = "the row of the anchor is there and as it was",
        [KG_AUDIT_ANCHOR_TOO_OLD] = "the anchor was not compared: older than what is kept",
    };
    return texts[compared];
}

static bool add_number(EVP_MD_CTX *digest, uint64_t value, size_t bytes)
{
    uint8_t wire[8];
    for (size_t i = 0; i < bytes; i++)
        wire[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return EVP_DigestUpdate(digest, wire, bytes) == 1;
}

/* The length before each text: no two rows of different fields give the same bytes. */
static bool add_text(EVP_MD_CTX *digest, const char *text)
{
    size_t size = text ? strlen(text) : 0;
    return add_number(digest, size, 4) && EVP_DigestUpdate(digest, text ? text : "", size) == 1;
}

bool kg_audit_hash(const struct kg_audit_row *row, uint8_t hash[KG_AUDIT_HASH_BYTES])
{
    const struct kg_audit_entry *e = &row->entry;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned size = 0;
    uint8_t out[EVP_MAX_MD_SIZE];
    bool ok = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(digest, row->prev, sizeof row->prev) == 1 &&
              add_number(digest, (uint64_t)row->seq, 8) && add_text(digest, e->event_id) &&
              add_number(digest, (uint64_t)e->wall_us, 8) && add_text(digest, e->actor) &&
              add_text(digest, e->role) && add_text(digest, e->source) && add_text(digest, e->organization) &&
              add_text(digest, e->object) && add_number(digest, (uint64_t)e->result, 1) &&
              add_text(digest, e->detail) && EVP_DigestFinal_ex(digest, out, &size) == 1 &&
              size == KG_AUDIT_HASH_BYTES;
    EVP_MD_CTX_free(digest);
    if (ok)
        memcpy(hash, out, KG_AUDIT_HASH_BYTES);
    return ok;
}

void kg_audit_hash_text(const uint8_t hash[KG_AUDIT_HASH_BYTES], char text[KG_AUDIT_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < KG_AUDIT_HASH_BYTES; i++) {
        text[i * 2] = digits[hash[i] >> 4];
        text[i * 2 + 1] = digits[hash[i] & 15];
    }
    text[KG_AUDIT_HASH_TEXT - 1] = '\0';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool kg_audit_hash_parse(const char *text, uint8_t hash[KG_AUDIT_HASH_BYTES])
{
    uint8_t read[KG_AUDIT_HASH_BYTES];
    if (strlen(text) != 2 * sizeof read)
        return false;
    for (size_t i = 0; i < sizeof read; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        read[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(hash, read, sizeof read);
    return true;
}

void kg_audit_check_begin(struct kg_audit_check *check, bool partial, int64_t first_seq,
                          const uint8_t *first_prev, const struct kg_audit_anchor *anchor)
{
    *check =
        (struct kg_audit_check){.partial = partial, .next_seq = first_seq, .started = first_prev != NULL};
    if (first_prev)
        memcpy(check->next_prev, first_prev, sizeof check->next_prev);
    if (anchor)
        check->anchor = *anchor;
    check->verdict.first_seq = first_seq;
}

static bool fail(struct kg_audit_check *check, enum kg_audit_fault fault, int64_t seq, const char *fmt, ...)
    KG_PRINTF(4, 5);

static bool fail(struct kg_audit_check *check, enum kg_audit_fault fault, int64_t seq, const char *fmt, ...)
{
    struct kg_audit_verdict *v = &check->verdict;
    if (v->fault != KG_AUDIT_SOUND)
        return false;
    v->fault = fault;
    v->seq = seq;
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, args);
    va_end(args);
    return false;
}

bool kg_audit_check_fail(struct kg_audit_check *check, enum kg_audit_fault fault, int64_t seq,
                         const char *why)
{
    return fail(check, fault, seq, "%s", why);
}

static bool check_place(struct kg_audit_check *check, const struct kg_audit_row *row)
{
    static const uint8_t zeros[KG_AUDIT_HASH_BYTES];
    int64_t expected = check->next_seq;
    if (row->seq == 1 && memcmp(row->prev, zeros, sizeof zeros) != 0)
        return fail(check, KG_AUDIT_BROKEN, 1, "row 1 says that another came before it");
    if (!check->started) {
        /* Begins wherever it does; from here on every row binds the next. */
        check->verdict.first_seq = row->seq;
        if (row->seq < KG_MAX(expected, 1))
            return fail(check, KG_AUDIT_MISSING, row->seq, "row %" PRId64 " stands out of order", row->seq);
    } else if (row->seq < expected) {
        return fail(check, KG_AUDIT_MISSING, row->seq,
                    "row %" PRId64 " stands out of order, or twice: row %" PRId64 " was next", row->seq,
                    expected);
    } else if (row->seq > expected && !check->partial) {
        return fail(check, KG_AUDIT_MISSING, expected,
                    "row %" PRId64 " is missing: after row %" PRId64 " comes row %" PRId64, expected,
                    expected - 1, row->seq);
    } else if (row->seq > expected && !check->gap_seq) {
        check->gap_seq = expected;
    }
    /* Of the rows between, the chain of one organization's rows says nothing: only neighbours bind each
     * other. */
    if (check->started && row->seq == expected && memcmp(row->prev, check->next_prev, sizeof row->prev) != 0)
        return fail(check, KG_AUDIT_BROKEN, row->seq,
                    "row %" PRId64 " does not follow the row before it: one of the two was exchanged",
                    row->seq);
    return true;
}

bool kg_audit_check_row(struct kg_audit_check *check, const struct kg_audit_row *row)
{
    uint8_t hash[KG_AUDIT_HASH_BYTES];
    if (check->verdict.fault != KG_AUDIT_SOUND || !check_place(check, row))
        return false;
    if (row->seq == INT64_MAX || !kg_audit_hash(row, hash))
        return fail(check, KG_AUDIT_UNREADABLE, row->seq, "row %" PRId64 " cannot be hashed", row->seq);
    if (memcmp(hash, row->hash, sizeof hash) != 0)
        return fail(check, KG_AUDIT_ALTERED, row->seq,
                    "row %" PRId64 " was altered: its hash is not that of its fields", row->seq);
    if (check->anchor.seq == row->seq) {
        if (memcmp(row->hash, check->anchor.hash, sizeof row->hash) != 0)
            return fail(check, KG_AUDIT_FORKED, row->seq,
                        "row %" PRId64 " is not what the anchor says: rows up to it were rewritten",
                        row->seq);
        check->anchor_met = true;
    }
    check->started = true;
    check->next_seq = row->seq + 1;
    memcpy(check->next_prev, row->hash, sizeof check->next_prev);
    check->verdict.seq = row->seq;
    check->verdict.count++;
    memcpy(check->verdict.hash, row->hash, sizeof check->verdict.hash);
    return true;
}

const struct kg_audit_verdict *kg_audit_check_end(struct kg_audit_check *check, int64_t head_seq,
                                                  const uint8_t *head_hash)
{
    struct kg_audit_verdict *v = &check->verdict;
    int64_t last = check->next_seq - 1;
    if (v->fault == KG_AUDIT_SOUND && head_hash && head_seq != (v->count || check->started ? last : 0))
        fail(check, KG_AUDIT_TRUNCATED, last + 1,
             "rows from %" PRId64 " to %" PRId64 " are missing at the end", last + 1, head_seq);
    else if (v->fault == KG_AUDIT_SOUND && head_hash && v->count &&
             memcmp(head_hash, v->hash, sizeof v->hash) != 0)
        fail(check, KG_AUDIT_FORKED, last, "row %" PRId64 " is not the one that was written last", last);
    /* Of an anchor before the first row only the caller knows whether its time was over. */
    if (v->fault == KG_AUDIT_SOUND && check->anchor.seq > 0 && !check->anchor_met && check->anchor.seq > last)
        fail(check, KG_AUDIT_TRUNCATED, last + 1,
             "rows from %" PRId64 " on are missing: the anchor knows of row %" PRId64, last + 1,
             check->anchor.seq);
    v->compared = check->anchor_met ? KG_AUDIT_ANCHOR_MET : KG_AUDIT_NO_ANCHOR;
    if (v->fault == KG_AUDIT_SOUND)
        snprintf(v->text, sizeof v->text, "%" PRId64 " rows in order, from %" PRId64 " to %" PRId64, v->count,
                 v->first_seq, last);
    return v;
}
