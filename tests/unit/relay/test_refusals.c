/* Who is turned away is written down, but no more than so often. */
#include "unit/cmocka_all.h"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>

#include "relay/refusals.h"

#define SECOND INT64_C(1000000)

static struct kg_enrolment_source four(uint32_t address)
{
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    struct kg_enrolment_source source;
    kg_enrolment_source_of((const struct sockaddr *)&in, &source);
    return source;
}

static unsigned knock(struct kg_refusals *r, const struct kg_enrolment_source *source, bool known,
                      unsigned times, int64_t now_us)
{
    unsigned rows = 0;
    while (times-- > 0)
        rows += kg_refusals_allow(r, source, known, now_us);
    return rows;
}

static void test_one_address_has_its_number_and_others_theirs(void **state)
{
    (void)state;
    struct kg_refusals *r = kg_refusals_create();
    const struct kg_enrolment_source loud = four(0xc0000201), quiet = four(0xc0000202);
    char source[46];
    uint64_t count;
    int64_t t = 5 * SECOND;
    assert_int_equal(knock(r, &loud, false, 1000, t), KG_REFUSALS_PER_SOURCE);
    assert_int_equal(knock(r, &quiet, false, 1, t), 1);
    assert_false(kg_refusals_left_out(r, t + 59 * SECOND, source, &count));
    t += 60 * SECOND;
    assert_true(kg_refusals_left_out(r, t, source, &count));
    assert_string_equal(source, "192.0.2.1");
    assert_int_equal(count, 1000 - KG_REFUSALS_PER_SOURCE);
    assert_false(kg_refusals_left_out(r, t, source, &count));
    assert_int_equal(knock(r, &loud, false, 1000, t), KG_REFUSALS_PER_SOURCE);
    kg_refusals_destroy(r);
}

static void test_an_address_of_ipv6_is_a_network(void **state)
{
    (void)state;
    struct kg_refusals *r = kg_refusals_create();
    unsigned rows = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6};
        struct kg_enrolment_source source;
        char text[46];
        snprintf(text, sizeof text, "2001:db8::%x", i + 1);
        assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
        kg_enrolment_source_of((const struct sockaddr *)&in, &source);
        rows += knock(r, &source, false, 1, SECOND);
    }
    assert_int_equal(rows, KG_REFUSALS_PER_SOURCE);
    kg_refusals_destroy(r);
}

/* An hour of ten thousand addresses, and a device that somebody should hear of. */
static void test_a_flood_from_everywhere(void **state)
{
    (void)state;
    struct kg_refusals *r = kg_refusals_create();
    const struct kg_enrolment_source revoked = four(0x0a000001);
    char source[46];
    uint64_t rows = 0, told = 0, count, asked = 0, summaries = 0;
    unsigned heard = 0;
    for (int64_t second = 0; second < 3600; second++) {
        for (uint32_t i = 0; i < 100; i++, asked++) {
            struct kg_enrolment_source stranger = four(0xc6330000 + (uint32_t)(asked % 10000));
            rows += knock(r, &stranger, false, 1, second * SECOND);
        }
        if (second % 600 == 30)
            heard += knock(r, &revoked, true, 1, second * SECOND);
        while (kg_refusals_left_out(r, second * SECOND, source, &count)) {
            told += count;
            summaries++;
        }
    }
    for (int64_t second = 3600; second < 3800; second++) {
        while (kg_refusals_left_out(r, second * SECOND, source, &count)) {
            told += count;
            summaries++;
        }
    }
    assert_int_equal(heard, 6);
    assert_in_range(rows, KG_REFUSALS_PER_MINUTE * 59, KG_REFUSALS_PER_MINUTE * 60 + KG_REFUSALS_BURST);
    assert_true(summaries <= (KG_REFUSALS_SUMMARIES + 1) * 64 + KG_REFUSALS_SUMMARIES);
    assert_int_equal(rows + told, asked); /* every one is written down or counted */
    kg_refusals_destroy(r);
}

static void test_one_stranger_does_not_use_up_what_all_have(void **state)
{
    (void)state;
    struct kg_refusals *r = kg_refusals_create();
    const struct kg_enrolment_source loud = four(0xc0000201), quiet = four(0xc0000202);
    for (int64_t second = 0; second < 600; second++) {
        (void)knock(r, &loud, false, 100, second * SECOND);
        if (second % 60 == 59)
            assert_int_equal(knock(r, &quiet, false, 3, second * SECOND), 3);
    }
    kg_refusals_destroy(r);
}

/* Steady knocking: what is left out is told every minute, not once the stranger tires of it. */
static void test_who_never_stops_is_told_of_every_minute(void **state)
{
    (void)state;
    struct kg_refusals *r = kg_refusals_create();
    const struct kg_enrolment_source loud = four(0xc0000201);
    char source[46];
    uint64_t count, told = 0, rows = 0;
    unsigned summaries = 0;
    for (int64_t second = 0; second <= 600; second++) {
        rows += knock(r, &loud, false, 100, second * SECOND);
        while (kg_refusals_left_out(r, second * SECOND, source, &count)) {
            assert_string_equal(source, "192.0.2.1");
            assert_int_equal(second % 60, 0);
            told += count;
            summaries++;
        }
    }
    assert_int_equal(summaries, 10);
    assert_int_equal(rows, 11 * KG_REFUSALS_PER_SOURCE);
    assert_int_equal(rows + told, 601 * 100);
    kg_refusals_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_has_its_number_and_others_theirs),
        cmocka_unit_test(test_an_address_of_ipv6_is_a_network),
        cmocka_unit_test(test_a_flood_from_everywhere),
        cmocka_unit_test(test_one_stranger_does_not_use_up_what_all_have),
        cmocka_unit_test(test_who_never_stops_is_told_of_every_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
