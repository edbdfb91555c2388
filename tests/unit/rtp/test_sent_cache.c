/* The retransmission cache: bounded in time and memory, throttled. */
#include "unit/cmocka_all.h"

#include "rtp/sent_cache.h"

static struct kg_packet *put_new(struct kg_sent_cache *cache, uint16_t sequence, int64_t now_us)
{
    struct kg_packet *p = kg_packet_create();
    assert_non_null(p);
    kg_sent_cache_put(cache, sequence, p, now_us);
    kg_packet_unref(p); /* the cache holds it */
    return p;
}

static void finds_until_too_old(void **state)
{
    (void)state;
    struct kg_sent_cache *cache = kg_sent_cache_create();
    struct kg_packet *p = put_new(cache, 65535, 0);
    struct kg_packet *q = put_new(cache, 0, 500000);
    assert_ptr_equal(kg_sent_cache_find(cache, 65535, 1000000), p);
    assert_null(kg_sent_cache_find(cache, 65535, 1000001));
    assert_ptr_equal(kg_sent_cache_find(cache, 0, 1000001), q);
    assert_null(kg_sent_cache_find(cache, 1024, 600000)); /* same cell, another number */
    assert_null(kg_sent_cache_find(cache, 1, 600000));
    kg_sent_cache_trim(cache, 1000001);
    size_t bytes;
    assert_int_equal(kg_sent_cache_count(cache, &bytes), 1);
    kg_sent_cache_destroy(cache);
    kg_sent_cache_destroy(NULL);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct kg_sent_cache *cache = kg_sent_cache_create();
    size_t bytes;
    for (uint32_t i = 0; i < 70000; i++) {
        put_new(cache, (uint16_t)i, i);
        kg_sent_cache_count(cache, &bytes);
        assert_true(bytes <= KG_SENT_CACHE_MAX_BYTES);
    }
    uint32_t count = kg_sent_cache_count(cache, &bytes);
    assert_true(count > 300);
    for (uint32_t i = 0; i < count; i++) { /* the newest are there, and nothing else */
        assert_non_null(kg_sent_cache_find(cache, (uint16_t)(69999 - i), 70000));
    }
    assert_null(kg_sent_cache_find(cache, (uint16_t)(69999 - count), 70000));
    kg_sent_cache_destroy(cache);
}

static void replaced_packet_starts_anew(void **state)
{
    (void)state;
    struct kg_sent_cache *cache = kg_sent_cache_create();
    size_t bytes;
    put_new(cache, 4, 0);
    put_new(cache, 5, 0);
    put_new(cache, 6, 100000);
    struct kg_packet *again = put_new(cache, 5, 900000);
    assert_int_equal(kg_sent_cache_count(cache, &bytes), 3);
    kg_sent_cache_trim(cache, 1500000);
    assert_int_equal(kg_sent_cache_count(cache, &bytes), 1);
    assert_ptr_equal(kg_sent_cache_find(cache, 5, 1500000), again);
    kg_sent_cache_destroy(cache);
}

static void resends_at_most_once_a_round_trip(void **state)
{
    (void)state;
    struct kg_sent_cache *cache = kg_sent_cache_create();
    put_new(cache, 5, 0);
    assert_non_null(kg_sent_cache_resend(cache, 5, 1000, 50000));
    assert_null(kg_sent_cache_resend(cache, 5, 50999, 50000));
    assert_non_null(kg_sent_cache_find(cache, 5, 50999));
    assert_non_null(kg_sent_cache_resend(cache, 5, 51000, 50000));
    assert_null(kg_sent_cache_resend(cache, 5, 60999, 0)); /* at least 10 ms */
    assert_non_null(kg_sent_cache_resend(cache, 5, 61000, 0));
    assert_null(kg_sent_cache_resend(cache, 6, 1000, 50000));
    kg_sent_cache_destroy(cache);
}

static void limit_is_each_receivers_own(void **state)
{
    (void)state;
    struct kg_resend_limit a, b;
    kg_resend_limit_init(&a);
    kg_resend_limit_init(&b);
    assert_true(kg_resend_limit_allow(&a, 0, 0, 30000));
    assert_true(kg_resend_limit_allow(&b, 0, 0, 30000));
    assert_false(kg_resend_limit_allow(&a, 0, 29999, 30000));
    assert_true(kg_resend_limit_allow(&a, 1, 29999, 30000));
    assert_true(kg_resend_limit_allow(&a, 0, 30000, 30000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_until_too_old),         cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(replaced_packet_starts_anew), cmocka_unit_test(resends_at_most_once_a_round_trip),
        cmocka_unit_test(limit_is_each_receivers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
