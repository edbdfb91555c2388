#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "relay/enrolment.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)

static struct kg_enrolment_source source_of(const char *address)
{
    struct kg_enrolment_source source = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        kg_enrolment_source_of((struct sockaddr *)&v4, &source);
    else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
        kg_enrolment_source_of((struct sockaddr *)&v6, &source);
    else
        fail();
    return source;
}

/* Keys that differ in their last bytes alone have one code. */
static void hash_of(unsigned code, unsigned rest, uint8_t hash[KG_EST_HASH_BYTES])
{
    memset(hash, 0, KG_EST_HASH_BYTES);
    memcpy(hash, &code, sizeof code);
    memcpy(hash + 8, &rest, sizeof rest);
}

static enum kg_enrolment_result post(struct kg_enrolment *e, const uint8_t *hash, const char *address,
                                     int64_t now_us, const struct kg_enrolment_entry **entry)
{
    struct kg_enrolment_source source = source_of(address);
    struct kg_enrolment_request request = {.hash = hash,
                                           .serial = "KT-0001",
                                           .der = (const uint8_t *)"request",
                                           .der_size = 7,
                                           .source = &source};
    return kg_enrolment_post(e, &request, now_us, entry);
}

static void test_sources(void **state)
{
    (void)state;
    struct kg_enrolment_source a = source_of("192.0.2.1"), b = source_of("::ffff:192.0.2.1"),
                               c = source_of("192.0.2.2");
    assert_memory_equal(a.network, b.network, sizeof a.network);
    assert_string_equal(b.text, "192.0.2.1");
    assert_memory_not_equal(a.network, c.network, sizeof a.network);
    struct kg_enrolment_source d = source_of("2001:db8:0:1::1"), f = source_of("2001:db8:0:1:ffff::2"),
                               g = source_of("2001:db8:0:2::1");
    assert_memory_equal(d.network, f.network, sizeof d.network);
    assert_memory_not_equal(d.network, g.network, sizeof d.network);
    assert_string_equal(f.text, "2001:db8:0:1:ffff::2");
    struct sockaddr odd = {.sa_family = AF_UNIX};
    kg_enrolment_source_of(&odd, &a);
    assert_string_equal(a.text, "?");
}

static void test_a_device_is_approved_and_fetches_its_certificate(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    const struct kg_enrolment_entry *entry;
    uint8_t hash[KG_EST_HASH_BYTES];
    hash_of(1, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.1", 0, &entry), KG_ENROLMENT_ADDED);
    assert_int_equal(entry->state, KG_ENROLMENT_WAITING);
    assert_string_equal(entry->serial, "KT-0001");
    assert_memory_equal(entry->request, "request", 7);
    char code[KG_EST_CODE_SIZE];
    strcpy(code, entry->code);
    assert_int_equal(kg_enrolment_find(e, code, 1, &entry), 1);
    assert_int_equal(kg_enrolment_find(e, "ZZZZZZZZZ", 1, &entry), 0);
    assert_null(entry);

    assert_true(kg_enrolment_may_approve(e, hash, 5));
    assert_true(kg_enrolment_approve(e, hash, "certificate", 5));
    assert_false(kg_enrolment_may_approve(e, hash, 5));
    assert_false(kg_enrolment_approve(e, hash, "another", 5));
    assert_int_equal(kg_enrolment_find(e, code, 5, &entry), 0);
    assert_int_equal(kg_enrolment_reject(e, code, 5), 0);
    int64_t fetched_us = 29 * MINUTE_US + 5;
    assert_int_equal(post(e, hash, "198.51.100.7", fetched_us, &entry), KG_ENROLMENT_KNOWN);
    assert_int_equal(entry->state, KG_ENROLMENT_READY);
    assert_string_equal(entry->certificate, "certificate");
    assert_string_equal(entry->source.text, "192.0.2.1"); /* what was shown stays */
    /* The answer may be lost: it is there for a minute more, then retired. */
    assert_int_equal(post(e, hash, "192.0.2.1", fetched_us + 59 * SECOND_US, &entry), KG_ENROLMENT_KNOWN);
    assert_int_equal(post(e, hash, "192.0.2.1", fetched_us + 60 * SECOND_US, &entry), KG_ENROLMENT_ADDED);
    assert_int_equal(entry->state, KG_ENROLMENT_WAITING);
    kg_enrolment_destroy(e);
}

static void test_what_nobody_approves_or_fetches_expires(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    const struct kg_enrolment_entry *entry;
    uint8_t hash[KG_EST_HASH_BYTES];
    hash_of(1, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.1", 0, &entry), KG_ENROLMENT_ADDED);
    char code[KG_EST_CODE_SIZE];
    strcpy(code, entry->code);
    /* Asking again does not buy time. */
    assert_int_equal(post(e, hash, "192.0.2.1", 29 * MINUTE_US, &entry), KG_ENROLMENT_KNOWN);
    assert_int_equal(kg_enrolment_find(e, code, 30 * MINUTE_US - 1, &entry), 1);
    assert_int_equal(kg_enrolment_find(e, code, 30 * MINUTE_US, &entry), 0);
    assert_false(kg_enrolment_approve(e, hash, "certificate", 30 * MINUTE_US));
    assert_null(kg_enrolment_at(e, 0));

    assert_int_equal(post(e, hash, "192.0.2.1", 30 * MINUTE_US, &entry), KG_ENROLMENT_ADDED);
    assert_true(kg_enrolment_approve(e, hash, "certificate", 60 * MINUTE_US - 1));
    kg_enrolment_expire(e, 90 * MINUTE_US - 2);
    assert_non_null(kg_enrolment_at(e, 0));
    kg_enrolment_expire(e, 90 * MINUTE_US - 1);
    assert_null(kg_enrolment_at(e, 0));
    kg_enrolment_destroy(e);
}

static void test_two_with_one_code_are_not_approved(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    const struct kg_enrolment_entry *entry;
    uint8_t one[KG_EST_HASH_BYTES], two[KG_EST_HASH_BYTES];
    hash_of(1, 1, one);
    hash_of(1, 2, two);
    assert_int_equal(post(e, one, "192.0.2.1", 0, &entry), KG_ENROLMENT_ADDED);
    assert_int_equal(post(e, two, "192.0.2.2", 0, &entry), KG_ENROLMENT_ADDED);
    char code[KG_EST_CODE_SIZE];
    strcpy(code, entry->code);
    assert_int_equal(kg_enrolment_find(e, code, 1, &entry), 2);
    assert_string_equal(entry->source.text, "192.0.2.1");
    assert_false(kg_enrolment_may_approve(e, one, 1));
    assert_false(kg_enrolment_approve(e, two, "certificate", 1));
    assert_int_equal(kg_enrolment_reject(e, code, 1), 2);
    assert_int_equal(kg_enrolment_reject(e, code, 1), 0);
    /* A refusal is told for five minutes, then forgotten. */
    assert_int_equal(post(e, one, "192.0.2.1", 5 * MINUTE_US, &entry), KG_ENROLMENT_KNOWN);
    assert_int_equal(entry->state, KG_ENROLMENT_REJECTED);
    assert_int_equal(post(e, one, "192.0.2.1", 5 * MINUTE_US + 1, &entry), KG_ENROLMENT_ADDED);
    /* The other is gone with its refusal: this one stands alone. */
    assert_true(kg_enrolment_approve(e, one, "certificate", 5 * MINUTE_US + 2));
    kg_enrolment_destroy(e);
}

static void test_a_refused_one_gives_way(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    const struct kg_enrolment_entry *entry;
    uint8_t hash[KG_EST_HASH_BYTES];
    char code[KG_EST_CODE_SIZE];
    for (unsigned i = 1; i <= KG_ENROLMENT_PER_SOURCE; i++) {
        hash_of(i, 1, hash);
        assert_int_equal(post(e, hash, "192.0.2.1", 0, &entry), KG_ENROLMENT_ADDED);
        if (i == 3)
            strcpy(code, entry->code);
    }
    hash_of(50, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.9", 1, &entry), KG_ENROLMENT_ADDED);
    assert_int_equal(kg_enrolment_reject(e, entry->code, 1), 1);
    hash_of(100, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.1", 1, &entry), KG_ENROLMENT_SOURCE_FULL);
    assert_int_equal(kg_enrolment_reject(e, code, 2), 1);
    assert_int_equal(post(e, hash, "192.0.2.1", 3, &entry), KG_ENROLMENT_ADDED);
    assert_int_equal(entry->state, KG_ENROLMENT_WAITING);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(kg_enrolment_at(e, i)->state, KG_ENROLMENT_WAITING);
    assert_int_equal(kg_enrolment_at(e, 7)->state, KG_ENROLMENT_REJECTED);
    assert_ptr_equal(kg_enrolment_at(e, 8), entry);
    assert_null(kg_enrolment_at(e, 9));
    hash_of(101, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.1", 4, &entry), KG_ENROLMENT_SOURCE_FULL);
    kg_enrolment_destroy(e);
}

static void test_a_flood_fills_neither_the_table_nor_anothers_places(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    const struct kg_enrolment_entry *entry;
    uint8_t hash[KG_EST_HASH_BYTES];
    unsigned added = 0, number = 0;
    for (unsigned i = 0; i < 1000; i++) {
        hash_of(++number, 1, hash);
        enum kg_enrolment_result result = post(e, hash, "192.0.2.1", i, &entry);
        added += result == KG_ENROLMENT_ADDED;
        assert_true(result == (i < KG_ENROLMENT_PER_SOURCE ? KG_ENROLMENT_ADDED : KG_ENROLMENT_SOURCE_FULL));
        assert_true(!entry == (result != KG_ENROLMENT_ADDED));
    }
    assert_int_equal(added, KG_ENROLMENT_PER_SOURCE);
    for (unsigned i = 0; i < 1000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.0.%u.%u", i / 200, i % 200 + 1);
        hash_of(++number, 1, hash);
        added += post(e, hash, address, 2000, &entry) == KG_ENROLMENT_ADDED;
    }
    assert_int_equal(added, KG_ENROLMENT_MAX);
    hash_of(++number, 1, hash);
    assert_int_equal(post(e, hash, "198.51.100.1", 3000, &entry), KG_ENROLMENT_FULL);
    /* Those inside keep their places, and after half an hour there is room. */
    hash_of(1, 1, hash);
    assert_int_equal(post(e, hash, "192.0.2.1", 3000, &entry), KG_ENROLMENT_KNOWN);
    assert_ptr_equal(kg_enrolment_at(e, 0), entry);
    assert_null(kg_enrolment_at(e, KG_ENROLMENT_MAX));
    hash_of(++number, 1, hash);
    assert_int_equal(post(e, hash, "198.51.100.1", 31 * MINUTE_US, &entry), KG_ENROLMENT_ADDED);
    kg_enrolment_destroy(e);
}

static void test_pace_of_one_source(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    struct kg_enrolment_source flood = source_of("192.0.2.1"), other = source_of("192.0.2.2");
    unsigned retry_s, allowed = 0;
    int64_t now_us = 1000 * MINUTE_US;
    for (int i = 0; i < 10000; i++)
        allowed += kg_enrolment_allow(e, &flood, now_us + i, &retry_s);
    assert_int_equal(allowed, 10);
    assert_int_equal(retry_s, 1);
    /* What it was refused costs nobody else anything. */
    for (int i = 0; i < 10; i++)
        assert_true(kg_enrolment_allow(e, &other, now_us + 10000, &retry_s));
    assert_true(kg_enrolment_allow(e, &flood, now_us + SECOND_US, &retry_s));
    assert_false(kg_enrolment_allow(e, &flood, now_us + SECOND_US, &retry_s));
    /* However long it was quiet, no more than a burst is saved. */
    now_us += 60 * MINUTE_US;
    for (allowed = 0; kg_enrolment_allow(e, &flood, now_us, &retry_s); allowed++) {
    }
    assert_int_equal(allowed, 10);
    kg_enrolment_destroy(e);
}

static void test_pace_of_all(void **state)
{
    (void)state;
    struct kg_enrolment *e = kg_enrolment_create();
    unsigned retry_s, allowed = 0;
    for (unsigned i = 0; i < 5000; i++) {
        char address[40];
        snprintf(address, sizeof address, "2001:db8:%x:%x::1", i / 256, i % 256);
        struct kg_enrolment_source source = source_of(address);
        allowed += kg_enrolment_allow(e, &source, i, &retry_s);
    }
    assert_int_equal(allowed, 60);
    struct kg_enrolment_source late = source_of("192.0.2.9");
    assert_false(kg_enrolment_allow(e, &late, 5000, &retry_s));
    assert_int_equal(retry_s, 1);
    for (allowed = 0; allowed < 100; allowed++) {
        char address[40];
        snprintf(address, sizeof address, "10.9.0.%u", allowed + 1);
        struct kg_enrolment_source source = source_of(address);
        if (!kg_enrolment_allow(e, &source, 5000 + SECOND_US, &retry_s))
            break;
    }
    assert_int_equal(allowed, 30);
    kg_enrolment_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_a_device_is_approved_and_fetches_its_certificate),
        cmocka_unit_test(test_what_nobody_approves_or_fetches_expires),
        cmocka_unit_test(test_two_with_one_code_are_not_approved),
        cmocka_unit_test(test_a_refused_one_gives_way),
        cmocka_unit_test(test_a_flood_fills_neither_the_table_nor_anothers_places),
        cmocka_unit_test(test_pace_of_one_source),
        cmocka_unit_test(test_pace_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
