#include <arpa/inet.h>

#include "relay/worker_routes.h"
#include "unit/cmocka_all.h"

static struct kg_path path(unsigned i)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + i))};
    a.sin_addr.s_addr = htonl(0x0a000000u + i / 7);
    return kg_path_udp((const struct sockaddr *)&a);
}

static void what_is_put_is_found_until_removed(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct kg_routes *routes = kg_routes_create(COUNT);
    assert_non_null(routes);
    static bool there[COUNT];
    uint32_t dice = 7;
    for (int i = 0; i < 20000; i++) {
        dice = dice * 1664525u + 1013904223u;
        unsigned n = (dice >> 12) % COUNT;
        struct kg_route route = {.path = path(n), .worker = (uint8_t)n};
        if (dice >> 31)
            assert_true(kg_routes_put(routes, &route));
        else
            kg_routes_remove(routes, &route.path);
        there[n] = dice >> 31;
    }
    for (unsigned n = 0; n < COUNT; n++) {
        struct kg_path p = path(n);
        const struct kg_route *found = kg_routes_find(routes, &p);
        assert_int_equal(found != NULL, there[n]);
        if (found)
            assert_int_equal(found->worker, (uint8_t)n);
    }
    kg_routes_destroy(routes);
}

static void a_full_table_says_so(void **state)
{
    (void)state;
    struct kg_routes *routes = kg_routes_create(16);
    unsigned put = 0;
    for (; put < 100; put++) {
        struct kg_route route = {.path = path(put)};
        if (!kg_routes_put(routes, &route))
            break;
    }
    assert_in_range(put, 16, 64);
    struct kg_path missing = path(5000);
    assert_null(kg_routes_find(routes, &missing));
    kg_routes_destroy(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_put_is_found_until_removed),
                                       cmocka_unit_test(a_full_table_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
