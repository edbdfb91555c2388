#include "relay/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "relay/directory_internal.h"

enum { LAYER_KEY_BYTES = 96 };

#define ENDS_OF(kind)                                                                                        \
    static void finish_##kind(void *row)                                                                     \
    {                                                                                                        \
        kg_store_##kind##_finish(row);                                                                       \
    }                                                                                                        \
    static void free_##kind(void *row)                                                                       \
    {                                                                                                        \
        finish_##kind(row);                                                                                  \
        free(row);                                                                                           \
    }
ENDS_OF(organization)
ENDS_OF(room)
ENDS_OF(administrator)
ENDS_OF(certificate)
ENDS_OF(meeting)

/* A SHA-256 is as good a hash as any. */
static guint hash_fingerprint(gconstpointer key)
{
    guint hash;
    memcpy(&hash, key, sizeof hash);
    return hash;
}

static gboolean same_fingerprint(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, KG_CA_FINGERPRINT_BYTES) == 0;
}

struct kg_directory *kg_directory_create(void)
{
    struct kg_directory *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->organizations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_organization);
    d->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_room);
    d->administrators = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_administrator);
    d->certificates = g_hash_table_new_full(hash_fingerprint, same_fingerprint, NULL, free_certificate);
    d->communities = kg_directory_make_communities();
    d->memberships = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    d->layers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free);
    d->meetings = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_meeting);
    d->invitations =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
    d->stamps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return d;
}

void kg_directory_destroy(struct kg_directory *d)
{
    if (!d)
        return;
    g_hash_table_destroy(d->organizations);
    g_hash_table_destroy(d->rooms);
    g_hash_table_destroy(d->administrators);
    g_hash_table_destroy(d->certificates);
    g_hash_table_destroy(d->memberships);
    g_hash_table_destroy(d->communities);
    g_hash_table_destroy(d->layers);
    g_hash_table_destroy(d->invitations);
    g_hash_table_destroy(d->stamps);
    g_hash_table_destroy(d->meetings);
    free(d);
}

bool kg_directory_put_row(GHashTable *table, void *copy, size_t size, void (*finish)(void *row))
{
    char *id = *(char **)copy;
    void *old = g_hash_table_lookup(table, id);
    if (old) {
        finish(old);
        memcpy(old, copy, size);
        return true;
    }
    void *added = malloc(size);
    if (!added) {
        finish(copy);
        return false;
    }
    memcpy(added, copy, size);
    g_hash_table_insert(table, g_strdup(id), added);
    return true;
}

static bool put_organization(struct kg_directory *d, const struct kg_store_organization *organization)
{
    struct kg_store_organization copy;
    if (!kg_store_organization_copy(&copy, organization))
        return false;
    kg_directory_touch_all_agendas(d);
    return kg_directory_put_row(d->organizations, &copy, sizeof copy, finish_organization);
}

static bool put_certificate(struct kg_directory *d, const struct kg_store_certificate *certificate)
{
    struct kg_store_certificate *copy = malloc(sizeof *copy);
    if (!copy || !kg_store_certificate_copy(copy, certificate)) {
        free(copy);
        return false;
    }
    g_hash_table_replace(d->certificates, copy->fingerprint, copy);
    d->changes++;
    return true;
}

struct owner {
    const char *kind, *id;
    int64_t revoked_s;
};

static bool owned_by(const struct kg_store_certificate *certificate, const struct owner *owner)
{
    return strcmp(certificate->owner, owner->id) == 0 && strcmp(certificate->kind, owner->kind) == 0;
}

static void revoke_one(void *key, void *value, void *user)
{
    struct kg_store_certificate *certificate = value;
    const struct owner *owner = user;
    (void)key;
    if (!certificate->revoked_s && owned_by(certificate, owner))
        certificate->revoked_s = owner->revoked_s;
}

/* The certificate an owner's row names; a revoked owner's are all revoked. */
static bool put_own_certificate(struct kg_directory *d, const char *kind, char *id,
                                const uint8_t *fingerprint, const char *serial, int64_t not_after_s,
                                int64_t revoked_s)
{
    struct owner owner = {kind, id, revoked_s};
    if (*serial && !g_hash_table_contains(d->certificates, fingerprint)) {
        struct kg_store_certificate certificate = {
            .kind = (char *)kind, .owner = id, .not_after_s = not_after_s, .revoked_s = revoked_s};
        memcpy(certificate.fingerprint, fingerprint, sizeof certificate.fingerprint);
        snprintf(certificate.serial, sizeof certificate.serial, "%s", serial);
        if (!put_certificate(d, &certificate))
            return false;
    }
    if (revoked_s)
        g_hash_table_foreach(d->certificates, revoke_one, &owner);
    return true;
}

static void retire_older(void *key, void *value, void *user)
{
    struct kg_store_certificate *certificate = value;
    const struct kg_store_certificate *taken = user;
    const struct owner owner = {"room", taken->owner, 0};
    (void)key;
    if (!certificate->revoked_s && !certificate->retired_s && owned_by(certificate, &owner) &&
        certificate->not_after_s <= taken->not_after_s &&
        memcmp(certificate->fingerprint, taken->fingerprint, sizeof taken->fingerprint) != 0)
        certificate->retired_s = taken->retired_s;
}

static void take_certificate(struct kg_directory *d, const struct kg_store_certificate *taken)
{
    const struct owner owner = {"room", taken->owner, 0};
    const struct kg_store_certificate *known = kg_directory_certificate(d, taken->fingerprint);
    struct kg_store_room *room = g_hash_table_lookup(d->rooms, taken->owner);
    if (!room || !known || known->revoked_s || known->retired_s || !owned_by(known, &owner))
        return;
    struct kg_store_certificate fresh = *known;
    fresh.retired_s = taken->retired_s;
    memcpy(room->fingerprint, fresh.fingerprint, sizeof room->fingerprint);
    memcpy(room->serial, fresh.serial, sizeof room->serial);
    room->not_after_s = fresh.not_after_s;
    g_hash_table_foreach(d->certificates, retire_older, &fresh);
    d->changes++;
}

/* A row that was written while the room took a newer certificate up still names the older one. */
static bool is_outdated(const struct kg_directory *d, const struct kg_store_room *old,
                        const struct kg_store_room *room)
{
    const struct kg_store_certificate *named = kg_directory_certificate(d, room->fingerprint);
    return old && *room->serial && named && named->retired_s &&
           memcmp(old->fingerprint, room->fingerprint, sizeof old->fingerprint) != 0;
}

static bool put_room(struct kg_directory *d, const struct kg_store_room *room)
{
    struct kg_store_room copy;
    const struct kg_store_room *old = g_hash_table_lookup(d->rooms, room->id);
    int64_t revoked_s = room->revoked_s;
    if (old && old->revoked_s && !revoked_s &&
        memcmp(old->fingerprint, room->fingerprint, sizeof old->fingerprint) == 0)
        revoked_s = old->revoked_s;
    if (!put_own_certificate(d, "room", room->id, room->fingerprint, room->serial, room->not_after_s,
                             revoked_s) ||
        !kg_store_room_copy(&copy, room))
        return false;
    copy.revoked_s = revoked_s;
    if (is_outdated(d, old, room)) {
        memcpy(copy.fingerprint, old->fingerprint, sizeof copy.fingerprint);
        memcpy(copy.serial, old->serial, sizeof copy.serial);
        copy.not_after_s = old->not_after_s;
    }
    d->changes++;
    kg_directory_touch_agendas(d, room->id);
    return kg_directory_put_row(d->rooms, &copy, sizeof copy, finish_room);
}

static bool put_administrator(struct kg_directory *d, const struct kg_store_administrator *administrator)
{
    struct kg_store_administrator copy;
    const struct kg_store_administrator *old = g_hash_table_lookup(d->administrators, administrator->id);
    int64_t revoked_s = administrator->revoked_s;
    if (old && old->revoked_s && !revoked_s &&
        memcmp(old->fingerprint, administrator->fingerprint, sizeof old->fingerprint) == 0)
        revoked_s = old->revoked_s;
    if (!put_own_certificate(d, "administrator", administrator->id, administrator->fingerprint,
                             administrator->serial, administrator->not_after_s, revoked_s) ||
        !kg_store_administrator_copy(&copy, administrator))
        return false;
    copy.revoked_s = revoked_s;
    return kg_directory_put_row(d->administrators, &copy, sizeof copy, finish_administrator);
}

static void layer_key(enum kg_policy_scope scope, const char *id, char key[LAYER_KEY_BYTES])
{
    snprintf(key, LAYER_KEY_BYTES, "%s:%s", kg_policy_scope_name(scope), id);
}

static bool put_setting(struct kg_directory *d, const struct kg_store_setting *setting, bool set)
{
    enum kg_policy_scope scope;
    enum kg_policy_key key;
    int32_t value = 0;
    char name[LAYER_KEY_BYTES];
    struct kg_problem problem;
    if (!kg_policy_scope_find(setting->scope, &scope) || !kg_policy_key_find(setting->key, &key) ||
        (set && !kg_policy_parse(key, setting->value, &value, &problem))) {
        /* A newer relay's, before it was put back to this one. */
        kg_log(KG_LOG_WARN, "relay", "setting.unknown", "the store holds a setting %s this relay cannot use",
               setting->key);
        return true;
    }
    layer_key(scope, setting->scope_id, name);
    struct kg_policy_layer *layer = g_hash_table_lookup(d->layers, name);
    if (!layer) {
        layer = calloc(1, sizeof *layer);
        if (!layer)
            return false;
        g_hash_table_insert(d->layers, g_strdup(name), layer);
    }
    layer->set[key] = set;
    layer->value[key] = value;
    return true;
}

static bool is_of_organization(const struct kg_meeting *meeting, const void *organization)
{
    char owner[KG_CA_ID_BYTES];
    kg_directory_meeting_owner(meeting->uid, owner);
    return strcmp(owner, organization) == 0;
}

static void remove_organization(struct kg_directory *d, const char *id)
{
    char key[LAYER_KEY_BYTES];
    layer_key(KG_POLICY_ORGANIZATION, id, key);
    g_hash_table_remove(d->layers, key);
    kg_directory_remove_meetings(d, is_of_organization, id);
    kg_directory_leave_communities(d, id);
    kg_directory_touch_all_agendas(d);
    g_hash_table_remove(d->organizations, id);
}

bool kg_directory_apply(struct kg_directory *d, const struct kg_store_change *change)
{
    switch (change->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        return put_organization(d, change->organization);
    case KG_STORE_REMOVE_ORGANIZATION:
        remove_organization(d, change->id);
        return true;
    case KG_STORE_PUT_ROOM:
        return put_room(d, change->room);
    case KG_STORE_PUT_ADMINISTRATOR:
        return put_administrator(d, change->administrator);
    case KG_STORE_PUT_CERTIFICATE:
        return put_certificate(d, change->certificate);
    case KG_STORE_TAKE_CERTIFICATE:
        take_certificate(d, change->certificate);
        return true;
    case KG_STORE_PUT_COMMUNITY:
        return kg_directory_put_community(d, change->community, false);
    case KG_STORE_REMOVE_COMMUNITY:
        kg_directory_remove_community(d, change->id);
        return true;
    case KG_STORE_JOIN_COMMUNITY:
    case KG_STORE_LEAVE_COMMUNITY:
        return kg_directory_move_room(d, change->id, change->member, change->kind == KG_STORE_JOIN_COMMUNITY);
    case KG_STORE_PUT_SETTING:
    case KG_STORE_REMOVE_SETTING:
        return put_setting(d, change->setting, change->kind == KG_STORE_PUT_SETTING);
    case KG_STORE_PUT_MEETING:
        return kg_directory_put_meeting(d, change->meeting);
    case KG_STORE_PUT_SEAT:
    case KG_STORE_REMOVE_SEAT:
        break;
    }
    return true;
}

static void say_unclean(void *organization, void *count, void *user)
{
    (void)user;
    kg_log(
        KG_LOG_WARN, "relay", "meeting.unclean",
        "organization %s: %zu stored meetings are left out, their UIDs hold characters that cannot be shown; "
        "give them other UIDs and import their calendar again",
        (const char *)organization, GPOINTER_TO_SIZE(count));
}

/* An older relay took UIDs with invisible characters. A terminal drops the whole agenda that holds one:
 * better without that meeting than without any. */
static bool load_meetings(struct kg_directory *d, const struct kg_store_snapshot *s, int64_t since_us)
{
    bool ok = true;
    GHashTable *unclean = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < s->meeting_count && ok; i++) {
        const struct kg_meeting *m = &s->meetings[i];
        if (m->end_us < since_us)
            continue;
        if (kg_utf8_is_clean(m->uid, strlen(m->uid))) {
            ok = kg_directory_put_meeting(d, m);
            continue;
        }
        char owner[KG_CA_ID_BYTES];
        kg_directory_meeting_owner(m->uid, owner);
        size_t count = GPOINTER_TO_SIZE(g_hash_table_lookup(unclean, owner)) + 1;
        g_hash_table_insert(unclean, g_strdup(owner), GSIZE_TO_POINTER(count));
    }
    g_hash_table_foreach(unclean, say_unclean, NULL);
    g_hash_table_destroy(unclean);
    return ok;
}

bool kg_directory_load(struct kg_directory *d, const struct kg_store_snapshot *s, int64_t meetings_since_us)
{
    bool ok = true;
    for (size_t i = 0; i < s->organization_count && ok; i++)
        ok = put_organization(d, &s->organizations[i]);
    for (size_t i = 0; i < s->certificate_count && ok; i++)
        ok = put_certificate(d, &s->certificates[i]);
    for (size_t i = 0; i < s->room_count && ok; i++)
        ok = put_room(d, &s->rooms[i]);
    for (size_t i = 0; i < s->administrator_count && ok; i++)
        ok = put_administrator(d, &s->administrators[i]);
    for (size_t i = 0; i < s->community_count && ok; i++)
        ok = kg_directory_put_community(d, &s->communities[i], true);
    for (size_t i = 0; i < s->setting_count && ok; i++)
        ok = put_setting(d, &s->settings[i], true);
    return ok && load_meetings(d, s, meetings_since_us);
}

/* Looking things up. */

const struct kg_store_organization *kg_directory_organization(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->organizations, id);
}

const char *kg_directory_organization_name(const struct kg_directory *d, const char *id)
{
    const struct kg_store_organization *organization = kg_directory_organization(d, id);
    return organization ? organization->name : "";
}

bool kg_directory_id_begins(const char *id, const char *organization)
{
    size_t size = strlen(organization);
    return strncmp(id, organization, size) == 0 && id[size] == '-';
}

const struct kg_store_organization *kg_directory_id_owner(const struct kg_directory *d, const char *id,
                                                          const char *organization)
{
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->organizations);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct kg_store_organization *other = value;
        if (strcmp(other->id, organization) != 0 && kg_directory_id_begins(id, other->id))
            return other;
    }
    return NULL;
}

bool kg_directory_put_room(struct kg_directory *d, const struct kg_store_room *room)
{
    return put_room(d, room);
}

const struct kg_store_room *kg_directory_room(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->rooms, id);
}

const struct kg_store_certificate *
kg_directory_certificate(const struct kg_directory *d, const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    return g_hash_table_lookup(d->certificates, fingerprint);
}

/* Whose it is now: not retired; and if revoked, then with its owner, who is told so. */
static const char *owner_of(const struct kg_directory *d, const char *kind, const uint8_t *fingerprint,
                            bool *revoked)
{
    const struct kg_store_certificate *certificate = kg_directory_certificate(d, fingerprint);
    if (!certificate || certificate->retired_s || strcmp(certificate->kind, kind) != 0)
        return NULL;
    *revoked = certificate->revoked_s != 0;
    return certificate->owner;
}

const struct kg_store_room *kg_directory_room_of(const struct kg_directory *d,
                                                 const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    bool revoked;
    const char *owner = owner_of(d, "room", fingerprint, &revoked);
    const struct kg_store_room *room = owner ? kg_directory_room(d, owner) : NULL;
    return room && (!revoked || room->revoked_s) ? room : NULL;
}

uint64_t kg_directory_changes(const struct kg_directory *d)
{
    return d->changes;
}

bool kg_directory_admitted(const struct kg_directory *d, struct kg_gate_key **keys, size_t *count)
{
    size_t size = g_hash_table_size(d->certificates);
    *count = 0;
    *keys = NULL;
    if (size == 0)
        return true;
    *keys = malloc(size * sizeof **keys);
    if (!*keys)
        return false;
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->certificates);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct kg_store_certificate *certificate = value;
        const struct kg_store_room *room = kg_directory_room_of(d, certificate->fingerprint);
        if (room && !room->revoked_s)
            memcpy((*keys)[(*count)++].fingerprint, certificate->fingerprint,
                   sizeof certificate->fingerprint);
    }
    return true;
}

size_t kg_directory_room_count(const struct kg_directory *d)
{
    return g_hash_table_size(d->rooms);
}

const struct kg_store_administrator *kg_directory_administrator(const struct kg_directory *d, const char *id)
{
    return g_hash_table_lookup(d->administrators, id);
}

const struct kg_store_administrator *
kg_directory_administrator_of(const struct kg_directory *d,
                              const uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES])
{
    bool revoked;
    const char *owner = owner_of(d, "administrator", fingerprint, &revoked);
    const struct kg_store_administrator *administrator = owner ? kg_directory_administrator(d, owner) : NULL;
    return administrator && (!revoked || administrator->revoked_s) ? administrator : NULL;
}

void kg_directory_each_certificate(const struct kg_directory *d, const char *kind, const char *id,
                                   void (*each)(void *user, const struct kg_store_certificate *certificate),
                                   void *user)
{
    struct owner owner = {kind, id, 0};
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, d->certificates);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (owned_by(value, &owner))
            each(user, value);
    }
}

const struct kg_policy_layer *kg_directory_layer(const struct kg_directory *d, enum kg_policy_scope scope,
                                                 const char *id)
{
    char key[LAYER_KEY_BYTES];
    layer_key(scope, id, key);
    return g_hash_table_lookup(d->layers, key);
}

int kg_directory_setting(const struct kg_directory *d, const struct kg_policy_layer *file,
                         const char *organization, const char *room, enum kg_policy_key key, int32_t *value)
{
    const struct kg_policy_layer *layers[KG_POLICY_SCOPES] = {
        [KG_POLICY_FILE] = file,
        [KG_POLICY_RELAY] = kg_directory_layer(d, KG_POLICY_RELAY, ""),
        [KG_POLICY_ORGANIZATION] = kg_directory_layer(d, KG_POLICY_ORGANIZATION, organization),
        [KG_POLICY_ROOM] = *room ? kg_directory_layer(d, KG_POLICY_ROOM, room) : NULL,
    };
    return kg_policy_resolve(layers, key, value);
}

/* Lists. */

static int by_id(const void *a, const void *b)
{
    const char *const *x = *(const void *const *)a, *const *y = *(const void *const *)b;
    return strcmp(*x, *y);
}

const void **kg_directory_sorted(GHashTable *table, size_t *count, int (*compare)(const void *, const void *))
{
    size_t size = g_hash_table_size(table);
    const void **values = size ? calloc(size, sizeof *values) : NULL;
    GHashTableIter iter;
    void *value;
    *count = 0;
    g_hash_table_iter_init(&iter, table);
    while (values && g_hash_table_iter_next(&iter, NULL, &value))
        values[(*count)++] = value;
    if (values && *count)
        qsort(values, *count, sizeof *values, compare);
    return values;
}

const struct kg_store_organization **kg_directory_organizations(const struct kg_directory *d, size_t *count)
{
    return (const struct kg_store_organization **)kg_directory_sorted(d->organizations, count, by_id);
}

const struct kg_store_room **kg_directory_rooms(const struct kg_directory *d, size_t *count)
{
    return (const struct kg_store_room **)kg_directory_sorted(d->rooms, count, by_id);
}

const struct kg_store_administrator **kg_directory_administrators(const struct kg_directory *d, size_t *count)
{
    return (const struct kg_store_administrator **)kg_directory_sorted(d->administrators, count, by_id);
}

const struct kg_store_community **kg_directory_communities(const struct kg_directory *d, size_t *count)
{
    return (const struct kg_store_community **)kg_directory_sorted(d->communities, count, by_id);
}
