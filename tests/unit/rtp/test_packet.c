/* Packets and their pool: bounded, used again, and given back from any thread. */
#include "unit/cmocka_all.h"

#include "base/thread.h"
#include "rtp/packet.h"

static void pool_is_bounded_and_used_again(void **state)
{
    (void)state;
    struct kg_packet_pool *pool = kg_packet_pool_create(2);
    struct kg_packet *a = kg_packet_pool_get(pool);
    struct kg_packet *b = kg_packet_pool_get(pool);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(kg_packet_pool_get(pool));
    a->size = 9;
    a->arrival_us = 9;
    kg_packet_ref(a);
    kg_packet_unref(a);
    assert_null(kg_packet_pool_get(pool)); /* still held once */
    kg_packet_unref(a);
    struct kg_packet *again = kg_packet_pool_get(pool);
    assert_ptr_equal(again, a);
    assert_int_equal(again->size, 0);
    assert_int_equal(again->arrival_us, 0);
    kg_packet_unref(again);
    kg_packet_pool_destroy(pool); /* b outlives the owner's hold */
    b->data[KG_PACKET_CAPACITY - 1] = 1;
    kg_packet_unref(b);
    kg_packet_unref(NULL);
    kg_packet_pool_destroy(NULL);
}

struct hand_over {
    struct kg_packet *packets[64];
};

static void unref_all(void *arg)
{
    struct hand_over *h = arg;
    for (int i = 0; i < 64; i++) {
        kg_packet_unref(h->packets[i]);
    }
}

static void packets_come_back_from_other_threads(void **state)
{
    (void)state;
    struct kg_packet_pool *pool = kg_packet_pool_create(128);
    for (int round = 0; round < 20; round++) {
        struct hand_over h[2];
        struct kg_thread threads[2];
        for (int t = 0; t < 2; t++) {
            for (int i = 0; i < 64; i++) {
                h[t].packets[i] = kg_packet_pool_get(pool);
                assert_non_null(h[t].packets[i]);
            }
        }
        assert_null(kg_packet_pool_get(pool));
        for (int t = 0; t < 2; t++) {
            assert_true(kg_thread_start(&threads[t], "unref", unref_all, &h[t]));
        }
        for (int t = 0; t < 2; t++) {
            kg_thread_join(&threads[t]);
        }
    }
    kg_packet_pool_destroy(pool);
}

static void heap_packets_need_no_pool(void **state)
{
    (void)state;
    struct kg_packet *p = kg_packet_create();
    assert_non_null(p);
    assert_int_equal(p->size, 0);
    assert_ptr_equal(kg_packet_ref(p), p);
    kg_packet_unref(p);
    kg_packet_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_is_bounded_and_used_again),
        cmocka_unit_test(packets_come_back_from_other_threads),
        cmocka_unit_test(heap_packets_need_no_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
