/* Loss on either side of the relay: NACK, cache, RTX, late keyframes, garbage. */
#include "base/bytes.h"
#include "unit/cmocka_all.h"
#include "unit/relay/meeting.h"

static void setup(struct meeting *m, unsigned parties)
{
    meeting_start(m);
    for (unsigned i = 0; i < parties; i++)
        meeting_join(m, i);
}

static void ask(struct meeting *m, struct fake_party *p, unsigned slot, uint16_t sequence)
{
    struct kg_rtcp nack = {.kind = KG_RTCP_NACK, .media_ssrc = slot_ssrc(p->index, slot)};
    nack.nack.count = 1;
    nack.nack.sequence[0] = sequence;
    report_to_relay(m, p, &nack);
}

static void a_receiver_gets_it_again_as_rtx(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    uint32_t ssrc = slot_ssrc(1, KG_SLOT_VIDEO_0);
    for (int i = 0; i < 5; i++)
        picture(&m, a, KG_SOURCE_CAMERA, i == 0);
    struct sent lost = b->rtp[b->rtp_count - 3];
    assert_true(kg_rtp_parse(lost.bytes, lost.size, &lost.packet));
    ask(&m, b, KG_SLOT_VIDEO_0, lost.packet.header.sequence);
    const struct sent *again = last_rtp(b, ssrc + 1);
    assert_non_null(again);
    assert_int_equal(again->packet.header.payload_type, PT_RTX);
    assert_int_equal(kg_get_u16(again->packet.payload), lost.packet.header.sequence);
    assert_int_equal(again->packet.header.timestamp, lost.packet.header.timestamp);
    assert_int_equal(again->packet.payload_size, lost.packet.payload_size + 2);
    assert_memory_equal(again->packet.payload + 2, lost.packet.payload, lost.packet.payload_size);
    /* asked again at once: the first may be on its way */
    ask(&m, b, KG_SLOT_VIDEO_0, lost.packet.header.sequence);
    assert_int_equal(count_rtp(b, ssrc + 1), 1);
    meeting_wait(&m, 200000);
    ask(&m, b, KG_SLOT_VIDEO_0, lost.packet.header.sequence);
    assert_int_equal(count_rtp(b, ssrc + 1), 2);
    meeting_wait(&m, 1100000); /* older than the cache keeps */
    ask(&m, b, KG_SLOT_VIDEO_0, lost.packet.header.sequence);
    assert_int_equal(count_rtp(b, ssrc + 1), 2);
    meeting_end(&m);
}

static void what_was_sent_before_a_switch_is_resent_after_it(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 3);
    struct fake_party *c = &m.parties[2];
    kg_forward_want(&c->party, KG_SLOT_VIDEO_0, KG_WISH_SOURCE, source_id(0, KG_SOURCE_CAMERA));
    picture(&m, &m.parties[0], KG_SOURCE_CAMERA, true);
    picture(&m, &m.parties[0], KG_SOURCE_CAMERA, false);
    uint16_t lost = last_rtp(c, slot_ssrc(2, KG_SLOT_VIDEO_0))->packet.header.sequence;
    kg_forward_want(&c->party, KG_SLOT_VIDEO_0, KG_WISH_SOURCE, source_id(1, KG_SOURCE_CAMERA));
    picture(&m, &m.parties[1], KG_SOURCE_CAMERA, true);
    ask(&m, c, KG_SLOT_VIDEO_0, lost);
    const struct sent *again = last_rtp(c, slot_ssrc(2, KG_SLOT_VIDEO_0) + 1);
    assert_non_null(again);
    assert_int_equal(again->packet.header.csrc[0], source_id(0, KG_SOURCE_CAMERA));
    meeting_end(&m);
}

static void the_relay_asks_the_sender(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    uint32_t ssrc = slot_ssrc(1, KG_SLOT_VIDEO_0);
    picture(&m, a, KG_SOURCE_CAMERA, true);
    uint16_t before = last_rtp(b, ssrc)->packet.header.sequence;
    uint16_t lost = show(&m, a, KG_SOURCE_CAMERA, (struct video){.first = true, .last = true, .lose = true});
    for (int i = 0; i < 3; i++)
        picture(&m, a, KG_SOURCE_CAMERA, false);
    meeting_wait(&m, 50000);
    const struct kg_rtcp *nack = NULL;
    for (size_t i = 0; i < a->rtcp_count; i++) {
        if (a->rtcp[i].kind == KG_RTCP_NACK)
            nack = &a->rtcp[i];
    }
    if (!nack) {
        fail_msg("no NACK");
        return;
    }
    assert_int_equal(nack->media_ssrc, source_ssrc(0, KG_SOURCE_CAMERA));
    assert_int_equal(nack->nack.sequence[0], lost);
    /* the receiver sees the gap, and its number is kept for what comes late */
    recover(&m, a, KG_SOURCE_CAMERA, lost, false, true);
    assert_int_equal(last_rtp(b, ssrc)->packet.header.sequence, (uint16_t)(before + 1));
    size_t count = b->rtp_count;
    recover(&m, a, KG_SOURCE_CAMERA, lost, false, true); /* twice: once is enough */
    assert_int_equal(b->rtp_count, count);
    meeting_end(&m);
}

static void a_keyframes_late_first_packet_brings_the_rest(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    picture(&m, a, KG_SOURCE_CAMERA, false); /* nobody can use it */
    uint16_t first = show(&m, a, KG_SOURCE_CAMERA, (struct video){.key = true, .first = true, .lose = true});
    show(&m, a, KG_SOURCE_CAMERA, (struct video){0});
    show(&m, a, KG_SOURCE_CAMERA, (struct video){.last = true});
    assert_int_equal(b->rtp_count, 0);
    recover(&m, a, KG_SOURCE_CAMERA, first, true, true);
    assert_int_equal(b->rtp_count, 3);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(b->rtp[i].packet.header.sequence,
                         (uint16_t)(b->rtp[i - 1].packet.header.sequence + 1));
    meeting_end(&m);
}

/* A sender that restarts its numbering (a program that was changed under its keys) keeps its slot. */
static void a_jump_of_numbers_starts_anew_at_a_keyframe(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    uint32_t video = slot_ssrc(1, KG_SLOT_VIDEO_0), audio = slot_ssrc(1, KG_SLOT_AUDIO_0);
    picture(&m, a, KG_SOURCE_CAMERA, true);
    say(&m, a, 20);
    uint16_t before = last_rtp(b, video)->packet.header.sequence,
             spoken = last_rtp(b, audio)->packet.header.sequence;
    a->sequence[KG_SOURCE_CAMERA] += 5000;
    a->sequence[KG_SOURCE_MICROPHONE] += 5000;
    picture(&m, a, KG_SOURCE_CAMERA, false);
    say(&m, a, 20);
    assert_int_equal(last_rtp(b, video)->packet.header.sequence, before); /* not without a keyframe */
    assert_int_equal(last_rtp(b, audio)->packet.header.sequence, (uint16_t)(spoken + 1));
    picture(&m, a, KG_SOURCE_CAMERA, true);
    assert_int_equal(last_rtp(b, video)->packet.header.sequence, (uint16_t)(before + 1));
    size_t count = b->rtp_count;
    recover(&m, a, KG_SOURCE_CAMERA, (uint16_t)(a->sequence[KG_SOURCE_CAMERA] - 5001), true, true);
    assert_int_equal(b->rtp_count, count); /* what was before does not return */
    meeting_end(&m);
}

/* Both are read at one moment; the sender must hear when they came. */
static void feedback_tells_arrivals_not_readings(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0];
    meeting_wait(&m, 200000);
    m.read_late_us = 40000;
    picture(&m, a, KG_SOURCE_CAMERA, true);
    m.read_late_us = 15000;
    picture(&m, a, KG_SOURCE_CAMERA, false);
    meeting_wait(&m, 100000);
    const struct kg_rtcp *feedback = NULL;
    for (size_t i = 0; i < a->rtcp_count; i++) {
        if (a->rtcp[i].kind == KG_RTCP_TWCC)
            feedback = &a->rtcp[i];
    }
    assert_non_null(feedback);
    assert_int_equal(feedback->twcc.count, 2);
    assert_int_equal(feedback->twcc.packets[1].delta_us, 25000);
    meeting_end(&m);
}

static void feedback_and_reports_come(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0];
    for (int i = 0; i < 120; i++) {
        picture(&m, a, KG_SOURCE_CAMERA, i == 0);
        say(&m, a, 30);
        meeting_wait(&m, 20000);
    }
    size_t twcc = 0, blocks = 0;
    for (size_t i = 0; i < a->rtcp_count; i++) {
        twcc += a->rtcp[i].kind == KG_RTCP_TWCC;
        blocks += a->rtcp[i].kind == KG_RTCP_RR ? a->rtcp[i].report.report_count : 0;
    }
    assert_in_range(twcc, 20, 60); /* every 50 ms or so */
    assert_in_range(blocks, 3, 6);
    size_t sender_reports = 0;
    for (size_t i = 0; i < m.parties[1].rtcp_count; i++)
        sender_reports += m.parties[1].rtcp[i].kind == KG_RTCP_SR &&
                          m.parties[1].rtcp[i].sender_ssrc == slot_ssrc(1, KG_SLOT_VIDEO_0);
    assert_in_range(sender_reports, 3, 4);
    meeting_end(&m);
}

static void no_nack_nor_rtx_over_the_tunnel(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 2);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1];
    kg_forward_set_path(&a->party, true);
    kg_forward_set_path(&b->party, true);
    picture(&m, a, KG_SOURCE_CAMERA, true);
    show(&m, a, KG_SOURCE_CAMERA, (struct video){.first = true, .last = true, .lose = true});
    for (int i = 0; i < 3; i++)
        picture(&m, a, KG_SOURCE_CAMERA, false);
    meeting_wait(&m, 100000);
    for (size_t i = 0; i < a->rtcp_count; i++)
        assert_int_not_equal(a->rtcp[i].kind, KG_RTCP_NACK);
    ask(&m, b, KG_SLOT_VIDEO_0, last_rtp(b, slot_ssrc(1, KG_SLOT_VIDEO_0))->packet.header.sequence);
    assert_int_equal(count_rtp(b, slot_ssrc(1, KG_SLOT_VIDEO_0) + 1), 0);
    meeting_end(&m);
}

/* Any bytes, any order: nothing breaks, and no number is used twice (checked by the harness). */
static void rough_lines_reuse_no_number(void **state)
{
    (void)state;
    static struct meeting m;
    setup(&m, 3);
    struct fake_party *a = &m.parties[0], *b = &m.parties[1], *c = &m.parties[2];
    uint32_t dice = 12345;
    for (int i = 0; i < 700; i++) {
        dice = dice * 1664525u + 1013904223u;
        uint32_t roll = dice >> 24;
        struct video v = {.key = roll<12, .first = true, .last = true, .lose = roll> 220};
        struct fake_party *from = roll & 1 ? a : b;
        uint16_t sequence = show(&m, from, KG_SOURCE_CAMERA, v);
        if (roll % 5 == 0)
            recover(&m, from, KG_SOURCE_CAMERA, (uint16_t)(sequence - roll % 40), v.key, true);
        if (roll % 11 == 0)
            kg_forward_want(&c->party, KG_SLOT_VIDEO_0, KG_WISH_SOURCE,
                            source_id(roll % 2, KG_SOURCE_CAMERA));
        if (roll % 7 == 0)
            kg_forward_mute(&a->party, KG_SOURCE_CAMERA, roll % 3 == 0, m.now_us);
        const struct sent *last = last_rtp(c, slot_ssrc(2, KG_SLOT_VIDEO_0));
        if (last)
            ask(&m, c, KG_SLOT_VIDEO_0, (uint16_t)(last->packet.header.sequence - roll % 16));
        uint8_t garbage[64];
        for (size_t k = 0; k < sizeof(garbage); k++)
            garbage[k] = (uint8_t)((dice >> (k % 24)) + k);
        kg_forward_rtp(&a->party, garbage, roll % sizeof(garbage), m.now_us, m.now_us);
        kg_forward_rtcp(&a->party, garbage, roll % sizeof(garbage), m.now_us, m.now_us);
        meeting_wait(&m, 10000);
    }
    assert_true(count_rtp(c, slot_ssrc(2, KG_SLOT_VIDEO_0)) > 50);
    assert_true(count_rtp(c, slot_ssrc(2, KG_SLOT_VIDEO_0) + 1) > 20);
    meeting_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receiver_gets_it_again_as_rtx),
        cmocka_unit_test(what_was_sent_before_a_switch_is_resent_after_it),
        cmocka_unit_test(the_relay_asks_the_sender),
        cmocka_unit_test(a_keyframes_late_first_packet_brings_the_rest),
        cmocka_unit_test(a_jump_of_numbers_starts_anew_at_a_keyframe),
        cmocka_unit_test(feedback_tells_arrivals_not_readings),
        cmocka_unit_test(feedback_and_reports_come),
        cmocka_unit_test(no_nack_nor_rtx_over_the_tunnel),
        cmocka_unit_test(rough_lines_reuse_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
