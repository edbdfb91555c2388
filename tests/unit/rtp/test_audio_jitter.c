/* The jitter buffer between a simulated line and a simulated player that stretches as advised. */
#include "unit/cmocka_all.h"

#include "rtp/audio_jitter.h"
#include "unit/rtp/flow_help.h"

enum { IN_FLIGHT = 4096, SOURCE = 5 };

struct sim {
    struct kg_audio_jitter *jitter;
    int64_t now_us;
    /* sender */
    int64_t packet_us; /* 20 ms */
    int64_t next_send_us;
    double drift; /* sender's clock over ours */
    uint16_t sequence;
    uint32_t timestamp, csrc;
    /* line */
    int64_t trip_us, noise_us;
    uint32_t loss_permille, double_permille;
    bool held; /* outage: everything waits */
    bool mute; /* sender pauses */
    struct {
        int64_t at_us;
        uint16_t sequence;
        uint32_t timestamp, csrc;
    } flight[IN_FLIGHT];
    uint32_t flying;
    uint32_t seed;
    /* player */
    double pcm_us;     /* decoded, to be played */
    double waiting_us; /* of it, inside the stretcher and not to be had yet */
    int64_t ticks;
    struct kg_audio_jitter_stats before;
    uint32_t restarts, last_source, lost, left_out;
    uint32_t last_timestamp;
    bool decoded;
};

static struct sim *sim_new(int64_t packet_us)
{
    struct sim *s = calloc(1, sizeof(*s));
    struct kg_audio_jitter_params params = kg_audio_jitter_params_default();
    assert_non_null(s);
    s->jitter = kg_audio_jitter_create(&params);
    assert_non_null(s->jitter);
    s->packet_us = packet_us;
    s->sequence = 65500;
    s->timestamp = 0xffff0000u;
    s->csrc = SOURCE;
    s->trip_us = 30000;
    s->noise_us = 1000;
    s->seed = 17;
    return s;
}

static void sim_end(struct sim *s)
{
    kg_audio_jitter_destroy(s->jitter);
    free(s);
}

/* One Opus CELT frame count that makes the duration: code 3 packets of 10 ms frames (RFC 6716 §3.2.5). */
static bool deliver(struct sim *s, uint16_t sequence, uint32_t timestamp, uint32_t csrc, int64_t arrival_us)
{
    struct kg_packet *p = kg_packet_create();
    p->data[0] = (uint8_t)(30 << 3 | 3);
    p->data[1] = (uint8_t)(s->packet_us / 10000);
    p->size = 60;
    p->arrival_us = arrival_us;
    struct kg_rtp_packet rtp = {
        .header = {.sequence = sequence, .timestamp = timestamp, .ssrc = 1, .csrc_count = 1, .csrc = {csrc}},
        .payload = p->data,
        .payload_size = p->size};
    bool kept = kg_audio_jitter_push(s->jitter, p, &rtp);
    kg_packet_unref(p);
    return kept;
}

static void send_due(struct sim *s)
{
    while (s->next_send_us <= s->now_us) {
        if (!s->mute) {
            if (next_random(&s->seed) % 1000 >= s->loss_permille) {
                int copies = next_random(&s->seed) % 1000 < s->double_permille ? 2 : 1;
                for (int i = 0; i < copies && s->flying < IN_FLIGHT; i++) {
                    int64_t noise_us = s->noise_us > 0 ? next_random(&s->seed) % s->noise_us : 0;
                    s->flight[s->flying].at_us = s->next_send_us + s->trip_us + noise_us;
                    s->flight[s->flying].sequence = s->sequence;
                    s->flight[s->flying].timestamp = s->timestamp;
                    s->flight[s->flying++].csrc = s->csrc;
                }
            } else {
                s->lost++;
            }
            s->sequence++;
        }
        s->timestamp += (uint32_t)(s->packet_us * 48 / 1000);
        s->next_send_us += (int64_t)((double)s->packet_us * (1 - s->drift));
    }
}

static void arrive(struct sim *s)
{
    for (;;) { /* earliest first */
        uint32_t best = s->flying;
        for (uint32_t i = 0; i < s->flying; i++) {
            if (s->flight[i].at_us <= s->now_us &&
                (best == s->flying || s->flight[i].at_us < s->flight[best].at_us)) {
                best = i;
            }
        }
        if (s->held || best == s->flying) {
            return;
        }
        (void)deliver(s, s->flight[best].sequence, s->flight[best].timestamp, s->flight[best].csrc,
                      s->now_us);
        s->flight[best] = s->flight[--s->flying];
    }
}

static void tick(struct sim *s)
{
    struct kg_audio_action a;
    int rounds = 0;
    do {
        bool enough = s->pcm_us - s->waiting_us >= 10000;
        int64_t pcm_us = enough ? (int64_t)s->pcm_us : KG_MIN((int64_t)s->pcm_us, 9999);
        kg_audio_jitter_pull(s->jitter, pcm_us, s->now_us, &a);
        assert_true(rounds++ < 10);
        assert_true(a.speed >= 0.84F && a.speed <= 1.26F);
        bool quiet = a.skip_quiet && s->timestamp / 48000 % 2 == 0; /* every other second is a pause */
        if (a.what == KG_AUDIO_DECODE && quiet) {
            s->left_out++;
        } else if (a.what != KG_AUDIO_ENOUGH) {
            s->pcm_us += a.samples / 0.048 / (double)a.speed;
            s->waiting_us = a.speed == 1.0F ? 0 : KG_MIN(s->waiting_us + a.samples / 0.048, 31000);
        }
        if (a.what == KG_AUDIO_DECODE) {
            assert_true(!s->decoded || a.restart || kg_timestamp_newer(a.timestamp, s->last_timestamp));
            s->decoded = true;
            s->last_timestamp = a.timestamp;
            s->last_source = a.source;
            s->restarts += a.restart;
        }
        assert_int_equal(a.packet != NULL, a.what == KG_AUDIO_DECODE || a.what == KG_AUDIO_DECODE_FEC);
        kg_packet_unref(a.packet);
    } while (a.what != KG_AUDIO_ENOUGH);
    assert_true(s->pcm_us - s->waiting_us >= 10000 && s->pcm_us < 170000);
    s->pcm_us -= 10000;
    s->ticks++;
}

static void run(struct sim *s, double seconds)
{
    int64_t end_us = s->now_us + (int64_t)(seconds * 1e6);
    kg_audio_jitter_stats(s->jitter, &s->before);
    for (; s->now_us < end_us; s->now_us += 1000) {
        send_due(s);
        arrive(s);
        if (s->now_us % 10000 == 3000) {
            tick(s);
        }
    }
}

static struct kg_audio_jitter_stats since(const struct sim *s)
{
    struct kg_audio_jitter_stats now;
    kg_audio_jitter_stats(s->jitter, &now);
    now.concealed_samples -= s->before.concealed_samples;
    now.fec_samples -= s->before.fec_samples;
    now.silent_samples -= s->before.silent_samples;
    now.decoded_samples -= s->before.decoded_samples;
    now.late -= s->before.late;
    now.skipped -= s->before.skipped;
    return now;
}

static double concealed_percent(const struct kg_audio_jitter_stats *n)
{
    return 100.0 * (double)n->concealed_samples /
           (double)(n->concealed_samples + n->decoded_samples + n->fec_samples + 1);
}

static void say(const char *what, const struct sim *s)
{
    struct kg_audio_jitter_stats n = since(s);
    print_message("%s: delay %.1f ms, target %.1f, concealed %.2f %%, fec %llu, late %llu, skipped %llu\n",
                  what, (double)n.delay_us / 1000, (double)n.target_us / 1000, concealed_percent(&n),
                  (unsigned long long)n.fec_samples, (unsigned long long)n.late,
                  (unsigned long long)n.skipped);
}

static void clean_line_costs_little(void **state)
{
    (void)state;
    static const int64_t durations[] = {10000, 20000, 40000, 60000};
    for (size_t i = 0; i < KG_ARRAY_LEN(durations); i++) {
        struct sim *s = sim_new(durations[i]);
        run(s, 1);
        struct kg_audio_jitter_stats first = since(s);
        assert_int_equal(first.concealed_samples, 0);
        assert_true(first.silent_samples < 48 * 150); /* the trip, one packet, and the start target */
        run(s, 20);
        say("clean", s);
        struct kg_audio_jitter_stats n = since(s);
        assert_int_equal(n.concealed_samples + n.silent_samples + n.fec_samples, 0);
        assert_int_equal(n.late + n.skipped, 0);
        assert_true(n.delay_us <= 22000);
        assert_int_equal(s->restarts, 1);
        sim_end(s);
    }
}

static void jitter_is_learnt_fast_and_forgotten_slowly(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 10);
    s->noise_us = 80000;
    run(s, 2);
    say("jitter, first 2 s", s);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.target_us > 60000);
    run(s, 20);
    say("jitter", s);
    n = since(s);
    assert_true(concealed_percent(&n) < 1.5);
    assert_true(n.target_us < 110000);
    s->noise_us = 1000;
    run(s, 5);
    n = since(s);
    assert_true(n.target_us > 40000); /* not at once */
    run(s, 40);
    say("calm again", s);
    n = since(s);
    assert_true(n.target_us < 20000);
    assert_true(n.delay_us < 30000);
    assert_int_equal(n.concealed_samples + n.silent_samples, 0); /* shrinking never interrupts */
    sim_end(s);
}

static void lost_packets_come_from_redundancy(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    s->loss_permille = 80;
    run(s, 5);
    s->lost = 0;
    run(s, 30);
    say("8 % loss", s);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.target_us >= 30000); /* redundancy comes a packet later: it is waited for */
    assert_true(n.fec_samples > s->lost * 960u * 7 / 10);
    assert_true(concealed_percent(&n) < 3);
    assert_true(n.delay_us < 50000);
    sim_end(s);
}

static void bursts_of_loss_are_bridged(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 5);
    struct kg_audio_jitter_stats n, before = since(s);
    for (int i = 0; i < 10; i++) {
        s->loss_permille = 1000;
        run(s, 0.1);
        s->loss_permille = 0;
        run(s, 1.9);
    }
    kg_audio_jitter_stats(s->jitter, &n);
    uint64_t filled = n.concealed_samples + n.silent_samples + n.fec_samples - before.concealed_samples -
                      before.silent_samples - before.fec_samples;
    assert_in_range(filled, 10 * 4800 * 8 / 10, 10 * 4800 * 13 / 10); /* what was lost, and not twice */
    run(s, 5);
    say("bursts", s);
    n = since(s);
    assert_true(n.target_us < 20000); /* no longer */
    assert_true(n.delay_us < 60000);
    assert_int_equal(n.concealed_samples, 0);
    sim_end(s);
}

static void outage_ends_without_a_lasting_delay(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 5);
    s->held = true;
    run(s, 2);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.silent_samples > 48 * 1500);
    s->held = false;
    run(s, 2);
    say("after outage", s);
    n = since(s);
    assert_true(n.skipped > 50);
    assert_true(n.delay_us < 60000);
    run(s, 20);
    say("then", s);
    n = since(s);
    assert_true(n.delay_us < 30000);
    assert_int_equal(n.concealed_samples, 0);
    sim_end(s);
}

static void drifting_clocks_are_followed(void **state)
{
    (void)state;
    static const double drifts[] = {200e-6, -200e-6};
    for (size_t i = 0; i < KG_ARRAY_LEN(drifts); i++) {
        struct sim *s = sim_new(20000);
        s->drift = drifts[i];
        run(s, 10);
        run(s, 290); /* 58 ms apart by then */
        say("drift", s);
        struct kg_audio_jitter_stats n = since(s);
        assert_true(n.delay_us < 25000 && n.delay_us > 0);
        assert_true(concealed_percent(&n) < 0.1);
        assert_int_equal(n.silent_samples + n.skipped, 0);
        sim_end(s);
    }
}

static void longer_route_is_learnt(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 5);
    s->trip_us += 150000;
    run(s, 5);
    run(s, 2);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.target_us < 30000); /* known to be another route, not jitter to forget in 24 s */
    run(s, 20);
    say("longer route", s);
    n = since(s);
    assert_true(n.delay_us < 40000); /* over the new route's quickest */
    assert_true(concealed_percent(&n) < 0.5);
    s->trip_us += 800000; /* more than may be buffered: what comes is played at its pace */
    run(s, 1.2);
    run(s, 5);
    say("far longer route", s);
    n = since(s);
    assert_true(concealed_percent(&n) < 0.5);
    run(s, 10);
    s->trip_us -= 950000;
    run(s, 5);
    say("back", s);
    n = since(s);
    assert_true(n.delay_us < 60000);
    assert_int_equal(n.silent_samples, 0);
    sim_end(s);
}

static void doubled_and_reordered_packets_do_no_harm(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    s->double_permille = 300;
    s->noise_us = 50000; /* more than a packet: overtaking */
    run(s, 5);
    run(s, 20);
    say("doubled", s);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.duplicate + n.late > 100);
    assert_true(concealed_percent(&n) < 2);
    sim_end(s);
}

static void pause_and_other_speaker_start_anew(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 3);
    assert_int_equal(s->last_source, SOURCE);
    s->mute = true; /* timestamps go on, sequence numbers do not: as after a slot's switch */
    run(s, 4);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.silent_samples > 48 * 3500);
    s->mute = false;
    s->csrc = SOURCE + 1;
    run(s, 0.2);
    assert_int_equal(s->last_source, SOURCE + 1);
    assert_int_equal(s->restarts, 2);
    run(s, 3);
    n = since(s);
    assert_int_equal(n.concealed_samples + n.silent_samples, 0);
    assert_true(n.delay_us < 30000);
    s->mute = true; /* a short pause is no loss */
    run(s, 0.06);
    s->mute = false;
    run(s, 2);
    n = since(s);
    assert_int_equal(n.fec_samples, 0);
    s->csrc = SOURCE; /* without a pause */
    run(s, 0.5);
    assert_int_equal(s->restarts, 3);
    sim_end(s);
}

static void restarted_timestamps_are_followed(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 3);
    s->timestamp -= 480000; /* back ten seconds */
    run(s, 1);
    run(s, 2);
    struct kg_audio_jitter_stats n = since(s);
    assert_int_equal(n.concealed_samples + n.silent_samples, 0);
    s->timestamp += 4800000;
    run(s, 1);
    run(s, 2);
    n = since(s);
    assert_int_equal(n.concealed_samples + n.silent_samples, 0);
    assert_true(n.delay_us < 40000);
    sim_end(s);
}

static void least_delay_for_lip_sync_is_kept(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    run(s, 3);
    kg_audio_jitter_set_least(s->jitter, 120000);
    run(s, 10);
    say("least 120 ms", s);
    struct kg_audio_jitter_stats n = since(s);
    assert_true(n.delay_us > 105000 && n.delay_us < 135000);
    assert_true(n.concealed_samples <= 48 * 31); /* once, while the stretcher fills */
    assert_int_equal(n.silent_samples, 0);
    kg_audio_jitter_set_least(s->jitter, 0);
    run(s, 10);
    n = since(s);
    assert_true(n.delay_us < 30000);
    assert_int_equal(n.concealed_samples + n.silent_samples, 0);
    sim_end(s);
}

static void flood_is_bounded(void **state)
{
    (void)state;
    struct sim *s = sim_new(20000);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)deliver(s, (uint16_t)i, i * 960, SOURCE, 0);
    }
    struct kg_audio_jitter_stats n;
    kg_audio_jitter_stats(s->jitter, &n);
    assert_true(n.overflow > 0);
    assert_false(deliver(s, 1000, 1000 * 960 - 960, SOURCE, 0)); /* a time that is there already */
    sim_end(s);
}

static void opus_durations(void **state)
{
    (void)state;
    static const struct {
        uint8_t toc, count;
        uint32_t samples;
    } table[] = {
        {0 << 3, 0, 480},
        {1 << 3, 0, 960},
        {2 << 3, 0, 1920},
        {3 << 3, 0, 2880},
        {12 << 3, 0, 480},
        {13 << 3 | 1, 0, 1920},
        {16 << 3, 0, 120},
        {19 << 3 | 2, 0, 1920},
        {31 << 3, 0, 960},
        {31 << 3 | 3, 6, 5760},
        {31 << 3 | 3, 7, 0},
        {31 << 3 | 3, 0, 0},
        {16 << 3 | 3, 48 | 0x80, 5760},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(table); i++) {
        uint8_t payload[2] = {table[i].toc, table[i].count};
        assert_int_equal(kg_opus_samples(payload, 2), table[i].samples);
    }
    uint8_t alone = 3;
    assert_int_equal(kg_opus_samples(&alone, 1), 0);
    assert_int_equal(kg_opus_samples(&alone, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_line_costs_little),
        cmocka_unit_test(jitter_is_learnt_fast_and_forgotten_slowly),
        cmocka_unit_test(lost_packets_come_from_redundancy),
        cmocka_unit_test(bursts_of_loss_are_bridged),
        cmocka_unit_test(outage_ends_without_a_lasting_delay),
        cmocka_unit_test(drifting_clocks_are_followed),
        cmocka_unit_test(longer_route_is_learnt),
        cmocka_unit_test(doubled_and_reordered_packets_do_no_harm),
        cmocka_unit_test(pause_and_other_speaker_start_anew),
        cmocka_unit_test(restarted_timestamps_are_followed),
        cmocka_unit_test(least_delay_for_lip_sync_is_kept),
        cmocka_unit_test(flood_is_bounded),
        cmocka_unit_test(opus_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
