#include "relay/hall.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

struct kg_hall {
    struct kg_gathering *first;
    uint64_t next_number;
};

struct kg_hall *kg_hall_create(void)
{
    struct kg_hall *hall = calloc(1, sizeof *hall);
    if (hall)
        hall->next_number = 1;
    return hall;
}

static void free_seats(struct kg_gathering *g)
{
    while (g->seats) {
        struct kg_hall_seat *seat = g->seats;
        g->seats = seat->next;
        free(seat);
    }
}

void kg_hall_destroy(struct kg_hall *hall)
{
    if (!hall)
        return;
    while (hall->first) {
        struct kg_gathering *g = hall->first;
        hall->first = g->next;
        free_seats(g);
        free(g->uid);
        free(g);
    }
    free(hall);
}

struct kg_gathering *kg_hall_first(const struct kg_hall *hall)
{
    return hall->first;
}

struct kg_gathering *kg_hall_find(const struct kg_hall *hall, const char *uid)
{
    struct kg_gathering *g = hall->first;
    while (g && strcmp(g->uid, uid) != 0)
        g = g->next;
    return g;
}

struct kg_gathering *kg_hall_open(struct kg_hall *hall, const char *uid, unsigned worker, int64_t keep_us)
{
    struct kg_gathering *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    *g = (struct kg_gathering){.hall = hall,
                               .uid = strdup(uid),
                               .number = hall->next_number++,
                               .worker = worker,
                               .keep_us = keep_us};
    if (!g->uid) {
        free(g);
        return NULL;
    }
    g->next = hall->first;
    hall->first = g;
    return g;
}

static void free_gathering(struct kg_gathering *g)
{
    struct kg_gathering **at = &g->hall->first;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    free(g->uid);
    free(g);
}

void kg_hall_close_if_empty(struct kg_gathering *g)
{
    if (g->seat_count == 0)
        free_gathering(g);
}

enum kg_error_code kg_hall_admits(const struct kg_directory *directory, const struct kg_meeting *meeting,
                                  const char *room, int64_t wall_us, int64_t open_before_us)
{
    if (!meeting)
        return KG_ERROR_UNKNOWN_MEETING;
    if (!kg_directory_still_invites(directory, meeting, room))
        return KG_ERROR_NOT_INVITED;
    if (meeting->status == KG_MEETING_CANCELLED || wall_us >= meeting->end_us)
        return KG_ERROR_ENDED;
    return wall_us < meeting->start_us - open_before_us ? KG_ERROR_NOT_OPEN_YET : KG_ERROR_NONE;
}

/* FNV-1a, 64 bits; the final NUL sets texts apart. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    while (*text++);
    return hash;
}

uint64_t kg_hall_names(const struct kg_directory *directory, const struct kg_gathering *g)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
        hash = hash_text(hash, kg_directory_organization_name(directory, seat->room->organization_id));
        hash = hash_text(hash, seat->room->department);
        hash = hash_text(hash, seat->room->name);
    }
    return hash;
}

struct kg_hall_seat *kg_hall_seat_of(const struct kg_gathering *g, const struct kg_store_room *room)
{
    struct kg_hall_seat *seat = g->seats;
    while (seat && seat->room != room)
        seat = seat->next;
    return seat;
}

struct kg_hall_seat *kg_hall_seat_of_party(const struct kg_hall *hall, uint64_t worker_party)
{
    for (struct kg_gathering *g = hall->first; g && worker_party; g = g->next) {
        for (struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            if (seat->worker_party == worker_party)
                return seat;
        }
    }
    return NULL;
}

static bool id_taken(const struct kg_gathering *g, uint32_t id)
{
    for (const struct kg_hall_seat *s = g->seats; s; s = s->next) {
        if (s->party == id || s->source[0] == id || s->source[1] == id || s->source[2] == id)
            return true;
    }
    return false;
}

static uint32_t new_id(const struct kg_gathering *g, const struct kg_hall_seat *seat)
{
    uint32_t id;
    do {
        id = kg_random_u32();
    } while (id == 0 || id_taken(g, id) || id == seat->party || id == seat->source[0] ||
             id == seat->source[1]);
    return id;
}

static struct kg_hall_seat *append(struct kg_gathering *g, const struct kg_hall_seat *filled)
{
    struct kg_hall_seat *seat = malloc(sizeof *seat);
    if (!seat)
        return NULL;
    *seat = *filled;
    struct kg_hall_seat **at = &g->seats;
    while (*at)
        at = &(*at)->next;
    *at = seat;
    g->seat_count++;
    g->changed = true;
    return seat;
}

struct kg_hall_seat *kg_hall_seat_add(struct kg_gathering *g, const struct kg_store_room *room,
                                      int64_t now_us)
{
    if (g->seat_count >= KG_HALL_MAX_SEATS)
        return NULL;
    struct kg_hall_seat seat = {.gathering = g, .room = room, .away_since_us = now_us};
    seat.party = new_id(g, &seat);
    for (unsigned i = 0; i < KG_SOURCE_KINDS; i++)
        seat.source[i] = new_id(g, &seat);
    return append(g, &seat);
}

bool kg_hall_seat_restore(struct kg_gathering *g, const struct kg_store_room *room,
                          const struct kg_store_seat *stored, int64_t now_us)
{
    struct kg_hall_seat seat = {
        .gathering = g, .room = room, .party = stored->party, .has_token = true, .away_since_us = now_us};
    bool taken = stored->party == 0 || id_taken(g, stored->party) || kg_hall_seat_of(g, room) ||
                 g->seat_count >= KG_HALL_MAX_SEATS;
    for (unsigned i = 0; i < KG_SOURCE_KINDS; i++) {
        taken = taken || stored->source[i] == 0 || id_taken(g, stored->source[i]);
        seat.source[i] = stored->source[i];
        seat.muted[i] = stored->muted[i];
    }
    memcpy(seat.token_hash, stored->token_hash, sizeof seat.token_hash);
    return !taken && append(g, &seat);
}

bool kg_hall_seat_remove(struct kg_hall_seat *seat)
{
    struct kg_gathering *g = seat->gathering;
    struct kg_hall_seat **at = &g->seats;
    while (*at != seat)
        at = &(*at)->next;
    *at = seat->next;
    free(seat);
    g->changed = true;
    if (--g->seat_count > 0)
        return false;
    free_gathering(g);
    return true;
}

struct kg_hall_seat *kg_hall_expired(const struct kg_hall *hall, int64_t now_us)
{
    for (struct kg_gathering *g = hall->first; g; g = g->next) {
        for (struct kg_hall_seat *seat = g->seats; seat; seat = seat->next) {
            if (!seat->session && now_us - seat->away_since_us >= g->keep_us)
                return seat;
        }
    }
    return NULL;
}

/* Bound to the certificate: the same token in another's hands hashes to something else. */
static bool hash_token(const struct kg_hall_seat *seat, const char *token, uint8_t hash[KG_STORE_HASH_BYTES])
{
    unsigned size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, seat->room->fingerprint, sizeof seat->room->fingerprint) == 1 &&
              EVP_DigestUpdate(context, token, strlen(token)) == 1 &&
              EVP_DigestFinal_ex(context, hash, &size) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

void kg_hall_token_issue(struct kg_hall_seat *seat, char token[KG_HALL_TOKEN_SIZE])
{
    kg_random_text(token, KG_HALL_TOKEN_SIZE);
    seat->has_token = hash_token(seat, token, seat->token_hash);
}

bool kg_hall_token_check(const struct kg_hall_seat *seat, const char *token)
{
    uint8_t hash[KG_STORE_HASH_BYTES];
    return seat->has_token && hash_token(seat, token, hash) &&
           CRYPTO_memcmp(hash, seat->token_hash, sizeof hash) == 0;
}
