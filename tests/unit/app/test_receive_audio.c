/* Sound of a call that is over, while no loudspeaker takes any. */
#include "app/receive_audio.h"

#include "rtp/rtp.h"
#include "unit/cmocka_all.h"

enum { BLOCK = 480, MORE_THAN_WAIT = 300 };

static struct kg_packet *packet_of(uint16_t sequence)
{
    struct kg_packet *packet = kg_packet_create();
    assert_non_null(packet);
    const struct kg_rtp_header header = {
        .payload_type = 111, .sequence = sequence, .timestamp = 960u * sequence, .ssrc = 5};
    size_t size = kg_rtp_write_header(&header, packet->data, sizeof packet->data);
    packet->data[size] = 0xf8; /* Opus: one frame of 20 ms, silent */
    packet->data[size + 1] = 0xff;
    packet->data[size + 2] = 0xfe;
    packet->size = (uint32_t)size + 3;
    return packet;
}

static void a_full_queue_does_not_lose_a_reset(void **state)
{
    (void)state;
    int16_t block[BLOCK];
    struct kg_queue *heard = kg_queue_create(4, sizeof(struct kg_heard));
    struct kg_receive_audio *audio = kg_receive_audio_create(heard);
    assert_true(heard && audio);
    for (unsigned i = 0; i < MORE_THAN_WAIT; i++)
        kg_receive_audio_packet(audio, 0, packet_of((uint16_t)i));
    kg_receive_audio_reset(audio);
    kg_receive_audio_play(audio, block, 20000, 10000);
    assert_int_equal(kg_receive_audio_get_stats(audio).packets, 0);
    assert_int_equal(kg_receive_audio_get_stats(audio).late, 0);
    kg_receive_audio_packet(audio, 0, packet_of(9000));
    kg_receive_audio_play(audio, block, 30000, 20000);
    assert_int_equal(kg_receive_audio_get_stats(audio).packets, 1);
    kg_receive_audio_destroy(audio);
    kg_queue_destroy(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_queue_does_not_lose_a_reset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
