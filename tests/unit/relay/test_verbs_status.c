/* What status says to whom: each organization its own, the relay's load to whom all of it is open; and how
 * often the workers are asked for it. Control is filled by hand, the workers' answers are made up. */
#include "unit/cmocka_all.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "net/identity.h"
#include "relay/control_internal.h"
#include "relay/tunnel.h"
#include "unit/relay/verbs_world.h"

enum { WORKERS = 2, ASKERS = 40, FEW = 500, MANY = 4 * FEW, SEATS = 4 };

struct status_world {
    struct verbs_world w;
    struct kg_control c;
    struct kg_identity *identity;
    struct kg_queue *events;
    atomic_uint connections;
    struct kg_session sessions[2];
};

static void status(void *user, struct kg_call *call)
{
    struct status_world *s = user;
    kg_control_status(&s->c, call);
}

static struct kg_hall_seat *seat(struct status_world *s, struct kg_gathering *g, const char *room,
                                 uint64_t party)
{
    struct kg_hall_seat *seat = kg_hall_seat_add(g, kg_directory_room(s->w.directory, room), 1);
    assert_non_null(seat);
    seat->worker_party = party;
    return seat;
}

static void connect_room(struct status_world *s, size_t i, const char *room, const char *peer)
{
    struct kg_session *session = &s->sessions[i];
    session->room = kg_directory_room(s->w.directory, room);
    session->greeted = true;
    snprintf(session->peer, sizeof session->peer, "%s", peer);
    session->next = s->c.sessions;
    s->c.sessions = session;
}

static bool stands(void *user, const struct kg_principal *by)
{
    (void)user;
    return *by->id != '\0';
}

static void begin(struct status_world *s)
{
    static const struct kg_verbs_effects effects = {.stands = stands, .status = status};
    static const struct kg_tunnels_params no_tunnels;
    memset(s, 0, sizeof *s);
    verbs_world_fill(&s->w);
    s->identity = kg_identity_create();
    s->events = kg_queue_create(64, sizeof(struct kg_worker_event));
    const struct kg_worker_params workers = {
        .workers = WORKERS, .identity = s->identity, .events = s->events};
    s->c.params = (struct kg_control_params){.store = s->w.store,
                                             .pool = kg_worker_pool_create(&workers),
                                             .tunnels = kg_tunnels_create(&no_tunnels),
                                             .connections = &s->connections,
                                             .workers = WORKERS};
    assert_true(s->identity && s->events && s->c.params.pool && s->c.params.tunnels);
    s->c.directory = s->w.directory;
    s->c.hall = kg_hall_create();
    s->c.next_request = 1000;
    const struct kg_verbs_params verbs = {.directory = s->w.directory,
                                          .store = s->w.store,
                                          .effects = &effects,
                                          .user = s,
                                          .next_request = &s->w.next_request};
    kg_verbs_destroy(s->w.verbs);
    s->w.verbs = kg_verbs_create(&verbs);
    assert_true(s->c.hall && s->w.verbs);
}

static void end(struct status_world *s)
{
    kg_control_drop_statuses(&s->c);
    kg_hall_destroy(s->c.hall);
    kg_tunnels_destroy(s->c.params.tunnels);
    kg_worker_pool_destroy(s->c.params.pool);
    kg_queue_destroy(s->events);
    kg_identity_destroy(s->identity);
    verbs_world_end(&s->w);
}

/* a-shi meets alone; b-cho with two rooms and one of a-shi's. */
static void fill(struct status_world *s)
{
    struct kg_gathering *ours = kg_hall_open(s->c.hall, "a-shi/plan", 1, 30),
                        *theirs = kg_hall_open(s->c.hall, "b-cho/plan", 0, 30);
    assert_true(ours && theirs);
    seat(s, ours, "a-shi-1", 11);
    seat(s, theirs, "b-cho-1", 22);
    seat(s, theirs, "b-cho-2", 23);
    seat(s, theirs, "a-shi-2", 12);
    connect_room(s, 0, "a-shi-1", "192.0.2.11");
    connect_room(s, 1, "b-cho-1", "192.0.2.22");
}

static void party_tells(struct status_world *s, uint64_t request, uint64_t party)
{
    const struct kg_worker_event event = {.kind = KG_WORKER_EVENT_PARTY_STATS,
                                          .party = party,
                                          .party_stats = {.request = request, .packets_in = 1000 * party}};
    kg_control_status_event(&s->c, &event);
}

static void worker_tells(struct status_world *s, uint64_t request, unsigned worker)
{
    const struct kg_worker_event event = {
        .kind = KG_WORKER_EVENT_STATS, .worker = worker, .stats = {.request = request}};
    kg_control_status_event(&s->c, &event);
}

/* Both workers answer what was asked last. */
static void workers_tell(struct status_world *s)
{
    static const uint64_t parties[] = {11, 22, 23, 12};
    uint64_t request = s->c.next_request - 1;
    for (size_t i = 0; i < KG_ARRAY_LEN(parties); i++)
        party_tells(s, request, parties[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_tells(s, request, i);
}

static json_t *next_reply(struct status_world *s)
{
    json_t *reply = verbs_next_reply(&s->w);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    return reply;
}

static void post(struct status_world *s, const struct kg_principal *by)
{
    verbs_post(&s->w, by, "{\"command\":\"status\"}");
}

static char *ask(struct status_world *s, const struct kg_principal *by)
{
    post(s, by);
    workers_tell(s);
    json_t *reply = next_reply(s);
    char *text = json_dumps(reply, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(reply);
    kg_control_status_tick(&s->c, INT64_MAX);
    return text;
}

static void must_hold(const char *text, const char *part, bool whether)
{
    if ((strstr(text, part) != NULL) != whether)
        fail_msg("%s of %s: %s", whether ? "nothing" : "tells", part, text);
}

static void test_each_organization_sees_its_own(void **state)
{
    static const enum kg_role_kind roles[] = {KG_ROLE_ADMINISTRATOR, KG_ROLE_AUDITOR};
    static const char *const own[] = {"a-shi/plan",           "192.0.2.11",   "\"packets_in\":11000",
                                      "\"packets_in\":12000", "\"others\":2", "\"rooms_known\":3"};
    /* Others' rooms and numbers, and the load, by which one hears them all the same. */
    static const char *const secret[] = {"b-cho-", "192.0.2.22", "22000",       "23000", "worker", "\"lost\"",
                                         "tunnel", "rss",        "connections", "cpu",   "port"};
    struct status_world s;
    (void)state;
    begin(&s);
    fill(&s);
    for (size_t r = 0; r < KG_ARRAY_LEN(roles); r++) {
        const struct kg_principal by = verbs_someone(roles[r], "a-shi-x", "a-shi");
        char *text = ask(&s, &by);
        for (size_t i = 0; i < KG_ARRAY_LEN(own); i++)
            must_hold(text, own[i], true);
        for (size_t i = 0; i < KG_ARRAY_LEN(secret); i++)
            must_hold(text, secret[i], false);
        free(text);
    }
    const struct kg_principal by = verbs_operator();
    char *text = ask(&s, &by);
    for (size_t i = 0; i < KG_ARRAY_LEN(secret); i++)
        must_hold(text, secret[i], true);
    must_hold(text, "worker_party", false); /* control's own number */
    must_hold(text, "\"worker\":1", true);
    free(text);
    end(&s);
}

static void test_many_askers_cost_the_workers_one_answer(void **state)
{
    const struct kg_principal all = verbs_operator(),
                              one = verbs_someone(KG_ROLE_AUDITOR, "a-shi-eyes", "a-shi");
    struct status_world s;
    (void)state;
    begin(&s);
    fill(&s);
    for (int i = 0; i < ASKERS; i++)
        post(&s, i % 2 ? &all : &one);
    assert_int_equal(s.c.next_request, 1001);
    assert_int_equal(kg_queue_count(s.w.replies), 0);
    worker_tells(&s, 999, 0); /* what was asked for something else */
    worker_tells(&s, 0, 1);
    workers_tell(&s);
    /* Just afterwards the same is told again. */
    post(&s, &all);
    assert_int_equal(s.c.next_request, 1001);
    for (int i = 0; i <= ASKERS; i++) {
        json_t *reply = next_reply(&s);
        size_t workers = json_array_size(json_object_get(reply, "workers"));
        assert_int_equal(workers, i % 2 || i == ASKERS ? WORKERS : 0);
        json_decref(reply);
    }
    /* Later they are asked anew. */
    kg_control_status_tick(&s.c, INT64_MAX);
    post(&s, &all);
    assert_int_equal(s.c.next_request, 1002);
    /* A worker that does not answer keeps nothing else back. */
    worker_tells(&s, 1001, 1);
    kg_control_status_tick(&s.c, kg_clock_now_us());
    assert_int_equal(kg_queue_count(s.w.replies), 0);
    kg_control_status_tick(&s.c, INT64_MAX);
    json_t *reply = next_reply(&s);
    assert_int_equal(json_array_size(json_object_get(reply, "workers")), 1);
    json_decref(reply);
    end(&s);
}

/* Microseconds of this thread until so many parties' figures are in the reply. */
static int64_t time_parties(unsigned parties)
{
    const struct kg_principal by = verbs_operator();
    struct timespec from, to;
    struct status_world s;
    begin(&s);
    for (uint64_t party = 1; party <= parties;) {
        char uid[64];
        static const char *const rooms[SEATS] = {"a-shi-1", "a-shi-2", "b-cho-1", "b-cho-2"};
        snprintf(uid, sizeof uid, "a-shi/%llu", (unsigned long long)party);
        struct kg_gathering *g = kg_hall_open(s.c.hall, uid, 0, 30);
        assert_non_null(g);
        for (size_t i = 0; i < SEATS; i++)
            seat(&s, g, rooms[i], party++);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    post(&s, &by);
    for (uint64_t party = 1; party <= parties; party++)
        party_tells(&s, 1000, party);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_tells(&s, 1000, i);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    json_t *reply = next_reply(&s);
    json_t *last = json_array_get(json_object_get(reply, "meetings"), 0);
    assert_true(json_integer_value(
                    json_object_get(json_array_get(json_object_get(last, "parties"), 0), "packets_in")) > 0);
    json_decref(reply);
    end(&s);
    return (to.tv_sec - from.tv_sec) * INT64_C(1000000) + (to.tv_nsec - from.tv_nsec) / 1000;
}

static void test_four_times_the_parties_take_four_times_as_long(void **state)
{
    (void)state;
    int64_t few_us = time_parties(FEW), many_us = time_parties(MANY);
    print_message("%d parties %lld us, %d parties %lld us\n", FEW, (long long)few_us, MANY,
                  (long long)many_us);
    /* Were every figure searched for, it would be sixteen times. */
    assert_true(many_us < 10 * few_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_organization_sees_its_own),
        cmocka_unit_test(test_many_askers_cost_the_workers_one_answer),
        cmocka_unit_test(test_four_times_the_parties_take_four_times_as_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
