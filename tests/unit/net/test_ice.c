#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "net/ice.h"
#include "unit/net/seal_stun.h"
#include "world.h"

enum { MS = 1000, SECOND = 1000000, MAX_SENT = 1024 };

static const struct kg_ice_params relay_params = {"relay", "relaypasswordrelaypassword", "term",
                                                  "terminalpasswordterminal"};
static const struct kg_ice_params terminal_params = {"term", "terminalpasswordterminal", "relay",
                                                     "relaypasswordrelaypassword"};

/* What an agent did. */
struct seen {
    size_t count;
    struct {
        struct kg_path path;
        size_t size;
        uint8_t data[KG_STUN_MAX_BYTES];
    } sent[MAX_SENT];
    unsigned added, removed, selected, asked, lost;
    bool was_connected;
    struct kg_path where;
};

static void on_send(void *user, const struct kg_path *path, const void *data, size_t size)
{
    struct seen *s = user;
    assert_true(s->count < MAX_SENT);
    s->sent[s->count].path = *path;
    s->sent[s->count].size = size;
    memcpy(s->sent[s->count++].data, data, size);
}
static void on_added(void *user, const struct kg_path *path)
{
    (void)path;
    ((struct seen *)user)->added++;
}
static void on_removed(void *user, const struct kg_path *path)
{
    (void)path;
    ((struct seen *)user)->removed++;
}
static void on_selected(void *user, const struct kg_path *path)
{
    ((struct seen *)user)->selected++;
    ((struct seen *)user)->where = *path;
}
static void need_tunnel(void *user)
{
    ((struct seen *)user)->asked++;
}
static void on_lost(void *user, bool was_connected)
{
    ((struct seen *)user)->lost++;
    ((struct seen *)user)->was_connected = was_connected;
}
static const struct kg_ice_ops ops = {on_send, on_added, on_removed, on_selected, need_tunnel, on_lost};

static struct kg_stun parsed(const struct seen *s, size_t i)
{
    struct kg_stun m;
    assert_true(kg_stun_parse(s->sent[i].data, s->sent[i].size, &m));
    return m;
}

static struct kg_stun last(const struct seen *s)
{
    assert_true(s->count > 0);
    return parsed(s, s->count - 1);
}

/* A terminal's request, as it should be; tests then spoil it. */
static struct kg_stun request(bool use_candidate)
{
    static uint8_t id;
    struct kg_stun m = {.class_ = KG_STUN_REQUEST,
                        .method = KG_STUN_BINDING,
                        .has_priority = true,
                        .priority = 1,
                        .use_candidate = use_candidate,
                        .has_controlling = true,
                        .tie_breaker = 5};
    m.id[0] = ++id;
    strcpy(m.username, "relay:term");
    return m;
}

static size_t give(struct kg_ice_lite *a, const struct kg_path *path, const struct kg_stun *m,
                   const char *password, int64_t now_us)
{
    uint8_t bytes[KG_STUN_MAX_BYTES];
    size_t size = kg_stun_write(m, password, bytes, sizeof bytes);
    assert_true(size > 0);
    kg_ice_lite_receive(a, path, bytes, size, now_us);
    return size;
}

/* --- the relay's end --- */

static void a_good_check_is_answered_with_its_address(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path paths[] = {world_address("192.0.2.7", 4242), world_address("2001:db8::7", 4242),
                              kg_path_tunnel(3)};
    for (size_t i = 0; i < KG_ARRAY_LEN(paths); i++) {
        struct kg_stun m = request(false), answer;
        give(a, &paths[i], &m, "relaypasswordrelaypassword", 0);
        answer = last(s);
        assert_int_equal(answer.class_, KG_STUN_SUCCESS);
        assert_memory_equal(answer.id, m.id, sizeof m.id);
        assert_true(answer.has_fingerprint);
        assert_true(kg_stun_check(s->sent[i].data, s->sent[i].size, &answer, "relaypasswordrelaypassword"));
        struct kg_path mapped = kg_path_udp((struct sockaddr *)&answer.mapped);
        assert_true(paths[i].kind == KG_PATH_TUNNEL || kg_path_equal(&mapped, &paths[i]));
        assert_true(kg_path_equal(&s->sent[i].path, &paths[i]));
        assert_true(kg_ice_lite_is_valid(a, &paths[i]));
    }
    assert_int_equal(s->added, 3);
    assert_int_equal(s->selected, 1); /* the first, for want of a nominated one */
    assert_true(kg_path_equal(kg_ice_lite_selected(a), &paths[0]));
    struct kg_stun m = request(true);
    give(a, &paths[2], &m, "relaypasswordrelaypassword", 0);
    assert_true(kg_path_equal(kg_ice_lite_selected(a), &paths[2]));
    m = request(false); /* a check without nomination changes nothing */
    give(a, &paths[1], &m, "relaypasswordrelaypassword", 0);
    assert_int_equal(s->selected, 2);
    kg_ice_lite_destroy(a);
    free(s);
}

static void bad_checks_get_the_right_error(void **state)
{
    (void)state;
    static const struct {
        const char *name, *username, *password;
        bool controlled;
        uint16_t want; /* 0: silence */
        bool authenticated;
    } rows[] = {
        {"no integrity", "relay:term", NULL, false, 400, false},
        {"no username", "", "relaypasswordrelaypassword", false, 400, false},
        {"wrong password", "relay:term", "relaypasswordrelaypasswore", false, 401, false},
        {"the other way round", "term:relay", "relaypasswordrelaypassword", false, 401, false},
        {"prefix", "relay:ter", "relaypasswordrelaypassword", false, 401, false},
        {"two controlled ends", "relay:term", "relaypasswordrelaypassword", true, 487, true},
    };
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path path = world_address("192.0.2.7", 4242);
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        struct kg_stun m = request(true);
        strcpy(m.username, rows[i].username);
        m.has_controlling = !rows[i].controlled;
        m.has_controlled = rows[i].controlled;
        size_t before = s->count, asked = give(a, &path, &m, rows[i].password, 0);
        assert_int_equal(s->count, before + 1);
        struct kg_stun answer = last(s);
        assert_int_equal(answer.class_, KG_STUN_ERROR);
        assert_int_equal(answer.error_code, rows[i].want);
        assert_int_equal(answer.has_integrity, rows[i].authenticated);
        assert_memory_equal(answer.id, m.id, sizeof m.id);
        if (!rows[i].authenticated)
            assert_true(s->sent[before].size <= asked); /* no amplifier */
    }
    size_t before = s->count; /* a question too short to be answered without amplifying it */
    struct kg_stun bare = {.class_ = KG_STUN_REQUEST, .method = KG_STUN_BINDING};
    assert_int_equal(give(a, &path, &bare, NULL, 0), 28);
    assert_int_equal(s->count, before);
    assert_int_equal(s->added + s->selected, 0);
    assert_false(kg_ice_lite_is_valid(a, &path));
    kg_ice_lite_destroy(a);
    free(s);
}

/* Our writer knows no unknown attribute: 0x7777 is put in by hand and integrity computed over it. */
static size_t with_unknown_attribute(uint8_t *bytes, bool authentic)
{
    struct kg_stun m = request(true);
    static const uint8_t unknown[] = {0x77, 0x77, 0, 4, 1, 2, 3, 4};
    struct kg_writer w = kg_writer_of(bytes, KG_STUN_MAX_BYTES);
    w.pos = kg_stun_write(&m, NULL, bytes, KG_STUN_MAX_BYTES) - 8; /* without FINGERPRINT */
    kg_write_bytes(&w, unknown, sizeof unknown);
    seal_stun(&w, "relaypasswordrelaypassword", authentic);
    return w.pos;
}

static void an_unknown_attribute_is_named(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path path = world_address("192.0.2.7", 4242);
    uint8_t bytes[KG_STUN_MAX_BYTES];
    kg_ice_lite_receive(a, &path, bytes, with_unknown_attribute(bytes, false), 0);
    assert_int_equal(last(s).error_code, 401); /* who it is comes first */
    kg_ice_lite_receive(a, &path, bytes, with_unknown_attribute(bytes, true), 0);
    struct kg_stun answer = last(s);
    assert_int_equal(answer.error_code, 420); /* RFC 8489 §6.3.1 */
    assert_true(kg_stun_check(s->sent[1].data, s->sent[1].size, &answer, "relaypasswordrelaypassword"));
    static const uint8_t unknown_attributes[] = {0x00, 0x0a, 0, 2, 0x77, 0x77};
    assert_non_null(memmem(s->sent[1].data, s->sent[1].size, unknown_attributes, sizeof unknown_attributes));
    assert_false(kg_ice_lite_is_valid(a, &path));
    kg_ice_lite_destroy(a);
    free(s);
}

static void what_is_no_request_is_ignored(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path path = world_address("192.0.2.7", 4242), none = {.kind = KG_PATH_NONE};
    for (int class_ = KG_STUN_INDICATION; class_ <= KG_STUN_ERROR; class_++) {
        struct kg_stun m = request(true);
        m.class_ = (enum kg_stun_class)class_;
        give(a, &path, &m, "relaypasswordrelaypassword", 0);
    }
    struct kg_stun m = request(true);
    m.method = 3; /* TURN Allocate */
    give(a, &path, &m, "relaypasswordrelaypassword", 0);
    m = request(true);
    give(a, &none, &m, "relaypasswordrelaypassword", 0);
    uint8_t bytes[KG_STUN_MAX_BYTES];
    size_t size = kg_stun_write(&m, "relaypasswordrelaypassword", bytes, sizeof bytes);
    bytes[size - 1] ^= 1; /* FINGERPRINT wrong */
    kg_ice_lite_receive(a, &path, bytes, size, 0);
    kg_put_u16(bytes + 2, (uint16_t)(size - 20 - 8)); /* FINGERPRINT absent */
    kg_ice_lite_receive(a, &path, bytes, size - 8, 0);
    kg_ice_lite_receive(a, &path, bytes, 7, 0);
    assert_int_equal(s->count, 0);
    kg_ice_lite_destroy(a);
    free(s);
}

static void answers_are_rate_bounded(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path path = world_address("192.0.2.7", 4242);
    struct kg_stun bad = request(true), good = request(true);
    strcpy(bad.username, "nobody:nobody");
    for (int i = 0; i < 500; i++) /* in one second */
        give(a, &path, &bad, "relaypasswordrelaypassword", i * 2 * MS);
    assert_in_range(s->count, KG_ICE_LITE_ERROR_RATE, 2 * KG_ICE_LITE_ERROR_RATE);
    size_t before = s->count; /* strangers do not use up the party's own share */
    for (int i = 0; i < 500; i++)
        give(a, &path, &good, "relaypasswordrelaypassword", SECOND + i * 2 * MS);
    assert_in_range(s->count - before, KG_ICE_LITE_BURST, KG_ICE_LITE_BURST + KG_ICE_LITE_RATE);
    before = s->count;
    give(a, &path, &good, "relaypasswordrelaypassword", 4 * SECOND);
    assert_int_equal(s->count, before + 1);
    kg_ice_lite_destroy(a);
    free(s);
}

static void remembered_paths_are_bounded(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path first = world_address("192.0.2.7", 1);
    struct kg_stun m = request(true);
    give(a, &first, &m, "relaypasswordrelaypassword", 0);
    for (uint16_t i = 2; i <= 50; i++) {
        struct kg_path path = world_address("192.0.2.7", i);
        m = request(false);
        give(a, &path, &m, "relaypasswordrelaypassword", i * 100 * MS);
        assert_true(kg_ice_lite_is_valid(a, &path));
        assert_true(kg_ice_lite_is_valid(a, &first)); /* in use: never the one to go */
    }
    assert_int_equal(s->added - s->removed, KG_ICE_LITE_MAX_PATHS);
    kg_ice_lite_destroy(a);
    free(s);
}

static void consent_of_each_path_ends_by_itself(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_lite *a = kg_ice_lite_create(&relay_params, &ops, s, 0);
    struct kg_path one = world_address("192.0.2.7", 1), two = world_address("192.0.2.7", 2);
    assert_int_equal(kg_ice_lite_next_us(a), KG_ICE_FIRST_CHECK_US);
    struct kg_stun m = request(true);
    give(a, &one, &m, "relaypasswordrelaypassword", 0);
    m = request(false);
    give(a, &two, &m, "relaypasswordrelaypassword", 10 * SECOND);
    assert_int_equal(kg_ice_lite_next_us(a), 30 * SECOND);
    kg_ice_lite_tick(a, 30 * SECOND - 1);
    assert_int_equal(s->removed, 0);
    kg_ice_lite_tick(a, 30 * SECOND);
    assert_int_equal(s->removed, 1);
    assert_true(kg_path_equal(kg_ice_lite_selected(a), &two)); /* the one that is left */
    kg_ice_lite_tick(a, 40 * SECOND);
    assert_int_equal(s->lost, 1);
    assert_true(s->was_connected);
    assert_int_equal(kg_ice_lite_next_us(a), INT64_MAX);
    give(a, &one, &m, "relaypasswordrelaypassword", 41 * SECOND);
    kg_ice_lite_tick(a, 90 * SECOND);
    assert_int_equal(s->lost, 1);
    kg_ice_lite_destroy(a);
    free(s);
}

/* --- the terminal's end --- */

static struct kg_ice_controlling *make_controlling(struct seen *s, size_t remotes)
{
    struct kg_path paths[] = {world_address("192.0.2.1", 3478), world_address("2001:db8::1", 3478)};
    struct kg_ice_controlling *a = kg_ice_controlling_create(&terminal_params, paths, remotes, &ops, s, 0);
    assert_non_null(a);
    return a;
}

static void run_until(struct kg_ice_controlling *a, int64_t until_us)
{
    for (int64_t next = kg_ice_controlling_next_us(a); next <= until_us; next = kg_ice_controlling_next_us(a))
        kg_ice_controlling_tick(a, next);
    kg_ice_controlling_tick(a, until_us);
}

static void reply(struct kg_ice_controlling *a, struct seen *s, size_t i, uint16_t error,
                  const char *password, int64_t now_us)
{
    struct kg_stun m = parsed(s, i),
                   r = {.class_ = error ? KG_STUN_ERROR : KG_STUN_SUCCESS, .method = KG_STUN_BINDING};
    uint8_t bytes[KG_STUN_MAX_BYTES];
    memcpy(r.id, m.id, sizeof r.id);
    r.error_code = error;
    r.has_mapped = !error;
    r.mapped.ss_family = AF_INET;
    size_t size = kg_stun_write(&r, password, bytes, sizeof bytes);
    struct kg_path path = s->sent[i].path;
    kg_ice_controlling_receive(a, &path, bytes, size, now_us);
}

static void first_checks_follow_the_rfc(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 1);
    static const int64_t at_ms[] = {0, 500, 1500, 3500, 7500}; /* RFC 8489 §6.2.1 with RTO 500 ms */
    for (size_t i = 0; i < KG_ARRAY_LEN(at_ms); i++) {
        run_until(a, at_ms[i] * MS - (i > 0));
        assert_int_equal(s->count, i == 0 ? 1 : i);
        run_until(a, at_ms[i] * MS);
        assert_int_equal(s->count, i + 1);
        assert_int_equal(s->sent[i].size, s->sent[0].size); /* a retransmission is the same bytes */
        assert_memory_equal(s->sent[i].data, s->sent[0].data, s->sent[0].size);
    }
    struct kg_stun m = parsed(s, 0);
    assert_string_equal(m.username, "relay:term");
    assert_true(kg_stun_check(s->sent[0].data, s->sent[0].size, &m, "relaypasswordrelaypassword"));
    assert_true(m.use_candidate && m.has_controlling && m.has_fingerprint && m.tie_breaker != 0);
    assert_int_equal(m.priority, 110u << 24 | 65535u << 8 | 255); /* RFC 8445 §5.1.2.1, prflx */
    assert_int_equal(s->asked, 1);
    assert_int_equal(s->lost, 0);
    run_until(a, 15 * SECOND);
    assert_int_equal(s->lost, 1);
    assert_false(s->was_connected);
    kg_ice_controlling_destroy(a);
    free(s);
}

static void two_candidates_are_paced_and_the_better_wins(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 2);
    run_until(a, 49 * MS);
    assert_int_equal(s->count, 1);
    run_until(a, 50 * MS); /* Ta, RFC 8445 §14.2 */
    assert_int_equal(s->count, 2);
    reply(a, s, 1, 0, "relaypasswordrelaypassword", 60 * MS); /* the second answers first */
    assert_true(kg_path_equal(kg_ice_controlling_selected(a), &s->sent[1].path));
    reply(a, s, 0, 0, "relaypasswordrelaypassword", 80 * MS);
    assert_true(kg_path_equal(kg_ice_controlling_selected(a), &s->sent[0].path));
    assert_int_equal(kg_ice_controlling_rtt_us(a), 80 * MS);
    run_until(a, 200 * MS); /* the relay heard the second's nomination last: it is told at once */
    assert_int_equal(s->count, 3);
    assert_true(last(s).use_candidate);
    assert_true(kg_path_equal(&s->sent[2].path, &s->sent[0].path));
    assert_int_equal(s->asked, 0);
    kg_ice_controlling_destroy(a);
    free(s);
}

static void a_repeated_check_tells_no_round_trip(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 1);
    run_until(a, 500 * MS);
    assert_int_equal(s->count, 2);
    reply(a, s, 0, 0, "relaypasswordrelaypassword", 520 * MS); /* to the first or the second? */
    assert_int_equal(s->selected, 1);
    assert_int_equal(kg_ice_controlling_rtt_us(a), 0);
    kg_ice_controlling_destroy(a);
    free(s);
}

static void only_an_authentic_answer_from_the_right_place_counts(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 1);
    run_until(a, 0);
    reply(a, s, 0, 0, "anotherpasswordanotherpassword", 10 * MS);
    reply(a, s, 0, 0, NULL, 10 * MS);
    reply(a, s, 0, 401, NULL, 10 * MS);
    reply(a, s, 0, 500, "relaypasswordrelaypassword", 10 * MS); /* authentic error: this check is over */
    struct kg_path right = s->sent[0].path;
    reply(a, s, 0, 0, "relaypasswordrelaypassword", 20 * MS); /* and its late success means nothing */
    assert_int_equal(s->added, 0);
    run_until(a, 600 * MS);
    assert_int_equal(s->count, 2);
    s->sent[1].path = world_address("192.0.2.99", 3478);
    reply(a, s, 1, 0, "relaypasswordrelaypassword", 620 * MS);
    assert_int_equal(s->added, 0);
    s->sent[1].path = right;
    reply(a, s, 1, 0, "relaypasswordrelaypassword", 630 * MS);
    assert_int_equal(s->added, 1);
    reply(a, s, 1, 0, "relaypasswordrelaypassword", 640 * MS); /* once only */
    assert_int_equal(s->selected, 1);
    kg_ice_controlling_destroy(a);
    free(s);
}

static void a_role_conflict_is_settled(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 1);
    run_until(a, 0);
    reply(a, s, 0, 487, "relaypasswordrelaypassword", 10 * MS); /* RFC 8445 §7.2.5.1 */
    run_until(a, 60 * MS);
    struct kg_stun m = last(s);
    assert_true(m.has_controlled && !m.has_controlling && !m.use_candidate);
    assert_int_not_equal(m.tie_breaker, parsed(s, 0).tie_breaker);
    for (int i = 1; i < 20; i++) { /* a peer that is never content ends the ping-pong */
        reply(a, s, s->count - 1, 487, "relaypasswordrelaypassword", (10 + 60 * i) * MS);
        run_until(a, (60 + 60 * i) * MS);
    }
    assert_in_range(s->count, 5, 10);
    kg_ice_controlling_destroy(a);
    free(s);
}

static void a_request_is_answered_and_conflicts_follow_the_tie_breaker(void **state)
{
    (void)state;
    static const struct {
        uint64_t tie_breaker;
        uint16_t want; /* 0: success, and we become controlled */
    } rows[] = {{0, 487}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        struct seen *s = calloc(1, sizeof *s);
        struct kg_ice_controlling *a = make_controlling(s, 1);
        run_until(a, 0);
        struct kg_stun m = request(false);
        strcpy(m.username, "term:relay");
        m.tie_breaker = rows[i].tie_breaker;
        uint8_t bytes[KG_STUN_MAX_BYTES];
        size_t size = kg_stun_write(&m, "terminalpasswordterminal", bytes, sizeof bytes);
        kg_ice_controlling_receive(a, &s->sent[0].path, bytes, size, 10 * MS);
        assert_int_equal(last(s).error_code, rows[i].want);
        run_until(a, 100 * MS);
        assert_int_equal(s->count, rows[i].want ? 2 : 3); /* success brings a triggered check */
        assert_true(rows[i].want ? parsed(s, 0).has_controlling : last(s).has_controlled);
        kg_ice_controlling_destroy(a);
        free(s);
    }
}

static void consent_is_asked_for_every_five_seconds(void **state)
{
    (void)state;
    struct seen *s = calloc(1, sizeof *s);
    struct kg_ice_controlling *a = make_controlling(s, 1);
    run_until(a, 0);
    reply(a, s, 0, 0, "relaypasswordrelaypassword", 10 * MS);
    int64_t last_us = 10 * MS, now_us = 10 * MS;
    for (int i = 0; i < 20; i++) {
        size_t before = s->count;
        while (s->count == before) {
            now_us += 20 * MS;
            kg_ice_controlling_heard(a, &s->sent[0].path,
                                     now_us); /* media flows: no need to ask more often */
            kg_ice_controlling_tick(a, now_us);
        }
        assert_in_range(now_us - last_us, 4 * SECOND, 6 * SECOND + 40 * MS); /* RFC 7675 §5.1 */
        assert_memory_not_equal(parsed(s, before).id, parsed(s, before - 1).id, KG_STUN_ID_BYTES);
        reply(a, s, before, 0, "relaypasswordrelaypassword", now_us);
        last_us = now_us;
    }
    kg_ice_controlling_destroy(a);
    free(s);
}

static void credentials_have_rules(void **state)
{
    (void)state;
    char long_ufrag[300];
    memset(long_ufrag, 'a', sizeof long_ufrag - 1);
    long_ufrag[257] = '\0';
    struct kg_ice_params p = relay_params;
    assert_true(kg_ice_params_valid(&p));
    p.remote_ufrag = long_ufrag;
    assert_false(kg_ice_params_valid(&p));
    long_ufrag[256] = '\0';
    assert_true(kg_ice_params_valid(&p));
    assert_null(kg_ice_controlling_create(&p, NULL, 4, &ops, NULL, 0));
    struct seen *s = calloc(1, sizeof *s); /* the longest names still fit a message */
    struct kg_path path = world_address("192.0.2.1", 1);
    p.local_ufrag = long_ufrag;
    struct kg_ice_controlling *a = kg_ice_controlling_create(&p, &path, 1, &ops, s, 0);
    run_until(a, 0);
    assert_int_equal(strlen(last(s).username), 513);
    kg_ice_controlling_destroy(a);
    free(s);
    p.local_password = "only-twenty-one-char";
    assert_false(kg_ice_params_valid(&p));
    assert_null(kg_ice_lite_create(&p, &ops, NULL, 0));

    struct kg_stun m = {0};
    char ufrag[8];
    strcpy(m.username, "ab12:zz");
    assert_true(kg_ice_receiver_ufrag(&m, ufrag, sizeof ufrag));
    assert_string_equal(ufrag, "ab12");
    assert_false(kg_ice_receiver_ufrag(&m, ufrag, 4));
    strcpy(m.username, "ab12");
    assert_false(kg_ice_receiver_ufrag(&m, ufrag, sizeof ufrag));
    kg_ice_lite_destroy(NULL);
    kg_ice_controlling_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_check_is_answered_with_its_address),
        cmocka_unit_test(bad_checks_get_the_right_error),
        cmocka_unit_test(an_unknown_attribute_is_named),
        cmocka_unit_test(what_is_no_request_is_ignored),
        cmocka_unit_test(answers_are_rate_bounded),
        cmocka_unit_test(remembered_paths_are_bounded),
        cmocka_unit_test(consent_of_each_path_ends_by_itself),
        cmocka_unit_test(first_checks_follow_the_rfc),
        cmocka_unit_test(two_candidates_are_paced_and_the_better_wins),
        cmocka_unit_test(a_repeated_check_tells_no_round_trip),
        cmocka_unit_test(only_an_authentic_answer_from_the_right_place_counts),
        cmocka_unit_test(a_role_conflict_is_settled),
        cmocka_unit_test(a_request_is_answered_and_conflicts_follow_the_tie_breaker),
        cmocka_unit_test(consent_is_asked_for_every_five_seconds),
        cmocka_unit_test(credentials_have_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
