#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "base/log.h"
#include "net/demux.h"
#include "world.h"

enum { SECOND = 1000000, MS = 1000 };

static struct world_end *relay_of(struct world *w)
{
    return &w->end[WORLD_RELAY];
}
static struct world_end *terminal_of(struct world *w)
{
    return &w->end[WORLD_TERMINAL];
}

static void exchange(struct world *w, uint16_t first, unsigned count)
{
    unsigned before[WORLD_ENDS] = {relay_of(w)->rtp, terminal_of(w)->rtp};
    for (unsigned i = 0; i < count; i++) {
        assert_true(world_send_rtp(w, WORLD_RELAY, 0x1111, (uint16_t)(first + i)));
        assert_true(world_send_rtp(w, WORLD_TERMINAL, 0x2222, (uint16_t)(first + i)));
        world_run(w, 10 * MS);
    }
    world_run(w, 100 * MS);
    assert_int_equal(relay_of(w)->rtp - before[WORLD_RELAY], count);
    assert_int_equal(terminal_of(w)->rtp - before[WORLD_TERMINAL], count);
}

static void connects_in_three_round_trips_with_gcm(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    int64_t start_us = w->now_us;
    assert_true(world_connect(w, SECOND));
    /* One for the check, two for DTLS: 10 ms each here. */
    assert_in_range(terminal_of(w)->connected_us - start_us, 30 * MS, 32 * MS);
    assert_int_equal(relay_of(w)->profile, KG_SRTP_AEAD_AES_128_GCM);
    assert_int_equal(terminal_of(w)->profile, KG_SRTP_AEAD_AES_128_GCM);
    exchange(w, 65530, 20); /* over a wrap */
    assert_true(world_send_rtcp(w, WORLD_RELAY, 0x1111));
    assert_true(world_send_rtcp(w, WORLD_TERMINAL, 0x2222));
    world_run(w, 100 * MS);
    assert_int_equal(relay_of(w)->rtcp, 1);
    assert_int_equal(terminal_of(w)->rtcp, 1);
    assert_int_equal(kg_transport_path(terminal_of(w)->transport)->kind, KG_PATH_UDP);
    assert_in_range(kg_transport_get_stats(terminal_of(w)->transport).rtt_us, 10 * MS, 11 * MS);
    assert_int_equal(terminal_of(w)->tunnel_asked, 0);
    world_destroy(w);
}

static void relay_prefers_gcm_whatever_the_offered_order(void **state)
{
    (void)state;
    struct world_options o = {.terminal_profiles = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM"};
    struct world *w = world_create(&o);
    assert_true(world_connect(w, SECOND));
    assert_int_equal(relay_of(w)->profile, KG_SRTP_AEAD_AES_128_GCM);
    world_destroy(w);
}

static void falls_back_to_sha1_80(void **state)
{
    (void)state;
    struct world_options o = {.terminal_profiles = "SRTP_AES128_CM_SHA1_80"};
    struct world *w = world_create(&o);
    assert_true(world_connect(w, SECOND));
    assert_int_equal(relay_of(w)->profile, KG_SRTP_AES128_CM_SHA1_80);
    exchange(w, 1, 20);
    assert_true(world_send_rtcp(w, WORLD_TERMINAL, 0x2222));
    world_run(w, 100 * MS);
    assert_int_equal(relay_of(w)->rtcp, 1);
    world_destroy(w);
}

static void without_a_common_profile_both_close(void **state)
{
    (void)state;
    struct world_options o = {.terminal_profiles = "SRTP_AES128_CM_SHA1_32"};
    struct world *w = world_create(&o);
    assert_false(world_connect(w, 2 * SECOND));
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_NO_PROFILE);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_NO_PROFILE);
    world_destroy(w);
}

static void connects_over_a_bad_line(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct world_options o = {.seed = seed * 977};
        struct world *w = world_create(&o);
        w->tunnel_fails = true;
        w->loss_percent = 20;
        w->duplicate_percent = 10;
        w->delay_us = 20 * MS;
        w->jitter_us = 60 * MS; /* reorders */
        assert_true(world_connect(w, 10 * SECOND));
        assert_in_range(relay_of(w)->largest, 1, 1200);
        assert_in_range(terminal_of(w)->largest, 1, 1200);
        for (uint16_t i = 0; i < 200; i++) {
            assert_true(world_send_rtp(w, WORLD_TERMINAL, 5, i));
            world_run(w, 5 * MS);
        }
        world_run(w, SECOND);
        /* 20 % lost, none delivered twice. */
        assert_in_range(relay_of(w)->rtp, 130, 190);
        assert_int_equal(relay_of(w)->closed + terminal_of(w)->closed, 0);
        world_destroy(w);
    }
}

static void a_stranger_certificate_is_refused(void **state)
{
    (void)state;
    struct world_options o = {.wrong_terminal_fingerprint = true};
    struct world *w = world_create(&o);
    assert_false(world_connect(w, SECOND));
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_FINGERPRINT);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_HANDSHAKE_FAILED); /* told by an alert */
    assert_false(world_send_rtp(w, WORLD_RELAY, 1, 1));
    world_destroy(w);

    o = (struct world_options){.wrong_relay_fingerprint = true};
    w = world_create(&o);
    assert_false(world_connect(w, SECOND));
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_FINGERPRINT);
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_HANDSHAKE_FAILED);
    assert_int_equal(relay_of(w)->connected + terminal_of(w)->connected, 0);
    world_destroy(w);
}

static void a_wrong_password_reaches_nothing(void **state)
{
    (void)state;
    struct world_options o = {.wrong_password = true};
    struct world *w = world_create(&o);
    assert_false(world_connect(w, 20 * SECOND));
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_NO_PATH);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_NO_PATH);
    assert_int_equal(relay_of(w)->path_added, 0);
    assert_int_equal(terminal_of(w)->closed_us - 5000000, 15 * SECOND);
    world_destroy(w);
}

static void replayed_and_forged_packets_are_dropped(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    assert_true(world_connect(w, SECOND));
    struct kg_path from = world_address("192.0.2.2", 40000);
    assert_true(world_send_rtp(w, WORLD_TERMINAL, 1, 1));
    uint8_t wire[1500];
    size_t size = w->last_media_size;
    memcpy(wire, w->last_media, size);
    world_run(w, 50 * MS);
    world_inject(w, WORLD_RELAY, &from, wire, size);
    assert_int_equal(relay_of(w)->rtp, 1);
    assert_int_equal(kg_transport_get_stats(relay_of(w)->transport).dropped_replay, 1);
    for (size_t i = 1; i < size; i++) { /* byte 0 would change the protocol */
        wire[i] ^= 0x40;
        world_inject(w, WORLD_RELAY, &from, wire, size);
        wire[i] ^= 0x40;
    }
    for (size_t cut = 0; cut < size; cut++)
        world_inject(w, WORLD_RELAY, &from, wire, cut);
    assert_int_equal(relay_of(w)->rtp, 1);
    assert_int_equal(relay_of(w)->rtcp, 0);
    exchange(w, 100, 3);
    world_destroy(w);
}

static void silence_ends_consent_at_both_ends(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    w->tunnel_fails = true;
    assert_true(world_connect(w, SECOND));
    int64_t cut_us = w->now_us;
    w->udp_blocked[WORLD_RELAY] = w->udp_blocked[WORLD_TERMINAL] = true;
    world_run(w, 14 * SECOND);
    assert_int_equal(terminal_of(w)->closed + relay_of(w)->closed, 0);
    world_run(w, 21 * SECOND);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_CONSENT_LOST);
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_CONSENT_LOST);
    assert_in_range(terminal_of(w)->closed_us - cut_us, 15 * SECOND, 30 * SECOND);
    assert_in_range(relay_of(w)->closed_us - cut_us, 15 * SECOND, 30 * SECOND);
    assert_int_equal(terminal_of(w)->closed, 1);
    /* Dead means silent. */
    uint64_t sent = terminal_of(w)->udp_sent + relay_of(w)->udp_sent;
    assert_false(world_send_rtp(w, WORLD_TERMINAL, 1, 1));
    world_run(w, 60 * SECOND);
    assert_int_equal(terminal_of(w)->udp_sent + relay_of(w)->udp_sent, sent);
    world_destroy(w);
}

static void a_quiet_but_living_line_stays_open(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    w->loss_percent = 10;
    assert_true(world_connect(w, 10 * SECOND));
    uint64_t sent = terminal_of(w)->udp_sent;
    world_run(w, 120 * SECOND);
    assert_int_equal(terminal_of(w)->closed + relay_of(w)->closed, 0);
    /* About one check a second while nothing else is heard: not silence, not a flood. */
    assert_in_range(terminal_of(w)->udp_sent - sent, 40, 260);
    world_destroy(w);
}

static void blocked_udp_falls_back_to_the_tunnel_within_a_second(void **state)
{
    (void)state;
    for (int direction = 0; direction < 3; direction++) {
        struct world *w = world_create(NULL);
        int64_t start_us = w->now_us;
        w->udp_blocked[WORLD_RELAY] = direction != 0; /* even one way only */
        w->udp_blocked[WORLD_TERMINAL] = direction != 1;
        w->tunnel_open_us = 100 * MS;
        assert_true(world_connect(w, 2 * SECOND));
        assert_int_equal(terminal_of(w)->asked_us - start_us, 700 * MS);
        assert_in_range(terminal_of(w)->connected_us - start_us, 700 * MS, SECOND);
        assert_int_equal(kg_transport_path(terminal_of(w)->transport)->kind, KG_PATH_TUNNEL);
        assert_int_equal(kg_transport_path(relay_of(w)->transport)->kind, KG_PATH_TUNNEL);
        exchange(w, 1, 10);
        world_run(w, 60 * SECOND); /* UDP is still tried now and then, and never draws the relay away */
        exchange(w, 100, 10);
        assert_int_equal(kg_transport_path(relay_of(w)->transport)->kind, KG_PATH_TUNNEL);
        assert_in_range(relay_of(w)->path_changed, 1, 2);
        world_destroy(w);
    }
}

static void udp_never_sends_none(void **state)
{
    (void)state;
    struct world_options o = {.udp_never = true};
    struct world *w = world_create(&o);
    int64_t start_us = w->now_us;
    assert_true(world_connect(w, SECOND));
    assert_in_range(terminal_of(w)->connected_us - start_us, 50 * MS, 100 * MS);
    exchange(w, 1, 10);
    world_run(w, 60 * SECOND);
    assert_int_equal(terminal_of(w)->udp_sent, 0);
    assert_int_equal(relay_of(w)->udp_sent, 0);
    assert_int_equal(terminal_of(w)->closed, 0);
    world_destroy(w);
}

static void udp_that_answers_late_is_taken_up(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    w->udp_blocked[WORLD_TERMINAL] = true;
    assert_true(world_connect(w, 2 * SECOND));
    w->udp_blocked[WORLD_TERMINAL] = false;
    world_run(w, 20 * SECOND);
    assert_int_equal(kg_transport_path(terminal_of(w)->transport)->kind, KG_PATH_UDP);
    assert_int_equal(kg_transport_path(relay_of(w)->transport)->kind, KG_PATH_UDP);
    assert_int_equal(terminal_of(w)->connected, 1);
    exchange(w, 1, 10);
    world_destroy(w);
}

static void the_call_moves_to_the_tunnel_and_back(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    assert_true(world_connect(w, SECOND));
    exchange(w, 1, 10);
    w->udp_blocked[WORLD_RELAY] = w->udp_blocked[WORLD_TERMINAL] = true;
    int64_t cut_us = w->now_us;
    uint16_t sequence = 100;
    unsigned before = relay_of(w)->rtp;
    for (int i = 0; i < 400; i++) { /* 4 s of media */
        world_send_rtp(w, WORLD_TERMINAL, 0x2222, sequence);
        world_send_rtp(w, WORLD_RELAY, 0x1111, sequence++);
        world_run(w, 10 * MS);
    }
    assert_in_range(terminal_of(w)->changed_us - cut_us, SECOND, 5 * SECOND / 2);
    assert_true(relay_of(w)->rtp - before > 150);
    exchange(w, 1000, 10);
    assert_int_equal(kg_transport_path(relay_of(w)->transport)->kind, KG_PATH_TUNNEL);

    w->udp_blocked[WORLD_RELAY] = w->udp_blocked[WORLD_TERMINAL] = false;
    world_run(w, 15 * SECOND);
    assert_int_equal(kg_transport_path(terminal_of(w)->transport)->kind, KG_PATH_UDP);
    assert_int_equal(kg_transport_path(relay_of(w)->transport)->kind, KG_PATH_UDP);
    exchange(w, 2000, 10);
    /* One association all along. */
    assert_int_equal(terminal_of(w)->connected, 1);
    assert_int_equal(relay_of(w)->connected, 1);
    assert_int_equal(terminal_of(w)->closed + relay_of(w)->closed, 0);
    world_destroy(w);
}

static void the_path_may_change_in_mid_handshake(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    w->dtls_blocked = true;
    world_run(w, 100 * MS); /* a valid UDP path, ClientHello lost */
    assert_int_equal(kg_transport_get_state(terminal_of(w)->transport), KG_TRANSPORT_HANDSHAKING);
    w->udp_blocked[WORLD_RELAY] = w->udp_blocked[WORLD_TERMINAL] = true;
    w->dtls_blocked = false;
    assert_true(world_connect(w, 5 * SECOND));
    assert_int_equal(kg_transport_path(terminal_of(w)->transport)->kind, KG_PATH_TUNNEL);
    world_destroy(w);
}

static void a_cut_tunnel_is_asked_for_again(void **state)
{
    (void)state;
    struct world_options o = {.udp_never = true};
    struct world *w = world_create(&o);
    assert_true(world_connect(w, SECOND));
    world_cut_tunnel(w);
    assert_false(world_send_rtp(w, WORLD_TERMINAL, 0x2222, 1));
    world_run(w, 2 * SECOND);
    assert_int_equal(terminal_of(w)->tunnel_asked, 2);
    assert_int_equal(kg_transport_path(relay_of(w)->transport)->tunnel_id, WORLD_TUNNEL_ID + 1);
    exchange(w, 10, 10);
    /* And when it cannot be opened: again and again, ever more slowly, until consent ends. */
    w->tunnel_fails = true;
    world_cut_tunnel(w);
    world_run(w, 40 * SECOND);
    assert_in_range(terminal_of(w)->tunnel_asked, 2 + 4, 2 + 8);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_CONSENT_LOST);
    world_destroy(w);
}

static void a_rebound_nat_is_followed_only_after_a_check(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    assert_true(world_connect(w, SECOND));
    exchange(w, 1, 10);
    w->nat_port = 40001;
    unsigned before = relay_of(w)->rtp;
    assert_true(world_send_rtp(w, WORLD_TERMINAL, 0x2222, 50));
    world_run(w, 50 * MS);
    assert_int_equal(relay_of(w)->rtp, before); /* the new address has shown nothing yet */
    assert_int_equal(kg_transport_get_stats(relay_of(w)->transport).dropped_path, 1);
    world_run(w, 2 * SECOND);
    assert_int_equal(
        ntohs(((const struct sockaddr_in *)&kg_transport_path(relay_of(w)->transport)->remote)->sin_port),
        40001);
    exchange(w, 100, 10);
    assert_int_equal(relay_of(w)->connected, 1);
    world_destroy(w);
}

static void nothing_but_stun_from_an_unchecked_path(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    struct kg_path stranger = world_address("198.51.100.9", 9);
    static const uint8_t hello[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
    world_inject(w, WORLD_RELAY, &stranger, hello, sizeof hello);
    assert_int_equal(relay_of(w)->udp_sent, 0); /* no alert, no HelloRequest: nothing to amplify */
    assert_int_equal(kg_transport_get_stats(relay_of(w)->transport).dropped_path, 1);
    assert_true(world_connect(w, SECOND));
    assert_true(world_send_rtp(w, WORLD_TERMINAL, 3, 3));
    w->flight_count = 0;
    world_inject(w, WORLD_RELAY, &stranger, w->last_media, w->last_media_size);
    assert_int_equal(relay_of(w)->rtp, 0);
    world_inject(w, WORLD_RELAY, kg_transport_path(relay_of(w)->transport), w->last_media,
                 w->last_media_size);
    assert_int_equal(relay_of(w)->rtp, 1);
    world_destroy(w);
}

static void garbage_changes_nothing(void **state)
{
    (void)state;
    struct world_options o = {.seed = 42};
    struct world *w = world_create(&o);
    assert_true(world_connect(w, SECOND));
    uint8_t junk[2000];
    struct kg_path good = world_address("192.0.2.2", 40000);
    struct kg_path relay = world_address("192.0.2.1", 3478);
    for (int i = 0; i < 4000; i++) {
        size_t size = world_random(w, i % 50 == 0 ? sizeof junk : 200);
        for (size_t k = 0; k < size; k++)
            junk[k] = (uint8_t)world_random(w, 256);
        if (size > 13 && i % 3 == 0) { /* well-formed DTLS headers with anything inside */
            junk[0] = (uint8_t)(20 + world_random(w, 5));
            kg_put_u16(junk + 1, 0xfefd);
            kg_put_u16(junk + 11, (uint16_t)(size - 13));
            if (junk[0] == 21)
                kg_put_u16(junk + 3, 0);
        }
        world_inject(w, WORLD_RELAY, &good, junk, size);
        world_inject(w, WORLD_TERMINAL, &relay, junk, size);
    }
    assert_int_equal(relay_of(w)->closed + terminal_of(w)->closed, 0);
    uint64_t before = kg_transport_get_stats(relay_of(w)->transport).dropped_garbage;
    junk[0] = 0x80; /* would be RTP, but for its size */
    world_inject(w, WORLD_RELAY, &good, junk, KG_TRANSPORT_MAX_BYTES + 1);
    assert_int_equal(kg_transport_get_stats(relay_of(w)->transport).dropped_garbage, before + 1);
    exchange(w, 7, 10);
    world_destroy(w);
}

static void goodbye_reaches_the_other_end(void **state)
{
    (void)state;
    for (int first = 0; first < WORLD_ENDS; first++) {
        struct world *w = world_create(NULL);
        assert_true(world_connect(w, SECOND));
        kg_transport_close(w->end[first].transport, w->now_us);
        kg_transport_close(w->end[first].transport, w->now_us); /* harmless twice */
        world_run(w, 100 * MS);
        assert_int_equal(w->end[first].reason, KG_TRANSPORT_LOCAL_CLOSED);
        assert_int_equal(w->end[first].closed, 1);
        assert_int_equal(w->end[!first].reason, KG_TRANSPORT_PEER_CLOSED);
        assert_int_equal(kg_transport_next_us(w->end[first].transport), INT64_MAX);
        world_destroy(w);
    }
}

static void a_handshake_has_ten_seconds(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    w->dtls_blocked = true;
    world_run(w, 9900 * MS);
    assert_int_equal(terminal_of(w)->closed + relay_of(w)->closed, 0);
    world_run(w, 200 * MS);
    assert_int_equal(terminal_of(w)->reason, KG_TRANSPORT_HANDSHAKE_TIMEOUT);
    assert_int_equal(relay_of(w)->reason, KG_TRANSPORT_HANDSHAKE_TIMEOUT);
    world_destroy(w);
}

static void sending_refuses_reuse_and_tight_buffers(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    assert_false(world_send_rtp(w, WORLD_TERMINAL, 1, 1)); /* before keys */
    assert_true(world_connect(w, SECOND));
    assert_true(world_send_rtp(w, WORLD_TERMINAL, 1, 1));
    assert_false(world_send_rtp(w, WORLD_TERMINAL, 1, 1));
    uint8_t packet[40] = {0x80, 96, 0, 9};
    struct kg_transport *t = terminal_of(w)->transport;
    assert_false(kg_transport_send_rtp(t, packet, 30, 45, w->now_us));
    assert_false(kg_transport_send_rtcp(t, packet, 30, 49, w->now_us));
    assert_int_equal(kg_transport_get_stats(t).refused_send, 3);
    assert_int_equal(kg_transport_protect_rtp(t, packet, 20, 40), 36);
    world_destroy(w);
}

static void bad_parameters_are_refused(void **state)
{
    (void)state;
    struct world *w = world_create(NULL);
    static const struct kg_transport_ops no_ops;
    struct kg_transport_params p = {.role = KG_TRANSPORT_RELAY,
                                    .local_ufrag = "abcd",
                                    .local_password = "0123456789012345678901",
                                    .remote_ufrag = "efgh",
                                    .remote_password = "0123456789012345678901",
                                    .identity = w->identity[0],
                                    .ops = &no_ops};
    assert_null(kg_transport_create(&p, 0));
    struct kg_transport_ops ops = {.send =
                                       (void (*)(void *, const struct kg_path *, const void *, size_t))abort,
                                   .on_rtp = (void (*)(void *, uint8_t *, size_t, int64_t, int64_t))abort,
                                   .on_rtcp = (void (*)(void *, uint8_t *, size_t, int64_t, int64_t))abort,
                                   .on_event = (void (*)(void *, const struct kg_transport_event *))abort};
    p.ops = &ops;
    struct kg_transport *t = kg_transport_create(&p, 0);
    assert_non_null(t);
    kg_transport_destroy(t);
    p.remote_ufrag = "abc"; /* RFC 8839: four at least */
    assert_null(kg_transport_create(&p, 0));
    p.remote_ufrag = "ab:d";
    assert_null(kg_transport_create(&p, 0));
    p.remote_ufrag = NULL;
    assert_null(kg_transport_create(&p, 0));
    p.remote_ufrag = "efgh";
    p.local_password = "short";
    assert_null(kg_transport_create(&p, 0));
    p.local_password = p.remote_password;
    p.role = KG_TRANSPORT_TERMINAL; /* without need_tunnel */
    assert_null(kg_transport_create(&p, 0));
    kg_transport_destroy(NULL);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_in_three_round_trips_with_gcm),
        cmocka_unit_test(relay_prefers_gcm_whatever_the_offered_order),
        cmocka_unit_test(falls_back_to_sha1_80),
        cmocka_unit_test(without_a_common_profile_both_close),
        cmocka_unit_test(connects_over_a_bad_line),
        cmocka_unit_test(a_stranger_certificate_is_refused),
        cmocka_unit_test(a_wrong_password_reaches_nothing),
        cmocka_unit_test(replayed_and_forged_packets_are_dropped),
        cmocka_unit_test(silence_ends_consent_at_both_ends),
        cmocka_unit_test(a_quiet_but_living_line_stays_open),
        cmocka_unit_test(blocked_udp_falls_back_to_the_tunnel_within_a_second),
        cmocka_unit_test(udp_never_sends_none),
        cmocka_unit_test(udp_that_answers_late_is_taken_up),
        cmocka_unit_test(the_call_moves_to_the_tunnel_and_back),
        cmocka_unit_test(the_path_may_change_in_mid_handshake),
        cmocka_unit_test(a_cut_tunnel_is_asked_for_again),
        cmocka_unit_test(a_rebound_nat_is_followed_only_after_a_check),
        cmocka_unit_test(nothing_but_stun_from_an_unchecked_path),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(goodbye_reaches_the_other_end),
        cmocka_unit_test(a_handshake_has_ten_seconds),
        cmocka_unit_test(sending_refuses_reuse_and_tight_buffers),
        cmocka_unit_test(bad_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
