#include "relay/enrolment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOURCE_RATE = 1,
    SOURCE_BURST = 10,
    TOTAL_RATE = 30,
    TOTAL_BURST = 60,
    SECOND_US = 1000000,
};

/* A right to be listened to that grows with time: microseconds saved, up to burst / rate seconds. */
struct pace {
    int64_t saved_us, since_us;
};

struct source_pace {
    uint8_t network[8];
    struct pace pace;
};

struct kg_enrolment {
    struct kg_enrolment_entry entries[KG_ENROLMENT_MAX]; /* in order of arrival */
    size_t count;
    struct source_pace sources[KG_ENROLMENT_SOURCES];
    size_t source_count;
    struct pace total;
    bool started;
};

void kg_enrolment_source_of(const struct sockaddr *address, struct kg_enrolment_source *source)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 §2.5.5.2 */
    *source = (struct kg_enrolment_source){.text = "?"};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        memcpy(source->network, &v4->sin_addr, 4);
        inet_ntop(AF_INET, &v4->sin_addr, source->text, sizeof source->text);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        bool is_v4 = memcmp(v6, mapped, sizeof mapped) == 0;
        memcpy(source->network, is_v4 ? v6->s6_addr + 12 : v6->s6_addr, is_v4 ? 4 : 8);
        inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? v6->s6_addr + 12 : v6->s6_addr, source->text,
                  sizeof source->text);
    }
}

struct kg_enrolment *kg_enrolment_create(void)
{
    return calloc(1, sizeof(struct kg_enrolment));
}

static void forget(struct kg_enrolment_entry *entry)
{
    free(entry->request);
    free(entry->certificate);
}

void kg_enrolment_destroy(struct kg_enrolment *e)
{
    for (size_t i = 0; e && i < e->count; i++)
        forget(&e->entries[i]);
    free(e);
}

/* --- pace --- */

static void save(struct pace *pace, int64_t now_us, int rate, int burst)
{
    int64_t most_us = INT64_C(1) * SECOND_US * burst / rate;
    pace->saved_us = KG_MIN(pace->saved_us + (now_us - pace->since_us), most_us);
    pace->since_us = now_us;
}

static struct pace *pace_of(struct kg_enrolment *e, const struct kg_enrolment_source *source, int64_t now_us)
{
    struct source_pace *oldest = e->sources;
    for (size_t i = 0; i < e->source_count; i++) {
        struct source_pace *s = &e->sources[i];
        if (memcmp(s->network, source->network, sizeof s->network) == 0)
            return &s->pace;
        if (s->pace.since_us < oldest->pace.since_us)
            oldest = s;
    }
    /* Whom nobody remembers has its whole burst: a stranger's, or one who has been quiet the longest. */
    struct source_pace *s = e->source_count < KG_ENROLMENT_SOURCES ? &e->sources[e->source_count++] : oldest;
    memcpy(s->network, source->network, sizeof s->network);
    s->pace =
        (struct pace){.saved_us = INT64_C(1) * SECOND_US * SOURCE_BURST / SOURCE_RATE, .since_us = now_us};
    return &s->pace;
}

bool kg_enrolment_allow(struct kg_enrolment *e, const struct kg_enrolment_source *source, int64_t now_us,
                        unsigned *retry_s)
{
    static const int64_t source_cost_us = SECOND_US / SOURCE_RATE, total_cost_us = SECOND_US / TOTAL_RATE;
    if (!e->started)
        e->total =
            (struct pace){.saved_us = INT64_C(1) * SECOND_US * TOTAL_BURST / TOTAL_RATE, .since_us = now_us};
    e->started = true;
    struct pace *own = pace_of(e, source, now_us);
    save(own, now_us, SOURCE_RATE, SOURCE_BURST);
    save(&e->total, now_us, TOTAL_RATE, TOTAL_BURST);
    int64_t missing_us = KG_MAX(source_cost_us - own->saved_us, total_cost_us - e->total.saved_us);
    *retry_s = missing_us > 0 ? (unsigned)((missing_us + SECOND_US - 1) / SECOND_US) : 0;
    if (missing_us > 0)
        return false; /* and nobody pays: a flood from one source must not use up what all share */
    own->saved_us -= source_cost_us;
    e->total.saved_us -= total_cost_us;
    return true;
}

/* --- the table --- */

void kg_enrolment_expire(struct kg_enrolment *e, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (e->entries[i].until_us <= now_us)
            forget(&e->entries[i]);
        else
            e->entries[kept++] = e->entries[i];
    }
    e->count = kept;
}

static struct kg_enrolment_entry *entry_of(struct kg_enrolment *e, const uint8_t hash[KG_EST_HASH_BYTES])
{
    for (size_t i = 0; i < e->count; i++) {
        if (memcmp(e->entries[i].hash, hash, KG_EST_HASH_BYTES) == 0)
            return &e->entries[i];
    }
    return NULL;
}

static bool waits_with(const struct kg_enrolment_entry *entry, const char *code)
{
    return entry->state == KG_ENROLMENT_WAITING && strcmp(entry->code, code) == 0;
}

const struct kg_enrolment_entry *kg_enrolment_at(const struct kg_enrolment *e, size_t i)
{
    return i < e->count ? &e->entries[i] : NULL;
}

/* A device that asks again: its answer may have been lost on the way, so a fetched certificate stays a while.
 */
static void tell(struct kg_enrolment_entry *entry, int64_t now_us)
{
    if (entry->state != KG_ENROLMENT_READY || entry->fetched)
        return;
    entry->fetched = true;
    entry->until_us = KG_MIN(entry->until_us, now_us + KG_ENROLMENT_FETCH_US);
}

static bool is_of(const struct kg_enrolment_entry *entry, const struct kg_enrolment_source *source)
{
    return memcmp(entry->source.network, source->network, sizeof source->network) == 0;
}

/* The oldest that was refused, of this source or (NULL) of all, gives way: an administrator who refuses one
 * makes room at once. */
static bool make_room(struct kg_enrolment *e, const struct kg_enrolment_source *source)
{
    for (size_t i = 0; i < e->count; i++) {
        if (e->entries[i].state != KG_ENROLMENT_REJECTED || (source && !is_of(&e->entries[i], source)))
            continue;
        forget(&e->entries[i]);
        e->count--;
        memmove(&e->entries[i], &e->entries[i + 1], (e->count - i) * sizeof e->entries[0]);
        return true;
    }
    return false;
}

static enum kg_enrolment_result add(struct kg_enrolment *e, const struct kg_enrolment_request *request,
                                    int64_t now_us, const struct kg_enrolment_entry **out)
{
    size_t of_source = 0;
    for (size_t i = 0; i < e->count; i++)
        of_source += is_of(&e->entries[i], request->source);
    if (of_source >= KG_ENROLMENT_PER_SOURCE && !make_room(e, request->source))
        return KG_ENROLMENT_SOURCE_FULL;
    if (e->count >= KG_ENROLMENT_MAX && !make_room(e, NULL))
        return KG_ENROLMENT_FULL;
    uint8_t *der = malloc(request->der_size);
    if (!der)
        return KG_ENROLMENT_NO_MEMORY;
    memcpy(der, request->der, request->der_size);
    struct kg_enrolment_entry *entry = &e->entries[e->count++];
    *entry = (struct kg_enrolment_entry){
        .source = *request->source,
        .request = der,
        .request_size = request->der_size,
        .since_us = now_us,
        .until_us = now_us + KG_ENROLMENT_LIFE_US,
    };
    memcpy(entry->hash, request->hash, sizeof entry->hash);
    kg_est_code(request->hash, entry->code);
    strncpy(entry->serial, request->serial, sizeof entry->serial - 1);
    *out = entry;
    return KG_ENROLMENT_ADDED;
}

enum kg_enrolment_result kg_enrolment_post(struct kg_enrolment *e, const struct kg_enrolment_request *request,
                                           int64_t now_us, const struct kg_enrolment_entry **out)
{
    kg_enrolment_expire(e, now_us);
    struct kg_enrolment_entry *entry = entry_of(e, request->hash);
    *out = entry;
    if (!entry)
        return add(e, request, now_us, out);
    tell(entry, now_us);
    return KG_ENROLMENT_KNOWN;
}

size_t kg_enrolment_find(struct kg_enrolment *e, const char *code, int64_t now_us,
                         const struct kg_enrolment_entry **first)
{
    size_t found = 0;
    *first = NULL;
    kg_enrolment_expire(e, now_us);
    for (size_t i = 0; i < e->count; i++) {
        if (waits_with(&e->entries[i], code) && found++ == 0)
            *first = &e->entries[i];
    }
    return found;
}

bool kg_enrolment_may_approve(struct kg_enrolment *e, const uint8_t hash[KG_EST_HASH_BYTES], int64_t now_us)
{
    const struct kg_enrolment_entry *first;
    char code[KG_EST_CODE_SIZE];
    kg_est_code(hash, code);
    return kg_enrolment_find(e, code, now_us, &first) == 1 &&
           memcmp(first->hash, hash, sizeof first->hash) == 0;
}

bool kg_enrolment_approve(struct kg_enrolment *e, const uint8_t hash[KG_EST_HASH_BYTES],
                          const char *certificate, int64_t now_us)
{
    char *copy = kg_enrolment_may_approve(e, hash, now_us) ? strdup(certificate) : NULL;
    if (!copy)
        return false;
    struct kg_enrolment_entry *entry = entry_of(e, hash);
    entry->certificate = copy;
    entry->state = KG_ENROLMENT_READY;
    entry->until_us = now_us + KG_ENROLMENT_LIFE_US;
    return true;
}

size_t kg_enrolment_reject(struct kg_enrolment *e, const char *code, int64_t now_us)
{
    size_t found = 0;
    kg_enrolment_expire(e, now_us);
    for (size_t i = 0; i < e->count; i++) {
        if (!waits_with(&e->entries[i], code))
            continue;
        e->entries[i].state = KG_ENROLMENT_REJECTED;
        e->entries[i].until_us = now_us + KG_ENROLMENT_REFUSE_US;
        found++;
    }
    return found;
}
