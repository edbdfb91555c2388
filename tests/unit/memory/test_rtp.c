/* RTP's queues and caches when memory is short: they say so, keep what they have, and leak nothing. */
#include "unit/cmocka_all.h"

#include "base/bytes.h"
#include "fakes/failing_alloc.h"
#include "rtp/audio_jitter.h"
#include "rtp/pacer.h"
#include "rtp/packet.h"
#include "rtp/rtp.h"
#include "rtp/sent_cache.h"
#include "rtp/vp8_assembler.h"
#include "rtp/vp8_packetiser.h"

enum { PACKETS = 3 };

static bool packet_pool(void)
{
    struct kg_packet_pool *pool = kg_packet_pool_create(PACKETS);
    bool done = pool != NULL;
    struct kg_packet *packets[PACKETS] = {0};
    for (int i = 0; pool && i < PACKETS; i++) {
        packets[i] = kg_packet_pool_get(pool);
        done = done && packets[i];
    }
    for (int i = 0; i < PACKETS; i++)
        kg_packet_unref(packets[i]);
    kg_packet_pool_destroy(pool);
    return done;
}

static bool sent_cache(void)
{
    struct kg_sent_cache *cache = kg_sent_cache_create();
    struct kg_packet *packet = cache ? kg_packet_create() : NULL;
    if (packet) {
        packet->size = 100;
        kg_sent_cache_put(cache, 7, packet, 0);
        assert_ptr_equal(kg_sent_cache_find(cache, 7, 1000), packet);
    }
    kg_packet_unref(packet);
    kg_sent_cache_destroy(cache);
    return packet != NULL;
}

static bool pacer(void)
{
    struct kg_pacer_params params = kg_pacer_params_default();
    struct kg_pacer *pacer = kg_pacer_create(&params);
    struct kg_packet *packet = pacer ? kg_packet_create() : NULL;
    bool done = packet && kg_pacer_push(pacer, KG_PACER_VIDEO, packet, 0);
    if (packet && !done)
        kg_packet_unref(packet);
    kg_pacer_destroy(pacer);
    return done;
}

static bool audio_jitter(void)
{
    struct kg_audio_jitter_params params = kg_audio_jitter_params_default();
    struct kg_audio_jitter *jitter = kg_audio_jitter_create(&params);
    struct kg_packet *packet = jitter ? kg_packet_create() : NULL;
    bool done = packet != NULL;
    if (packet) {
        struct kg_rtp_header header = {.payload_type = 111, .sequence = 1, .ssrc = 5};
        struct kg_rtp_packet rtp;
        packet->size = (uint32_t)kg_rtp_write_header(&header, packet->data, sizeof packet->data);
        packet->data[packet->size++] = 0x78; /* RFC 6716 §3.1: CELT, 20 ms, one frame */
        packet->data[packet->size++] = 0;
        assert_true(kg_rtp_parse(packet->data, packet->size, &rtp));
        done = kg_audio_jitter_push(jitter, packet, &rtp);
    }
    kg_packet_unref(packet);
    kg_audio_jitter_destroy(jitter);
    return done;
}

/* A keyframe of three packets, made and put together again. */
static bool vp8(void)
{
    static uint8_t data[3000] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00}; /* RFC 6386 §9.1 */
    struct kg_vp8_packetiser packetiser;
    struct kg_packet *packets[8] = {0};
    struct kg_vp8_input input = {.data = data, .size = sizeof data, .timestamp = 3000, .keyframe = true};
    kg_vp8_packetiser_init(&packetiser, 5, 96, 1, 1, 1);
    size_t count = kg_vp8_packetiser_frame(&packetiser, &input, NULL, 0, packets, 8);
    struct kg_vp8_assembler *assembler = kg_vp8_assembler_create(200000);
    bool done = count > 0 && assembler;
    for (size_t i = 0; i < count; i++) {
        struct kg_rtp_packet rtp;
        assert_true(kg_rtp_parse(packets[i]->data, packets[i]->size, &rtp));
        done = assembler && kg_vp8_assembler_push(assembler, packets[i], &rtp) && done;
        kg_packet_unref(packets[i]);
    }
    struct kg_vp8_frame *frame = assembler ? kg_vp8_assembler_take(assembler, 1000) : NULL;
    if (done && !frame) /* the frame that found no memory is lost: the next must be a keyframe */
        assert_true(kg_vp8_assembler_needs_keyframe(assembler));
    done = done && frame && frame->size == sizeof data;
    kg_vp8_frame_destroy(frame);
    kg_vp8_assembler_destroy(assembler);
    return done;
}

static void memory_is_short(void **state)
{
    (void)state;
    assert_true(kg_failing_alloc_each("packet pool", packet_pool) >= PACKETS);
    assert_true(kg_failing_alloc_each("sent cache", sent_cache) >= 2);
    assert_true(kg_failing_alloc_each("pacer", pacer) >= 2);
    assert_true(kg_failing_alloc_each("audio jitter", audio_jitter) >= 2);
    assert_true(kg_failing_alloc_each("vp8", vp8) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
