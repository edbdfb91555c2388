#include "app/room_policy.h"
#include "unit/cmocka_all.h"

static void hear(struct kg_room_policy *policy, struct kg_message message)
{
    kg_room_policy_hear(policy, &message);
}

static void test_what_is_said_narrows(void **state)
{
    (void)state;
    struct kg_room_policy policy = {0};
    struct kg_muted muted = {.camera = true};
    assert_int_equal(kg_room_policy_video_bps(&policy, 100000), UINT32_MAX);
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_AUTO), KG_MEDIA_PATH_AUTO);
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_POLICY,
                                      .policy = {.video_kbps = 1500,
                                                 .udp = KG_UDP_AUTO,
                                                 .microphone_muted = KG_SAY_YES,
                                                 .camera_muted = KG_SAY_NO}});
    assert_int_equal(kg_room_policy_video_bps(&policy, 100000), 1500000);
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_TUNNEL), KG_MEDIA_PATH_TUNNEL);
    kg_room_policy_mute(&policy, &muted);
    assert_true(muted.microphone && muted.camera);
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_POLICY,
                                      .policy = {.microphone_muted = KG_SAY_NO, .camera_muted = KG_SAY_NO}});
    kg_room_policy_mute(&policy, &muted);
    assert_true(muted.microphone && muted.camera);
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_POLICY, .policy = {.udp = KG_UDP_NEVER}});
    assert_int_equal(kg_room_policy_video_bps(&policy, 100000), UINT32_MAX);
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_UDP), KG_MEDIA_PATH_TUNNEL);
}

static void test_strange_rates(void **state)
{
    (void)state;
    struct kg_room_policy policy = {.said = {.video_kbps = 1}};
    assert_int_equal(kg_room_policy_video_bps(&policy, 100000), 100000);
    policy.said.video_kbps = UINT32_MAX;
    assert_int_equal(kg_room_policy_video_bps(&policy, 100000), UINT32_MAX);
}

/* It outlives a connection until the relay has had the chance to say it again. */
static void test_forgotten_when_no_longer_said(void **state)
{
    (void)state;
    struct kg_room_policy policy = {.said = {.udp = KG_UDP_NEVER}};
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_WELCOME});
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_AUTO), KG_MEDIA_PATH_TUNNEL);
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_AGENDA});
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_AUTO), KG_MEDIA_PATH_AUTO);
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_POLICY, .policy = {.udp = KG_UDP_NEVER}});
    hear(&policy, (struct kg_message){.type = KG_MESSAGE_AGENDA}); /* a change of the agenda */
    assert_int_equal(kg_room_policy_path(&policy, KG_MEDIA_PATH_AUTO), KG_MEDIA_PATH_TUNNEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_narrows),
        cmocka_unit_test(test_strange_rates),
        cmocka_unit_test(test_forgotten_when_no_longer_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
