/* The net thread or the main thread behind: what full queues must not lose. Call, media and connection are
 * fakes; the thread is held in the first connect. */
#include "app/link.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "app/call.h"
#include "app/link_events.h"
#include "unit/cmocka_all.h"

enum { MORE_THAN_WAIT = 100 };

struct kg_call {
    int unused;
};
struct kg_ws_client {
    int unused;
};

static struct kg_call the_call;
static struct kg_ws_client the_client;
static struct kg_media the_media;
static sem_t connecting, go_on, woken;
static atomic_bool muted;
static atomic_int calls, medias, clients;
static atomic_int call_path;
static atomic_uint video_limit;
static const char *policy; /* of the relay, before its other messages */
static unsigned messages;  /* the relay sends while it is being connected to */

/* --- fakes ---------------------------------------------------------------------------------------------- */

struct kg_ws_client *kg_ws_client_create(struct kg_loop *loop, const struct kg_ws_client_params *params,
                                         const struct kg_ws_client_events *events, void *user)
{
    static const char closing[] = "{\"type\":\"closing\",\"reason\":\"idle\",\"retry_ms\":0}";
    (void)loop, (void)params;
    clients++;
    sem_post(&connecting);
    sem_wait(&go_on);
    if (policy)
        events->message(user, policy, strlen(policy), false);
    for (unsigned i = 0; i < messages; i++)
        events->message(user, closing, sizeof closing - 1, false);
    return &the_client;
}

void kg_ws_client_destroy(struct kg_ws_client *client)
{
    clients -= client != NULL;
}

void kg_ws_client_close(struct kg_ws_client *client)
{
    (void)client; /* the goodbye's own timer ends the thread */
}

bool kg_ws_client_is_open(const struct kg_ws_client *client)
{
    (void)client;
    return false;
}

bool kg_ws_client_send(struct kg_ws_client *client, const void *data, size_t size, bool binary,
                       enum kg_ws_priority priority)
{
    (void)client, (void)data, (void)size, (void)binary, (void)priority;
    return true;
}

const char *kg_ws_failure_name(enum kg_ws_failure failure)
{
    (void)failure;
    return "";
}

struct kg_media *kg_media_create(const struct kg_media_params *params, bool microphone_muted,
                                 bool camera_muted)
{
    (void)params, (void)camera_muted;
    muted = microphone_muted;
    medias++;
    return &the_media;
}

void kg_media_destroy(struct kg_media *media)
{
    medias -= media != NULL;
}

void kg_media_mute(struct kg_media *media, bool microphone_muted, bool camera_muted)
{
    (void)media, (void)camera_muted;
    muted = microphone_muted;
}

struct kg_call *kg_call_create(const struct kg_call_params *params)
{
    muted = muted && params->microphone_muted;
    call_path = params->path;
    video_limit = params->max_video_bps;
    calls++;
    return &the_call;
}

void kg_call_destroy(struct kg_call *call)
{
    calls -= call != NULL;
}

const char *kg_call_offer(const struct kg_call *call)
{
    (void)call;
    return "";
}

const struct kg_message_line *kg_call_lines(const struct kg_call *call)
{
    static const struct kg_message_line lines[KG_OFFER_LINES];
    (void)call;
    return lines;
}

bool kg_call_answer(struct kg_call *call, const char *answer)
{
    (void)call, (void)answer;
    return true;
}

void kg_call_close(struct kg_call *call)
{
    (void)call;
}

void kg_call_limit_video(struct kg_call *call, uint32_t max_video_bps)
{
    (void)call;
    video_limit = max_video_bps;
}

void kg_call_mute(struct kg_call *call, bool microphone_muted, bool camera_muted)
{
    (void)call, (void)camera_muted;
    muted = microphone_muted;
}

void kg_call_set_party(struct kg_call *call, uint32_t party)
{
    (void)call, (void)party;
}

void kg_call_watched(struct kg_call *call, const uint32_t *sources, uint32_t count)
{
    (void)call, (void)sources, (void)count;
}

void kg_call_assume_watched(struct kg_call *call)
{
    (void)call;
}

void kg_call_participants(struct kg_call *call, const struct kg_participant *participants, uint32_t count)
{
    (void)call, (void)participants, (void)count;
}

void kg_call_slots(struct kg_call *call, const struct kg_message_slot *slots, uint32_t count)
{
    (void)call, (void)slots, (void)count;
}

void kg_gst_init(void)
{
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void wake(void)
{
    sem_post(&woken);
}

static void wait_for_wake(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    assert_int_equal(sem_timedwait(&woken, &end), 0);
}

static void want(struct kg_link *link, enum kg_room_action_kind kind, bool microphone_muted)
{
    const struct kg_room_action action = {.kind = kind, .muted = {.microphone = microphone_muted}};
    kg_link_do(link, &action);
}

/* The net thread stands still, and a join waits for it. */
static struct kg_link *hold(void)
{
    static const struct kg_terminal_settings settings = {.relay_host = "relay.example"};
    const struct kg_link_params params = {.settings = &settings, .wake = wake};
    calls = medias = clients = 0;
    assert_int_equal(sem_init(&connecting, 0, 0) | sem_init(&go_on, 0, 0) | sem_init(&woken, 0, 0), 0);
    struct kg_link *link = kg_link_create(&params);
    assert_non_null(link);
    want(link, KG_ROOM_CONNECT, false);
    sem_wait(&connecting);
    want(link, KG_ROOM_JOIN, false);
    return link;
}

static void the_newest_mute_is_never_lost(void **state)
{
    (void)state;
    struct kg_link *link = hold();
    for (int i = 0; i < MORE_THAN_WAIT; i++)
        want(link, KG_ROOM_MUTE, false);
    want(link, KG_ROOM_MUTE, true);
    sem_post(&go_on);
    kg_link_destroy(link); /* after all that waits */
    assert_true(muted);
    assert_int_equal(calls | medias | clients, 0);
}

static void a_lost_leave_ends_the_call(void **state)
{
    (void)state;
    struct kg_link *link = hold();
    for (int i = 0; i < MORE_THAN_WAIT; i++)
        want(link, KG_ROOM_MUTE, false);
    want(link, KG_ROOM_LEAVE, false);
    sem_post(&go_on);
    struct kg_link_event event;
    wait_for_wake();
    assert_int_equal(calls | medias | clients, 0); /* and the join that waited is not done after all */
    assert_true(kg_link_take(link, &event));
    assert_int_equal(event.kind, KG_LINK_CLOSED);
    kg_link_destroy(link);
}

/* Takes until the net thread has said that it begins again; returns the messages before that. */
static unsigned messages_until_closed(struct kg_link *link)
{
    struct kg_link_event event;
    unsigned count = 0;
    for (;;) {
        wait_for_wake();
        while (kg_link_take(link, &event)) {
            if (event.kind == KG_LINK_CLOSED)
                return count;
            assert_int_equal(event.kind, KG_LINK_MESSAGE);
            kg_message_destroy(event.message);
            count++;
        }
    }
}

/* The main thread stands still while the relay talks: it is told in the end that what it knows is not so. */
static void a_lost_event_begins_again(void **state)
{
    (void)state;
    struct kg_link *link = hold();
    struct kg_link_event event;
    messages = KG_LINK_EVENTS + 10;
    sem_post(&go_on);
    for (unsigned i = 0; i < messages + 1; i++) /* one for each, and one for the end */
        wait_for_wake();
    sem_post(&woken);
    assert_int_equal(messages_until_closed(link), KG_LINK_EVENTS);
    assert_false(kg_link_take(link, &event));
    assert_int_equal(calls | medias | clients, 0);
    messages = 5; /* and as before from then on */
    want(link, KG_ROOM_CONNECT, false);
    sem_post(&go_on);
    for (unsigned i = 0; i < messages; i++) {
        wait_for_wake();
        assert_true(kg_link_take(link, &event));
        assert_int_equal(event.kind, KG_LINK_MESSAGE);
        kg_message_destroy(event.message);
    }
    messages = 0;
    kg_link_destroy(link);
}

/* A policy takes the next call to the tunnel, and keeps its picture small; it allows nothing. */
static void a_policy_narrows_the_next_call(void **state)
{
    (void)state;
    policy = "{\"type\":\"policy\",\"video_kbps\":700,\"udp\":\"never\"}";
    struct kg_link *link = hold(); /* a join waits */
    struct kg_link_event event;
    sem_post(&go_on);
    wait_for_wake();
    assert_true(kg_link_take(link, &event));
    assert_int_equal(event.message->type, KG_MESSAGE_POLICY);
    kg_message_destroy(event.message);
    want(link, KG_ROOM_LEAVE, false);
    policy = NULL;
    kg_link_destroy(link); /* after all that waits */
    assert_int_equal(call_path, KG_MEDIA_PATH_TUNNEL);
    assert_int_equal(video_limit, 700000);
}

/* Nothing is dialled with a clock that has lost its time, and the screen hears why. */
static void a_clock_behind_what_has_been_is_told(void **state)
{
    (void)state;
    char folder[] = "/tmp/kaigi-link-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/clock", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "%lld\n", (long long)time(NULL) + 86400);
    fclose(out);
    const struct kg_terminal_settings settings = {.relay_host = "relay.example", .state_folder = folder};
    const struct kg_link_params params = {.settings = &settings, .wake = wake};
    calls = medias = clients = 0;
    assert_int_equal(sem_init(&connecting, 0, 0) | sem_init(&go_on, 0, 0) | sem_init(&woken, 0, 0), 0);
    struct kg_link *link = kg_link_create(&params);
    assert_non_null(link);
    want(link, KG_ROOM_CONNECT, false);
    wait_for_wake();
    struct kg_link_event event;
    assert_true(kg_link_take(link, &event));
    assert_int_equal(event.kind, KG_LINK_CLOSED);
    assert_int_equal(event.close.failure, KG_WS_TLS_NOT_YET);
    assert_non_null(strstr(event.close.detail, "clock"));
    assert_int_equal(clients, 0);
    kg_link_destroy(link);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_mute_is_never_lost),
        cmocka_unit_test(a_lost_leave_ends_the_call),
        cmocka_unit_test(a_lost_event_begins_again),
        cmocka_unit_test(a_policy_narrows_the_next_call),
        cmocka_unit_test(a_clock_behind_what_has_been_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
