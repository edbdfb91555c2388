/* A call that cannot be started whole, or whose tunnel cannot be tried. Devices and the tunnel are fakes; the
 * transport and its UDP socket are real, the time is made up. */
#include <arpa/inet.h>

#include "app/call_internal.h"
#include "base/clock.h"
#include "signal/answer.h"
#include "unit/cmocka_all.h"

static unsigned tunnels_tried;
static bool no_pacer, told_watched;
static uint32_t told_bps;

/* --- what the call hands to others ---------------------------------------------------------------------- */

struct kg_ws_client *kg_ws_client_create(struct kg_loop *loop, const struct kg_ws_client_params *params,
                                         const struct kg_ws_client_events *events, void *user)
{
    (void)loop, (void)params, (void)events, (void)user;
    tunnels_tried++;
    return NULL;
}

void kg_ws_client_destroy(struct kg_ws_client *client)
{
    assert_null(client);
}

bool kg_ws_client_send(struct kg_ws_client *client, const void *data, size_t size, bool binary,
                       enum kg_ws_priority priority)
{
    (void)client, (void)data, (void)size, (void)binary, (void)priority;
    return false;
}

const char *kg_ws_failure_name(enum kg_ws_failure failure)
{
    (void)failure;
    return "";
}

struct kg_pacer *__real_kg_pacer_create(const struct kg_pacer_params *params);
struct kg_pacer *__wrap_kg_pacer_create(const struct kg_pacer_params *params);
struct kg_pacer *__wrap_kg_pacer_create(const struct kg_pacer_params *params)
{
    return no_pacer ? NULL : __real_kg_pacer_create(params);
}

void kg_media_drain(struct kg_media *media)
{
    (void)media;
}

void kg_receive_audio_packet(struct kg_receive_audio *audio, unsigned slot, struct kg_packet *packet)
{
    (void)audio, (void)slot;
    kg_packet_unref(packet);
}

void kg_receive_audio_reset(struct kg_receive_audio *audio)
{
    (void)audio;
}

void kg_receive_audio_set_least(struct kg_receive_audio *audio, unsigned slot, int64_t least_us)
{
    (void)audio, (void)slot, (void)least_us;
}

bool kg_decode_video_frame(struct kg_decode_video *decode, unsigned place, struct kg_vp8_frame *frame,
                           int64_t due_us)
{
    (void)decode, (void)place, (void)due_us;
    kg_vp8_frame_destroy(frame);
    return true;
}

void kg_decode_video_clear(struct kg_decode_video *decode, unsigned place)
{
    (void)decode, (void)place;
}

void kg_send_video_keyframe(struct kg_send_video *video)
{
    (void)video;
}

void kg_send_video_set_watched(struct kg_send_video *video, bool watched)
{
    (void)video;
    told_watched = watched;
}

void kg_send_video_set_rate(struct kg_send_video *video, uint32_t rate_bps)
{
    (void)video;
    told_bps = rate_bps;
}

void kg_send_audio_set_loss(struct kg_send_audio *audio, uint32_t percent)
{
    (void)audio, (void)percent;
}

static void on_report(void *user, const struct kg_media_report *report)
{
    (void)user, (void)report;
}

/* --- a room and the relay's answer ---------------------------------------------------------------------- */

struct room {
    struct kg_loop *loop;
    struct kg_identity *identity;
    struct kg_media media;
    struct kg_call *call;
    char *answer;
};

static void open_room(struct room *room, enum kg_media_path path)
{
    *room = (struct room){.loop = kg_loop_create(), .identity = kg_identity_create()};
    room->media.pictures = kg_queue_create(1, sizeof(struct kg_coded_picture));
    room->media.sounds = kg_queue_create(1, sizeof(struct kg_coded_sound));
    room->media.broken = kg_queue_create(1, sizeof(unsigned));
    room->media.heard = kg_queue_create(1, sizeof(struct kg_heard));
    const struct kg_call_params params = {.loop = room->loop,
                                          .media = &room->media,
                                          .identity = room->identity,
                                          .path = path,
                                          .max_bps = 1000000,
                                          .max_video_bps = UINT32_MAX,
                                          .report = on_report};
    room->call = kg_call_create(&params);
    assert_non_null(room->call);
    struct kg_answer_params answer = {.session_id = 7,
                                      .relay = {.ufrag = "00abcdef12",
                                                .pwd = "abcdefghijklmnopqrstuvwx",
                                                .candidate_count = 1,
                                                .candidates = {{.priority = 2130706431}}}};
    struct sockaddr_in discard = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    memcpy(&answer.relay.candidates[0].address, &discard, sizeof discard);
    for (uint32_t i = 0; i < KG_AUDIO_SLOTS; i++)
        answer.audio[i].ssrc = 100 + i;
    for (uint32_t i = 0; i < KG_VIDEO_SLOTS; i++)
        answer.video[i] = (struct kg_slot_ssrc){200 + i, 300 + i};
    answer.presentation[0] = (struct kg_slot_ssrc){400, 401};
    static struct kg_wire wire;
    struct kg_message_error error;
    room->answer = kg_answer_make(kg_call_offer(room->call), kg_call_lines(room->call), KG_OFFER_LINES,
                                  &answer, &wire, &error);
    assert_non_null(room->answer);
}

static void close_room(struct room *room)
{
    kg_call_destroy(room->call);
    free(room->answer);
    kg_queue_destroy(room->media.pictures);
    kg_queue_destroy(room->media.sounds);
    kg_queue_destroy(room->media.broken);
    kg_queue_destroy(room->media.heard);
    kg_identity_destroy(room->identity);
    kg_loop_destroy(room->loop);
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void a_call_that_cannot_start_watches_nothing(void **state)
{
    (void)state;
    struct room room;
    open_room(&room, KG_MEDIA_PATH_AUTO);
    no_pacer = true;
    assert_false(kg_call_answer(room.call, room.answer));
    no_pacer = false;
    assert_int_equal(room.call->udp_count, 0);
    assert_null(room.call->transport);
    assert_true(room.call->over);
    kg_call_mute(room.call, true, true);
    kg_call_schedule(room.call, kg_clock_now_us());
    kg_call_close(room.call);
    assert_false(kg_call_answer(room.call, room.answer));
    close_room(&room);
}

static void a_tunnel_that_cannot_be_tried_is_asked_for_again(void **state)
{
    (void)state;
    struct room room;
    open_room(&room, KG_MEDIA_PATH_TUNNEL);
    tunnels_tried = 0;
    assert_true(kg_call_answer(room.call, room.answer));
    int64_t now_us = kg_clock_now_us();
    for (int i = 0; i < 40; i++)
        room.call->timer.fire(room.call, now_us + i * 100000);
    assert_in_range(tunnels_tried, 2, 4); /* in 4 s: after pauses, not at every turn */
    close_room(&room);
}

/* The camera is coded only while the call is up and somebody watches, or nobody can say. */
static void only_what_is_watched_is_coded(void **state)
{
    (void)state;
    struct room room;
    const struct kg_participant people[] = {{.party = 7, .sources = {.camera = 71}},
                                            {.party = 8, .sources = {.camera = 81}}};
    const uint32_t own[] = {90, 81}, other[] = {71};
    open_room(&room, KG_MEDIA_PATH_UDP);
    struct kg_call *call = room.call;
    kg_call_set_party(call, 8);
    kg_call_participants(call, people, 2);
    assert_true(kg_call_answer(call, room.answer));
    told_watched = true;
    kg_call_watched(call, own, 2); /* but there is no way to send yet */
    assert_false(told_watched);
    call->connected = true;
    kg_call_watched(call, own, 2);
    assert_true(told_watched);
    kg_call_watched(call, other, 1);
    assert_false(told_watched);
    kg_call_assume_watched(call);
    assert_true(told_watched);
    kg_call_watched(call, NULL, 0);
    assert_false(told_watched);
    kg_call_watched(call, own, 2);
    call->connected = false;
    close_room(&room);
    assert_false(told_watched);
}

/* What administrators allow the camera holds at once, and is not what the line carries. */
static void the_camera_keeps_to_its_limit(void **state)
{
    (void)state;
    struct room room;
    open_room(&room, KG_MEDIA_PATH_UDP);
    assert_true(kg_call_answer(room.call, room.answer));
    int64_t now_us = kg_clock_now_us();
    kg_call_adapt(room.call, now_us);
    assert_in_range(told_bps, 800000, 1000000);
    kg_call_limit_video(room.call, 300000);
    kg_call_adapt(room.call, now_us + 100000);
    assert_in_range(told_bps, 270000, 300000);
    kg_call_limit_video(room.call, UINT32_MAX);
    kg_call_adapt(room.call, now_us + 200000);
    assert_in_range(told_bps, 800000, 1000000);
    close_room(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_cannot_start_watches_nothing),
        cmocka_unit_test(a_tunnel_that_cannot_be_tried_is_asked_for_again),
        cmocka_unit_test(only_what_is_watched_is_coded),
        cmocka_unit_test(the_camera_keeps_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
