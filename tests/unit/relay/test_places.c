/* No address has more connections than it may; those given back can be taken again. */
#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "relay/places.h"

static struct kg_place *four(struct kg_places *places, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return kg_places_take(places, (const struct sockaddr *)&in);
}

static struct kg_place *six(struct kg_places *places, const char *text)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &in.sin6_addr), 1);
    return kg_places_take(places, (const struct sockaddr *)&in);
}

static void test_each_address_has_its_number(void **state)
{
    (void)state;
    struct kg_places *places = kg_places_create(2);
    struct kg_place *a = four(places, "192.0.2.1"), *b = four(places, "192.0.2.1");
    assert_true(a && b);
    assert_null(four(places, "192.0.2.1"));
    assert_null(six(places, "::ffff:192.0.2.1")); /* the same, over a dual-stack socket */
    struct kg_place *c = four(places, "192.0.2.2");
    assert_non_null(c);
    kg_places_leave(a);
    a = six(places, "::ffff:192.0.2.1");
    assert_non_null(a);
    assert_null(four(places, "192.0.2.1"));
    kg_places_leave(a);
    kg_places_leave(b);
    kg_places_leave(c);
    kg_places_leave(NULL);
    kg_places_destroy(places);
}

static void test_a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    struct kg_places *places = kg_places_create(2);
    struct kg_place *held[] = {six(places, "2001:db8::1"), six(places, "2001:db8::2"),
                               six(places, "2001:db8:0:1::1")};
    assert_true(held[0] && held[1] && held[2]);
    assert_null(six(places, "2001:db8::3"));
    for (int i = 0; i < 3; i++)
        kg_places_leave(held[i]);
    kg_places_destroy(places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_address_has_its_number),
        cmocka_unit_test(test_a_network_of_ipv6_is_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
