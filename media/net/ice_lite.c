#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/ice_server.h"

enum { ROLE_CONFLICT = 487 };

struct checked_path {
    struct kg_path path;
    int64_t checked_us; /* the peer's last valid check: its consent to receive (RFC 7675 §5.1) */
};

struct kg_ice_lite {
    struct kg_ice_server server;
    struct checked_path paths[KG_ICE_LITE_MAX_PATHS];
    size_t count;
    struct kg_path selected;
    bool nominated; /* selected by USE-CANDIDATE, not only because it was the first */
    bool lost;
    int64_t created_us;
};

static const struct kg_path no_path = {.kind = KG_PATH_NONE};

struct kg_ice_lite *kg_ice_lite_create(const struct kg_ice_params *params, const struct kg_ice_ops *ops,
                                       void *user, int64_t now_us)
{
    if (!kg_ice_params_valid(params)) {
        kg_log(KG_LOG_WARN, "net", "net.ice-refused",
               "ICE credentials are absent, too short, too long or malformed");
        return NULL;
    }
    struct kg_ice_lite *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    kg_ice_credentials_set(&a->server.credentials, params);
    a->server.ops = *ops;
    a->server.user = user;
    a->created_us = now_us;
    return a;
}

void kg_ice_lite_destroy(struct kg_ice_lite *a)
{
    free(a);
}

static struct checked_path *find(const struct kg_ice_lite *a, const struct kg_path *path)
{
    for (size_t i = 0; i < a->count; i++)
        if (kg_path_equal(&a->paths[i].path, path))
            return (struct checked_path *)&a->paths[i];
    return NULL;
}

static void forget(struct kg_ice_lite *a, struct checked_path *p)
{
    struct kg_path gone = p->path;
    *p = a->paths[--a->count];
    a->server.ops.on_removed(a->server.user, &gone);
}

/* Full: the longest unchecked path makes room, but never the one in use. */
static void make_room(struct kg_ice_lite *a)
{
    struct checked_path *oldest = NULL;
    for (size_t i = 0; i < a->count; i++) {
        struct checked_path *p = &a->paths[i];
        if (!kg_path_equal(&p->path, &a->selected) && (!oldest || p->checked_us < oldest->checked_us))
            oldest = p;
    }
    forget(a, oldest);
}

static void select_path(struct kg_ice_lite *a, const struct kg_path *path)
{
    if (kg_path_equal(&a->selected, path))
        return;
    a->selected = *path;
    a->server.ops.on_selected(a->server.user, &a->selected);
}

/* A valid check makes a path usable at once (RFC 8445 §7.3.2); the newest USE-CANDIDATE decides where we
 * send, which is how the terminal changes paths and how a rebound NAT is followed. Until one comes, the first
 * path serves. */
static void note_check(struct kg_ice_lite *a, const struct kg_path *path, bool use_candidate, int64_t now_us)
{
    struct checked_path *p = find(a, path);
    if (!p) {
        if (a->count == KG_ICE_LITE_MAX_PATHS)
            make_room(a);
        p = &a->paths[a->count++];
        p->path = *path;
        p->checked_us = now_us;
        a->server.ops.on_added(a->server.user, &p->path);
    }
    p->checked_us = now_us;
    if (use_candidate || (!a->nominated && a->selected.kind == KG_PATH_NONE)) {
        a->nominated |= use_candidate;
        select_path(a, path);
    }
}

void kg_ice_lite_receive(struct kg_ice_lite *a, const struct kg_path *path, const void *data, size_t size,
                         int64_t now_us)
{
    struct kg_stun m;
    if (a->lost || path->kind == KG_PATH_NONE || !kg_stun_parse(data, size, &m) ||
        !kg_ice_server_accept(&a->server, path, data, size, &m, now_us))
        return;
    /* A lite agent is always controlled (RFC 8445 §6.1.1): a peer that says so of itself must change
     * (§7.3.1.1). */
    if (m.has_controlled) {
        kg_ice_server_answer(&a->server, path, &m, ROLE_CONFLICT);
        return;
    }
    kg_ice_server_answer(&a->server, path, &m, 0);
    note_check(a, path, m.use_candidate, now_us);
}

static const struct checked_path *newest(const struct kg_ice_lite *a)
{
    const struct checked_path *best = NULL;
    for (size_t i = 0; i < a->count; i++)
        if (!best || a->paths[i].checked_us > best->checked_us)
            best = &a->paths[i];
    return best;
}

void kg_ice_lite_tick(struct kg_ice_lite *a, int64_t now_us)
{
    if (a->lost)
        return;
    if (a->count == 0 && now_us >= a->created_us + KG_ICE_FIRST_CHECK_US) {
        a->lost = true;
        a->server.ops.on_lost(a->server.user, false);
        return;
    }
    bool had = a->count > 0;
    for (size_t i = a->count; i > 0; i--)
        if (now_us >= a->paths[i - 1].checked_us + KG_ICE_CONSENT_US)
            forget(a, &a->paths[i - 1]);
    if (had && a->count == 0) {
        a->lost = true;
        a->selected = no_path;
        a->server.ops.on_lost(a->server.user, true);
    } else if (had && !find(a, &a->selected)) {
        select_path(a, &newest(a)->path);
    }
}

int64_t kg_ice_lite_next_us(const struct kg_ice_lite *a)
{
    if (a->lost)
        return INT64_MAX;
    if (a->count == 0)
        return a->created_us + KG_ICE_FIRST_CHECK_US;
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < a->count; i++)
        next_us = KG_MIN(next_us, a->paths[i].checked_us + KG_ICE_CONSENT_US);
    return next_us;
}

bool kg_ice_lite_is_valid(const struct kg_ice_lite *a, const struct kg_path *path)
{
    return find(a, path) != NULL;
}

const struct kg_path *kg_ice_lite_selected(const struct kg_ice_lite *a)
{
    return &a->selected;
}
