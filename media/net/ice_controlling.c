#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "net/ice_server.h"

enum {
    PACE_US = 50000,                 /* Ta, RFC 8445 §14.2: between new checks */
    RTO_US = 500000,                 /* RFC 8445 §14.3 */
    TRANSMISSIONS = 7,               /* Rc, RFC 8489 §6.2.1 */
    LAST_WAIT_US = 16 * RTO_US,      /* Rm × RTO, RFC 8489 §6.2.1 */
    CONSENT_MIN_US = 4000000,        /* RFC 7675 §5.1: 5 s × 0.8 … */
    CONSENT_SPAN_US = 2000000,       /* … to × 1.2 */
    STREAM_RETRY_US = 5000000,       /* tunnel: a new check, TCP retransmits for us (RFC 8489 §6.2.2) */
    QUIET_US = 1000000,              /* nothing heard where we send: ask */
    SUSPECT_AFTER_US = 1000000,      /* unanswered for so long … */
    SUSPECT_SILENT_US = 1500000,     /* … and nothing heard either: the path is taken for dead */
    SUSPECT_DEAF_US = 5000000,       /* unanswered though media comes in: dead in our direction */
    PROBE_MAX_US = 10000000,         /* between checks of a dead path */
    PROBE_SELECTED_MAX_US = 1000000, /* the same while there is none better */
    UPGRADE_STREAK = 3,              /* answers in a row before a path that died is used again */
    TUNNEL_RETRY_MIN_US = 1000000,
    TUNNEL_RETRY_MAX_US = 8000000,
    MAX_ROLE_CHANGES = 4,
    HISTORY = 8,                 /* checks of one pair whose answers still count */
    TUNNEL = KG_ICE_MAX_REMOTES, /* index of the tunnel's pair: lowest priority */
    PAIRS = TUNNEL + 1,
};

enum { ROLE_CONFLICT = 487 };

enum pair_state {
    ABSENT,   /* tunnel not open */
    CHECKING, /* not answered yet, RFC 8489 §6.2.1 retransmissions */
    VALID,    /* answers */
    SUSPECT,  /* was VALID, silent now */
    FAILED,   /* never answered, or consent expired; probed now and then */
};

struct check {
    uint8_t id[KG_STUN_ID_BYTES];
    int64_t sent_us;
    bool open, use_candidate, repeated, controlling;
};

struct pair {
    struct kg_path path;
    enum pair_state state;
    uint32_t priority;
    struct check checks[HISTORY];
    unsigned newest;
    unsigned transmissions; /* of the newest check */
    int64_t next_us;        /* next check */
    int64_t probe_us;       /* interval between checks of a dead path */
    int64_t answered_us;    /* last success */
    int64_t heard_us;       /* last success, or authenticated bytes */
    int64_t unanswered_us;  /* first check since the last success; INT64_MAX: none is out */
    int64_t rtt_us;
    unsigned streak; /* successes since it last died */
    bool died;
    bool added; /* on_added was called */
};

struct kg_ice_controlling {
    struct kg_ice_server server;
    struct pair pairs[PAIRS];
    struct pair *selected;  /* NULL: none yet */
    struct pair *nominated; /* where the last USE-CANDIDATE went */
    uint64_t tie_breaker;
    bool controlling; /* until the peer shows that it is too (RFC 8445 §7.3.1.1) */
    bool lost;
    bool answered;       /* once, on any pair, */
    int64_t answered_us; /* and when last */
    unsigned role_changes;
    int64_t created_us, pace_us;
    bool tunnel_asked;
    int64_t tunnel_retry_us, tunnel_wait_us;
    int64_t refused_log_us;
};

static const struct kg_path no_path = {.kind = KG_PATH_NONE};

/* RFC 8445 §5.1.2.1, of the peer-reflexive candidate the check makes: type 110 for UDP, 0 (relayed) for the
 * tunnel; earlier remotes first; component 1. */
static uint32_t priority_of(size_t index)
{
    uint32_t type = index == TUNNEL ? 0 : 110;
    uint32_t local = index == TUNNEL ? 0 : 65535 - (uint32_t)index;
    return type << 24 | local << 8 | 255;
}

static uint64_t random_u64(void)
{
    return (uint64_t)kg_random_u32() << 32 | kg_random_u32();
}

struct kg_ice_controlling *kg_ice_controlling_create(const struct kg_ice_params *params,
                                                     const struct kg_path *remotes, size_t remote_count,
                                                     const struct kg_ice_ops *ops, void *user, int64_t now_us)
{
    if (!kg_ice_params_valid(params) || remote_count > KG_ICE_MAX_REMOTES) {
        kg_log(
            KG_LOG_WARN, "net", "net.ice-refused",
            "ICE credentials are absent, too short, too long or malformed, or there are too many candidates");
        return NULL;
    }
    struct kg_ice_controlling *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    kg_ice_credentials_set(&a->server.credentials, params);
    a->server.ops = *ops;
    a->server.user = user;
    a->tie_breaker = random_u64();
    a->controlling = true;
    a->created_us = a->pace_us = a->tunnel_retry_us = now_us;
    a->tunnel_wait_us = TUNNEL_RETRY_MIN_US;
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *p = &a->pairs[i];
        p->priority = priority_of(i);
        p->unanswered_us = INT64_MAX;
        p->next_us = now_us;
        if (i < remote_count && remotes[i].kind == KG_PATH_UDP) {
            p->path = remotes[i];
            p->state = CHECKING;
        }
    }
    return a;
}

void kg_ice_controlling_destroy(struct kg_ice_controlling *a)
{
    free(a);
}

static struct pair *find(struct kg_ice_controlling *a, const struct kg_path *path)
{
    for (size_t i = 0; i < PAIRS; i++)
        if (a->pairs[i].state != ABSENT && kg_path_equal(&a->pairs[i].path, path))
            return &a->pairs[i];
    return NULL;
}

/* --- sending checks --- */

/* Every check nominates while nothing works, so that the relay may send the moment it hears us; afterwards
 * only the pair in use does, or a path open in one direction would draw the relay's media away from the one
 * that works. */
static bool would_nominate(const struct kg_ice_controlling *a, const struct pair *p)
{
    return a->controlling && (!a->selected || p == a->selected || a->selected->state != VALID);
}

static void send_check(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    struct check *c = &p->checks[p->newest];
    uint8_t bytes[KG_STUN_MAX_BYTES];
    struct kg_stun m = {
        .class_ = KG_STUN_REQUEST,
        .method = KG_STUN_BINDING,
        .has_priority = true,
        .priority = p->priority,
        .use_candidate = c->use_candidate,
        .has_controlling = c->controlling,
        .has_controlled = !c->controlling,
        .tie_breaker = a->tie_breaker,
    };
    memcpy(m.id, c->id, sizeof m.id);
    memcpy(m.username, a->server.credentials.outgoing, sizeof m.username);
    size_t size = kg_stun_write(&m, a->server.credentials.remote_password, bytes, sizeof bytes);
    if (c->use_candidate)
        a->nominated = p;
    p->unanswered_us = KG_MIN(p->unanswered_us, now_us);
    p->transmissions++;
    if (size > 0)
        a->server.ops.send(a->server.user, &p->path, bytes, size);
}

static void new_check(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    p->newest = (p->newest + 1) % HISTORY;
    struct check *c = &p->checks[p->newest];
    *c = (struct check){.sent_us = now_us, .open = true, .controlling = a->controlling};
    c->use_candidate = would_nominate(a, p);
    kg_random_bytes(c->id, sizeof c->id);
    p->transmissions = 0;
    a->pace_us = now_us + PACE_US;
    send_check(a, p, now_us);
}

/* A pair that has not answered yet: one transaction, sent again after RTO, 2 RTO, 4 RTO … (RFC 8489 §6.2.1).
 */
static void check_first(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    struct check *c = &p->checks[p->newest];
    if (p->path.kind == KG_PATH_TUNNEL) {
        new_check(a, p, now_us);
        p->next_us = now_us + STREAM_RETRY_US;
    } else if (!c->open || c->use_candidate > would_nominate(a, p)) {
        new_check(a, p, now_us);
        p->next_us = now_us + RTO_US;
    } else if (p->transmissions >= TRANSMISSIONS) {
        p->state = FAILED;
        p->probe_us = PROBE_MAX_US;
        p->next_us = now_us;
    } else {
        c->repeated = true;
        send_check(a, p, now_us);
        p->next_us = now_us + (p->transmissions == TRANSMISSIONS ? (int64_t)LAST_WAIT_US
                                                                 : (int64_t)RTO_US << (p->transmissions - 1));
    }
}

static void check_again(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    new_check(a, p, now_us);
    if (p->state == VALID) {
        p->next_us = now_us + RTO_US;
        return;
    }
    p->next_us = now_us + p->probe_us;
    p->probe_us = KG_MIN(p->probe_us * 2, p == a->selected ? PROBE_SELECTED_MAX_US : PROBE_MAX_US);
}

/* --- choosing --- */

static int64_t consent_interval(void)
{
    return CONSENT_MIN_US + (int64_t)(kg_random_u32() % CONSENT_SPAN_US);
}

static void select_pair(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    a->selected = p;
    if (a->controlling && a->nominated != p)
        p->next_us = now_us; /* tell the relay at once */
    a->server.ops.on_selected(a->server.user, &p->path);
}

/* The best pair that answers; none: stay where we are, it may come back. */
static void choose(struct kg_ice_controlling *a, int64_t now_us)
{
    struct pair *best = NULL;
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *p = &a->pairs[i];
        if (p->state != VALID || (best && p->priority < best->priority))
            continue;
        bool steady = !p->died || p->streak >= UPGRADE_STREAK || !a->selected || a->selected->state != VALID;
        if (steady || p == a->selected)
            best = p;
    }
    if (best && best != a->selected)
        select_pair(a, best, now_us);
}

static void remove_pair(struct kg_ice_controlling *a, struct pair *p)
{
    if (p->added)
        a->server.ops.on_removed(a->server.user, &p->path);
    p->added = false;
}

/* When the pair, VALID, becomes SUSPECT unless it answers or is heard. */
static int64_t suspect_us(const struct pair *p)
{
    if (p->unanswered_us == INT64_MAX)
        return INT64_MAX;
    int64_t silent_us = KG_MAX(p->unanswered_us + SUSPECT_AFTER_US, p->heard_us + SUSPECT_SILENT_US);
    return KG_MIN(silent_us, p->unanswered_us + SUSPECT_DEAF_US);
}

static int64_t expire_us(const struct pair *p)
{
    return p->added ? p->answered_us + KG_ICE_CONSENT_US : INT64_MAX;
}

static void age(struct kg_ice_controlling *a, struct pair *p, int64_t now_us)
{
    if (p->state == VALID && now_us >= suspect_us(p)) {
        p->state = SUSPECT;
        p->died = true;
        p->streak = 0;
        p->probe_us = RTO_US;
        p->next_us = KG_MIN(p->next_us, now_us + RTO_US);
    }
    if (now_us >= expire_us(p)) {
        p->state = FAILED;
        p->probe_us = PROBE_MAX_US;
        remove_pair(a, p);
    }
}

/* When the tunnel must be asked for; INT64_MAX: not as things are. */
static int64_t tunnel_us(const struct kg_ice_controlling *a)
{
    int64_t need_us = INT64_MIN;
    if (a->tunnel_asked || a->pairs[TUNNEL].state != ABSENT)
        return INT64_MAX;
    for (size_t i = 0; i < TUNNEL; i++) {
        const struct pair *p = &a->pairs[i];
        if (p->state == CHECKING)
            need_us = KG_MAX(need_us, a->created_us + KG_ICE_TUNNEL_AFTER_US);
        else if (p->state == VALID && p->unanswered_us == INT64_MAX)
            return INT64_MAX;
        else if (p->state == VALID)
            need_us = KG_MAX(need_us, KG_MAX(p->unanswered_us, p->heard_us) + KG_ICE_TUNNEL_AFTER_US);
    }
    return KG_MAX(need_us, a->tunnel_retry_us);
}

/* RFC 7675 §5.1. Consent is the relay's, not a path's: it outlives a tunnel that is cut and opened again. */
static int64_t lost_us(const struct kg_ice_controlling *a)
{
    return a->answered ? a->answered_us + KG_ICE_CONSENT_US : a->created_us + KG_ICE_FIRST_CHECK_US;
}

/* --- time --- */

static int64_t check_us(const struct kg_ice_controlling *a, const struct pair *p)
{
    int64_t due_us = p->next_us;
    if (p->state == VALID && p == a->selected && p->unanswered_us == INT64_MAX)
        due_us = KG_MIN(due_us, p->heard_us + QUIET_US);
    return KG_MAX(due_us, a->pace_us);
}

void kg_ice_controlling_tick(struct kg_ice_controlling *a, int64_t now_us)
{
    if (a->lost)
        return;
    for (size_t i = 0; i < PAIRS; i++)
        if (a->pairs[i].state != ABSENT)
            age(a, &a->pairs[i], now_us);
    if (now_us >= lost_us(a)) {
        a->lost = true;
        a->selected = NULL;
        a->server.ops.on_lost(a->server.user, a->answered);
        return;
    }
    choose(a, now_us);
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *p = &a->pairs[i];
        if (p->state == ABSENT || now_us < check_us(a, p))
            continue;
        if (p->state == CHECKING)
            check_first(a, p, now_us);
        else
            check_again(a, p, now_us);
    }
    if (now_us >= tunnel_us(a)) {
        a->tunnel_asked = true;
        a->server.ops.need_tunnel(a->server.user);
    }
}

int64_t kg_ice_controlling_next_us(const struct kg_ice_controlling *a)
{
    if (a->lost)
        return INT64_MAX;
    int64_t next_us = lost_us(a);
    for (size_t i = 0; i < PAIRS; i++) {
        const struct pair *p = &a->pairs[i];
        if (p->state == ABSENT)
            continue;
        next_us = KG_MIN(next_us, check_us(a, p));
        next_us = KG_MIN(next_us, expire_us(p));
        if (p->state == VALID)
            next_us = KG_MIN(next_us, suspect_us(p));
    }
    return KG_MIN(next_us, tunnel_us(a));
}

/* --- receiving --- */

static void change_role(struct kg_ice_controlling *a, bool controlling, struct pair *p, int64_t now_us)
{
    if (a->role_changes++ >= MAX_ROLE_CHANGES)
        return; /* two confused ends must not ping-pong for ever */
    a->controlling = controlling;
    a->tie_breaker = random_u64();
    for (size_t i = 0; i < PAIRS; i++)
        for (size_t k = 0; k < HISTORY; k++)
            a->pairs[i].checks[k].open = false;
    if (p)
        p->next_us = now_us;
}

static struct check *find_check(struct pair *p, const uint8_t id[KG_STUN_ID_BYTES])
{
    for (size_t i = 0; i < HISTORY; i++)
        if (p->checks[i].open && memcmp(p->checks[i].id, id, KG_STUN_ID_BYTES) == 0)
            return &p->checks[i];
    return NULL;
}

static void succeed(struct kg_ice_controlling *a, struct pair *p, struct check *c, int64_t now_us)
{
    c->open = false;
    if (!c->repeated)
        p->rtt_us = KG_MAX(now_us - c->sent_us, 1); /* Karn: a repeated request's answer is ambiguous */
    a->answered = true;
    a->answered_us = p->answered_us = p->heard_us = now_us;
    p->unanswered_us = INT64_MAX;
    p->state = VALID;
    p->streak++;
    p->next_us = now_us + (p->died && p->streak < UPGRADE_STREAK ? (int64_t)RTO_US : consent_interval());
    if (!p->added) {
        p->added = true;
        a->server.ops.on_added(a->server.user, &p->path);
    }
    if (p == &a->pairs[TUNNEL])
        a->tunnel_wait_us = TUNNEL_RETRY_MIN_US;
    choose(a, now_us);
}

static void receive_response(struct kg_ice_controlling *a, const struct kg_path *path, const void *data,
                             size_t size, const struct kg_stun *m, int64_t now_us)
{
    /* The answer must come from where the request went (RFC 8445 §7.2.5.2.1). */
    struct pair *p = find(a, path);
    struct check *c = p ? find_check(p, m->id) : NULL;
    if (!c)
        return;
    if (!kg_stun_check(data, size, m, a->server.credentials.remote_password)) {
        /* RFC 8489 §9.1.4: without integrity it changes nothing; but somebody should know. */
        if (m->class_ == KG_STUN_ERROR && now_us >= a->refused_log_us) {
            a->refused_log_us = now_us + SUSPECT_DEAF_US;
            kg_log(KG_LOG_WARN, "net", "net.ice-unauthorized",
                   "the relay refuses our ICE credentials: error %u", m->error_code);
        }
        return;
    }
    if (m->class_ == KG_STUN_SUCCESS) {
        succeed(a, p, c, now_us);
    } else if (m->error_code == ROLE_CONFLICT) {
        change_role(a, !c->controlling, p, now_us); /* RFC 8445 §7.2.5.1 */
    } else {
        c->open = false;
        kg_log(KG_LOG_WARN, "net", "net.ice-refused", "the relay answers an ICE check with error %u",
               m->error_code);
    }
}

/* RFC 8445 §7.3.1.1. false: answered with 487. */
static bool settle_roles(struct kg_ice_controlling *a, const struct kg_path *path, const struct kg_stun *m,
                         int64_t now_us)
{
    bool conflict = a->controlling ? m->has_controlling : m->has_controlled;
    if (!conflict)
        return true;
    bool ours_wins = a->tie_breaker >= m->tie_breaker;
    if (ours_wins == a->controlling) {
        kg_ice_server_answer(&a->server, path, m, ROLE_CONFLICT);
        return false;
    }
    change_role(a, !a->controlling, find(a, path), now_us);
    return true;
}

static void receive_request(struct kg_ice_controlling *a, const struct kg_path *path, const void *data,
                            size_t size, const struct kg_stun *m, int64_t now_us)
{
    if (!kg_ice_server_accept(&a->server, path, data, size, m, now_us) || !settle_roles(a, path, m, now_us))
        return;
    kg_ice_server_answer(&a->server, path, m, 0);
    struct pair *p = find(a, path);
    if (!p)
        return; /* our sockets are connected to the relay: other sources are nobody's */
    if (p->state == VALID && !a->controlling && m->use_candidate && p != a->selected)
        select_pair(a, p, now_us);
    else if (p->state != VALID)
        p->next_us = KG_MIN(p->next_us, now_us); /* triggered check, RFC 8445 §7.3.1.4 */
}

void kg_ice_controlling_receive(struct kg_ice_controlling *a, const struct kg_path *path, const void *data,
                                size_t size, int64_t now_us)
{
    struct kg_stun m;
    if (a->lost || !kg_stun_parse(data, size, &m) || m.method != KG_STUN_BINDING)
        return;
    if (m.class_ == KG_STUN_REQUEST)
        receive_request(a, path, data, size, &m, now_us);
    else if (m.class_ == KG_STUN_SUCCESS || m.class_ == KG_STUN_ERROR)
        receive_response(a, path, data, size, &m, now_us);
}

void kg_ice_controlling_heard(struct kg_ice_controlling *a, const struct kg_path *path, int64_t now_us)
{
    struct pair *p = find(a, path);
    if (p)
        p->heard_us = now_us;
}

static void close_tunnel(struct kg_ice_controlling *a)
{
    struct pair *p = &a->pairs[TUNNEL];
    p->state = ABSENT;
    if (a->selected == p)
        a->selected = NULL;
    remove_pair(a, p);
}

void kg_ice_controlling_tunnel_up(struct kg_ice_controlling *a, uint32_t tunnel_id, int64_t now_us)
{
    struct pair *p = &a->pairs[TUNNEL];
    if (a->lost)
        return;
    close_tunnel(a);
    *p = (struct pair){.path = kg_path_tunnel(tunnel_id),
                       .state = CHECKING,
                       .priority = priority_of(TUNNEL),
                       .next_us = now_us,
                       .unanswered_us = INT64_MAX};
    a->tunnel_asked = true;
    a->pace_us = KG_MIN(a->pace_us, now_us); /* the party waits for this one */
    kg_ice_controlling_tick(a, now_us);
}

void kg_ice_controlling_tunnel_down(struct kg_ice_controlling *a, int64_t now_us)
{
    if (a->lost)
        return;
    close_tunnel(a);
    a->tunnel_asked = false;
    a->tunnel_retry_us = now_us + a->tunnel_wait_us;
    a->tunnel_wait_us = KG_MIN(a->tunnel_wait_us * 2, TUNNEL_RETRY_MAX_US);
    kg_ice_controlling_tick(a, now_us);
}

bool kg_ice_controlling_is_valid(const struct kg_ice_controlling *a, const struct kg_path *path)
{
    const struct pair *p = find((struct kg_ice_controlling *)a, path);
    return p && p->added;
}

const struct kg_path *kg_ice_controlling_selected(const struct kg_ice_controlling *a)
{
    return a->selected ? &a->selected->path : &no_path;
}

int64_t kg_ice_controlling_rtt_us(const struct kg_ice_controlling *a)
{
    return a->selected ? a->selected->rtt_us : 0;
}
