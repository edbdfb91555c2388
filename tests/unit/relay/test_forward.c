/* Who gets which packets, as what: slots, numbers, ids, mute, keyframes. */
#include "base/bytes.h"
#include "unit/cmocka_all.h"
#include "unit/relay/meeting.h"

static void setup(struct meeting *m, unsigned parties)
{
    meeting_start(m);
    for (unsigned i = 0; i < parties; i++)
        meeting_join(m, i);
}

static void a_packet_is_the_receivers(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    picture(&m, a, KG_SOURCE_CAMERA, true);
    say(&m, a, 20);
    const struct sent *video = last_rtp(b, slot_ssrc(1, KG_SLOT_VIDEO_0));
    const struct sent *audio = last_rtp(b, slot_ssrc(1, KG_SLOT_AUDIO_0));
    assert_non_null(video);
    assert_non_null(audio);
    assert_int_equal(video->packet.header.csrc[0], source_id(0, KG_SOURCE_CAMERA));
    assert_int_equal(audio->packet.header.csrc[0], source_id(0, KG_SOURCE_MICROPHONE));
    const struct kg_wire_line *line = kg_wire_find(&b->party.wire, KG_ROLE_AUDIO_SLOT, 0);
    const struct kg_rtp_extension *level =
        kg_rtp_find(&audio->packet.header, line->extension[KG_EXT_AUDIO_LEVEL]);
    assert_non_null(level);
    assert_int_equal(level->data[0] & 0x7f, 20);
    const struct kg_rtp_extension *mid = kg_rtp_find(&audio->packet.header, line->extension[KG_EXT_MID]);
    assert_non_null(mid);
    assert_memory_equal(mid->data, line->mid, mid->size);
    /* one number after another over both streams: one transport */
    const struct kg_rtp_extension *first =
        kg_rtp_find(&video->packet.header, line->extension[KG_EXT_TRANSPORT_CC]);
    const struct kg_rtp_extension *second =
        kg_rtp_find(&audio->packet.header, line->extension[KG_EXT_TRANSPORT_CC]);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal((uint16_t)(kg_get_u16(first->data) + 1), kg_get_u16(second->data));
    assert_int_equal(a->rtp_count, 0);
    meeting_end(&m);
}

/* The heart of it: another camera under one SSRC, and the decoder sees one stream. */
static void a_switch_leaves_one_stream(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 3);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1], *c = &m.parties[2];
    kg_forward_want(&c->party, KG_SLOT_VIDEO_0, KG_WISH_SOURCE, source_id(0, KG_SOURCE_CAMERA));
    uint32_t ssrc = slot_ssrc(2, KG_SLOT_VIDEO_0);
    b->picture = 20000; /* far from a's */
    for (int i = 0; i < 30; i++) {
        picture(&m, a, KG_SOURCE_CAMERA, i == 0);
        picture(&m, b, KG_SOURCE_CAMERA, i == 0);
        meeting_wait(&m, 30000);
    }
    kg_forward_want(&c->party, KG_SLOT_VIDEO_0, KG_WISH_SOURCE, source_id(1, KG_SOURCE_CAMERA));
    for (int i = 0; i < 30; i++) {
        picture(&m, a, KG_SOURCE_CAMERA, false);
        picture(&m, b, KG_SOURCE_CAMERA, i == 5);
        meeting_wait(&m, 30000);
    }
    const struct sent *before = NULL;
    unsigned switches = 0, seen = 0;
    for (size_t i = 0; i < c->rtp_count; i++) {
        const struct sent *now = &c->rtp[i];
        if (now->packet.header.ssrc != ssrc)
            continue;
        seen++;
        struct kg_vp8_descriptor was, is;
        if (before) {
            assert_true(kg_vp8_parse(before->packet.payload, before->packet.payload_size, &was));
            assert_true(kg_vp8_parse(now->packet.payload, now->packet.payload_size, &is));
            assert_int_equal(now->packet.header.sequence, (uint16_t)(before->packet.header.sequence + 1));
            assert_int_equal(is.picture_id, (was.picture_id + 1) & 0x7fff);
            uint32_t step = now->packet.header.timestamp - before->packet.header.timestamp;
            assert_in_range(step, 900, 6000); /* 10..67 ms */
            if (now->packet.header.csrc[0] != before->packet.header.csrc[0]) {
                switches++;
                assert_true(
                    kg_vp8_is_keyframe(now->packet.payload + is.size, now->packet.payload_size - is.size));
            }
        }
        before = now;
    }
    assert_int_equal(switches, 1);
    assert_int_equal(seen, 30 + 6 + 25); /* a's went on until b's keyframe */
    assert_int_equal(c->slots[KG_SLOT_VIDEO_0], source_id(1, KG_SOURCE_CAMERA));
    assert_int_equal(count_rtcp(b, KG_RTCP_PLI, source_ssrc(1, KG_SOURCE_CAMERA)) > 0, true);
    meeting_end(&m);
}

static void a_source_that_goes_is_gone_at_once(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 3);
    struct fake_party *a = &m.parties[0], *c = &m.parties[2];
    picture(&m, a, KG_SOURCE_CAMERA, true);
    meeting_wait(&m, 20000);
    assert_int_equal(c->slots[KG_SLOT_VIDEO_0], source_id(0, KG_SOURCE_CAMERA));
    meeting_leave(&m, a);
    meeting_wait(&m, 20000);
    assert_int_equal(c->slots[KG_SLOT_VIDEO_0], 0);
    meeting_end(&m);
}

static void a_report_without_a_clock_moves_none(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0];
    say(&m, a, 20);
    struct kg_rtcp report = {.kind = KG_RTCP_SR,
                             .sender_ssrc = source_ssrc(0, KG_SOURCE_MICROPHONE),
                             .report = {.ntp = kg_ntp_from_wall_us(INT64_C(1790000000000000))}};
    report_to_relay(&m, a, &report);
    assert_true(a->party.wall_offset.started);
    int64_t offset_us = a->party.wall_offset.offset_us;
    report.report.ntp = 0;
    for (int i = 0; i < 4; i++)
        report_to_relay(&m, a, &report);
    assert_int_equal(a->party.wall_offset.offset_us, offset_us);
    assert_int_equal(a->party.wall_offset.resets, 0);
    meeting_end(&m);
}

static void muted_packets_never_leave(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    uint16_t shown = picture(&m, a, KG_SOURCE_CAMERA, true);
    say(&m, a, 20);
    uint16_t promised = last_rtp(b, slot_ssrc(1, KG_SLOT_VIDEO_0))->packet.header.sequence;
    (void)shown;
    kg_forward_mute(&a->party, KG_SOURCE_CAMERA, true, m.now_us);
    kg_forward_mute(&a->party, KG_SOURCE_MICROPHONE, true, m.now_us);
    size_t before = b->rtp_count;
    for (int i = 0; i < 50; i++) { /* it sends on, whatever it was told */
        picture(&m, a, KG_SOURCE_CAMERA, true);
        say(&m, a, 5);
        meeting_wait(&m, 20000);
    }
    struct kg_rtcp nack = {.kind = KG_RTCP_NACK, .media_ssrc = slot_ssrc(1, KG_SLOT_VIDEO_0)};
    nack.nack.count = 1;
    nack.nack.sequence[0] = promised;
    report_to_relay(&m, b, &nack); /* and what was cached before the mute stays in */
    assert_int_equal(b->rtp_count, before);
    assert_int_equal(b->slots[KG_SLOT_VIDEO_0], 0);
    assert_int_equal(b->slots[KG_SLOT_AUDIO_0], 0);
    assert_false(a->active[KG_SOURCE_CAMERA]);
    kg_forward_mute(&a->party, KG_SOURCE_CAMERA, false, m.now_us);
    picture(&m, a, KG_SOURCE_CAMERA, false); /* no keyframe yet: it must ask */
    size_t asked = count_rtcp(a, KG_RTCP_PLI, source_ssrc(0, KG_SOURCE_CAMERA));
    assert_true(asked > 0);
    assert_int_equal(b->rtp_count, before);
    picture(&m, a, KG_SOURCE_CAMERA, true);
    assert_int_equal(b->rtp_count, before + 1);
    meeting_end(&m);
}

static void keyframe_requests_are_throttled(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 4);
    struct fake_party *a = &m.parties[0];
    picture(&m, a, KG_SOURCE_CAMERA, true);
    meeting_wait(&m, 1000000);
    picture(&m, a, KG_SOURCE_CAMERA, false);
    uint32_t camera = source_ssrc(0, KG_SOURCE_CAMERA);
    size_t before = count_rtcp(a, KG_RTCP_PLI, camera);
    for (int i = 0; i < 100; i++) { /* three receivers beg for 1 s */
        for (unsigned r = 1; r < 4; r++)
            report_to_relay(
                &m, &m.parties[r],
                &(struct kg_rtcp){.kind = KG_RTCP_PLI, .media_ssrc = slot_ssrc(r, KG_SLOT_VIDEO_0)});
        meeting_wait(&m, 10000);
    }
    size_t asked = count_rtcp(a, KG_RTCP_PLI, camera) - before;
    assert_in_range(asked, 2, 3);
    /* but one who has no picture at all does not wait half a second */
    meeting_wait(&m, 100000);
    before = count_rtcp(a, KG_RTCP_PLI, camera);
    picture(&m, a, KG_SOURCE_CAMERA, false);
    meeting_join(&m, 5);
    meeting_wait(&m, 120000);
    assert_true(count_rtcp(a, KG_RTCP_PLI, camera) > before);
    meeting_end(&m);
}

static void reports_put_sound_and_picture_on_one_clock(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    /* the sender's clock is an hour off; its two streams began at unrelated timestamps */
    int64_t wall_us = m.now_us + 3600000000;
    for (int k = 0; k < 2; k++) {
        struct kg_rtcp sr = {.kind = KG_RTCP_SR, .sender_ssrc = source_ssrc(0, (enum kg_source_kind)k)};
        sr.report.ntp = kg_ntp_from_wall_us(wall_us);
        sr.report.rtp_timestamp = a->timestamp[k];
        report_to_relay(&m, a, &sr);
    }
    picture(&m, a, KG_SOURCE_CAMERA, true);
    say(&m, a, 20);
    int64_t captured_us[2] = {0};
    const unsigned slot[2] = {KG_SLOT_AUDIO_0, KG_SLOT_VIDEO_0};
    for (int k = 0; k < 2; k++) {
        const struct sent *packet = last_rtp(b, slot_ssrc(1, slot[k]));
        const struct kg_rtcp *sr = NULL;
        for (size_t i = 0; i < b->rtcp_count; i++) {
            if (b->rtcp[i].kind == KG_RTCP_SR && b->rtcp[i].sender_ssrc == slot_ssrc(1, slot[k]))
                sr = &b->rtcp[i];
        }
        if (!packet || !sr) { /* with the first packet */
            fail_msg("slot %u: no packet, or no report", slot[k]);
            return;
        }
        int32_t ticks = (int32_t)(packet->packet.header.timestamp - sr->report.rtp_timestamp);
        captured_us[k] =
            kg_ntp_to_wall_us(sr->report.ntp) + (int64_t)ticks * 1000000 / (k == 0 ? 48000 : 90000);
    }
    assert_in_range(captured_us[1] - captured_us[0] + 1000, 0, 2000);
    meeting_wait(&m, 3000000);
    meeting_end(&m);
}

static void silence_ends_a_source(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    picture(&m, &m.parties[0], KG_SOURCE_CAMERA, true);
    assert_true(m.parties[0].active[KG_SOURCE_CAMERA]);
    meeting_wait(&m, 2100000);
    assert_false(m.parties[0].active[KG_SOURCE_CAMERA]);
    assert_int_equal(m.parties[1].slots[KG_SLOT_VIDEO_0], 0);
    meeting_end(&m);
}

/* Pictures for so long, but only while somebody watches. */
static void show_while_watched(struct meeting *m, struct fake_party *p, int64_t us)
{
    for (int64_t end_us = m->now_us + us; m->now_us < end_us; meeting_wait(m, 30000))
        if (p->watched[KG_SOURCE_CAMERA])
            picture(m, p, KG_SOURCE_CAMERA, true);
}

static void nobody_sends_to_nobody(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 1);
    struct fake_party *a = &m.parties[0];
    meeting_wait(&m, 10000000); /* no camera yet: it must be free to begin */
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    show_while_watched(&m, a, 1900000);
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    show_while_watched(&m, a, 200000);
    assert_false(a->watched[KG_SOURCE_CAMERA]);
    assert_true(a->watched[KG_SOURCE_MICROPHONE]);
    /* silent for long, and still there */
    meeting_wait(&m, 60000000);
    assert_true(a->active[KG_SOURCE_CAMERA]);
    /* who comes awaits it, and is not kept waiting by the next tick */
    struct fake_party *b = meeting_join(&m, 1);
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    picture(&m, a, KG_SOURCE_CAMERA, true);
    assert_int_equal(count_rtp(b, slot_ssrc(1, KG_SLOT_VIDEO_0)), 1);
    show_while_watched(&m, a, 3000000);
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    /* he looks away, and back */
    for (unsigned i = 0; i < KG_VIDEO_SLOTS; i++)
        kg_forward_want(&b->party, KG_SLOT_VIDEO_0 + i, KG_WISH_NONE, 0);
    show_while_watched(&m, a, 2100000);
    assert_false(a->watched[KG_SOURCE_CAMERA]);
    meeting_wait(&m, 5000000);
    kg_forward_want(&b->party, KG_SLOT_VIDEO_0 + 3, KG_WISH_SOURCE, source_id(0, KG_SOURCE_CAMERA));
    meeting_wait(&m, KG_FORWARD_TICK_US);
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    meeting_end(&m);
}

static void who_does_not_begin_again_is_gone(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 1);
    struct fake_party *a = &m.parties[0];
    picture(&m, a, KG_SOURCE_CAMERA, true);
    show_while_watched(&m, a, 2100000);
    assert_false(a->watched[KG_SOURCE_CAMERA]);
    meeting_wait(&m, 5000000);
    struct fake_party *b = meeting_join(&m, 1);
    meeting_wait(&m, 1900000);
    assert_true(a->watched[KG_SOURCE_CAMERA] && a->active[KG_SOURCE_CAMERA]);
    meeting_wait(&m, 200000);
    assert_false(a->active[KG_SOURCE_CAMERA]);
    assert_int_equal(b->slots[KG_SLOT_VIDEO_0], 0);
    assert_true(a->watched[KG_SOURCE_CAMERA]);
    /* a mute ends it too: nothing is kept ready of what may not be shown */
    picture(&m, a, KG_SOURCE_CAMERA, true);
    meeting_leave(&m, b);
    show_while_watched(&m, a, 2100000);
    assert_false(a->watched[KG_SOURCE_CAMERA]);
    kg_forward_mute(&a->party, KG_SOURCE_CAMERA, true, m.now_us);
    assert_false(a->active[KG_SOURCE_CAMERA]);
    meeting_end(&m);
}

static void the_loudest_leads(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 4);
    struct fake_party *d = &m.parties[3];
    for (int i = 0; i < 300; i++) {
        for (unsigned p = 0; p < 3; p++) {
            picture(&m, &m.parties[p], KG_SOURCE_CAMERA, i % 10 == 0);
            say(&m, &m.parties[p], p == (i < 150 ? 1u : 2u) ? 20 : 110);
        }
        meeting_wait(&m, 20000);
        if (i == 149)
            assert_int_equal(d->slots[KG_SLOT_VIDEO_0], source_id(1, KG_SOURCE_CAMERA));
    }
    assert_int_equal(d->slots[KG_SLOT_VIDEO_0], source_id(2, KG_SOURCE_CAMERA));
    assert_int_equal(m.speaking, source_id(2, KG_SOURCE_MICROPHONE));
    /* the speaker himself sees who spoke before him */
    assert_int_equal(m.parties[2].slots[KG_SLOT_VIDEO_0], source_id(1, KG_SOURCE_CAMERA));
    /* everybody is seen once */
    for (unsigned i = 0; i < 3; i++) {
        unsigned shown = 0;
        for (unsigned s = 0; s < KG_VIDEO_SLOTS; s++)
            shown += d->slots[KG_SLOT_VIDEO_0 + s] == source_id(i, KG_SOURCE_CAMERA);
        assert_int_equal(shown, 1);
    }
    meeting_wait(&m, 2100000);
    assert_int_equal(m.speaking, 0);
    meeting_end(&m);
}

/* A browser plays only slots 0 in step: the speaker's voice goes beside his picture, but not in mid-word. */
static void the_leading_voice_takes_slot_0_in_a_pause(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 3);
    struct fake_party *c = &m.parties[2];
    for (int i = 0; i < 400; i++) {
        bool second = i >= 100, pause = i >= 300;
        say(&m, &m.parties[0], second ? 110 : 20);
        say(&m, &m.parties[1], !second || pause ? 110 : 20);
        meeting_wait(&m, 20000);
        if (i == 99 || i == 299)
            assert_int_equal(c->slots[KG_SLOT_AUDIO_0], source_id(0, KG_SOURCE_MICROPHONE));
        if (i == 299)
            assert_int_equal(m.speaking, source_id(1, KG_SOURCE_MICROPHONE));
    }
    assert_int_equal(c->slots[KG_SLOT_AUDIO_0], source_id(1, KG_SOURCE_MICROPHONE));
    assert_int_equal(c->slots[KG_SLOT_AUDIO_0 + 1], source_id(0, KG_SOURCE_MICROPHONE));
    const struct sent *last = last_rtp(c, slot_ssrc(2, KG_SLOT_AUDIO_0));
    assert_int_equal(last->packet.header.csrc[0], source_id(1, KG_SOURCE_MICROPHONE));
    meeting_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_the_receivers),
        cmocka_unit_test(a_switch_leaves_one_stream),
        cmocka_unit_test(a_source_that_goes_is_gone_at_once),
        cmocka_unit_test(a_report_without_a_clock_moves_none),
        cmocka_unit_test(muted_packets_never_leave),
        cmocka_unit_test(keyframe_requests_are_throttled),
        cmocka_unit_test(reports_put_sound_and_picture_on_one_clock),
        cmocka_unit_test(silence_ends_a_source),
        cmocka_unit_test(nobody_sends_to_nobody),
        cmocka_unit_test(who_does_not_begin_again_is_gone),
        cmocka_unit_test(the_loudest_leads),
        cmocka_unit_test(the_leading_voice_takes_slot_0_in_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
