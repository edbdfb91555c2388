#include "unit/cmocka_all.h"

#include <arpa/inet.h>

#include "rtp/stun.h"

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";

/* RFC 5769 §2.1 (request), §2.2 (IPv4 response), §2.3 (IPv6 response). */
static const uint8_t request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};
static const uint8_t response_v4[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96};
static const uint8_t response_v6[] = {
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
    0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14,
    0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
    0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c};

static void rfc_5769_request(void **state)
{
    (void)state;
    struct kg_stun m;
    assert_true(kg_stun_is(request, sizeof request));
    assert_true(kg_stun_parse(request, sizeof request, &m));
    assert_int_equal(m.class_, KG_STUN_REQUEST);
    assert_int_equal(m.method, KG_STUN_BINDING);
    assert_string_equal(m.username, "evtj:h6vY");
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_true(m.has_controlled && !m.has_controlling && m.tie_breaker == UINT64_C(0x932ff9b151263b36));
    assert_true(m.has_fingerprint);
    assert_true(kg_stun_check(request, sizeof request, &m, password));
    assert_false(kg_stun_check(request, sizeof request, &m, "VOkJxbRl1RmTxUk/WvJxBu"));
}

static void rfc_5769_responses(void **state)
{
    (void)state;
    struct kg_stun m;
    char text[INET6_ADDRSTRLEN];
    assert_true(kg_stun_parse(response_v4, sizeof response_v4, &m));
    assert_true(kg_stun_check(response_v4, sizeof response_v4, &m, password));
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&m.mapped;
    assert_int_equal(ntohs(v4->sin_port), 32853);
    assert_string_equal(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text), "192.0.2.1");
    assert_true(kg_stun_parse(response_v6, sizeof response_v6, &m));
    assert_true(kg_stun_check(response_v6, sizeof response_v6, &m, password));
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&m.mapped;
    assert_int_equal(ntohs(v6->sin6_port), 32853);
    assert_string_equal(inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text),
                        "2001:db8:1234:5678:11:2233:4455:6677");
}

/* No byte may change unnoticed: the fingerprint or the integrity catches it. */
static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t copy[sizeof request];
    for (size_t bit = 0; bit < sizeof request * 8; bit++) {
        memcpy(copy, request, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct kg_stun m;
        if (kg_stun_parse(copy, sizeof copy, &m) && kg_stun_check(copy, sizeof copy, &m, password) &&
            m.has_fingerprint)
            fail_msg("bit %zu changed unnoticed", bit);
    }
}

static void messages_round_trip(void **state)
{
    (void)state;
    uint8_t data[KG_STUN_MAX_BYTES];
    struct kg_stun in = {.class_ = KG_STUN_REQUEST,
                         .method = KG_STUN_BINDING,
                         .id = "abcdefghijkl",
                         .username = "relay:terminal1",
                         .has_priority = true,
                         .priority = 12345,
                         .use_candidate = true,
                         .has_controlling = true,
                         .tie_breaker = 42};
    struct kg_stun out;
    size_t n = kg_stun_write(&in, "password-of-22-letters", data, sizeof data);
    assert_true(kg_stun_parse(data, n, &out));
    assert_true(kg_stun_check(data, n, &out, "password-of-22-letters"));
    assert_string_equal(out.username, in.username);
    assert_true(out.use_candidate && out.has_controlling && out.tie_breaker == 42 && out.priority == 12345);
    assert_int_equal(kg_stun_write(&in, "p", data, n - 1), 0);

    struct kg_stun answer = {
        .class_ = KG_STUN_SUCCESS, .method = KG_STUN_BINDING, .id = "abcdefghijkl", .has_mapped = true};
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)&answer.mapped;
    *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(443)};
    assert_int_equal(inet_pton(AF_INET6, "fd00::1", &a->sin6_addr), 1);
    n = kg_stun_write(&answer, "pw", data, sizeof data);
    assert_true(kg_stun_parse(data, n, &out));
    assert_memory_equal(&out.mapped, &answer.mapped, sizeof(struct sockaddr_in6));
    assert_int_equal(out.class_, KG_STUN_SUCCESS);

    struct kg_stun refusal = {.class_ = KG_STUN_ERROR, .method = KG_STUN_BINDING, .error_code = 487};
    n = kg_stun_write(&refusal, NULL, data, sizeof data);
    assert_true(kg_stun_parse(data, n, &out));
    assert_int_equal(out.error_code, 487);
    assert_false(out.has_integrity);
    assert_false(kg_stun_check(data, n, &out, "pw"));
}

static void malformed_is_refused(void **state)
{
    (void)state;
    struct kg_stun m;
    assert_false(kg_stun_parse(request, sizeof request - 4, &m));
    assert_false(kg_stun_parse(request, 19, &m));
    uint8_t copy[sizeof request];
    memcpy(copy, request, sizeof copy);
    copy[23] = 0xff; /* SOFTWARE past the end */
    assert_false(kg_stun_parse(copy, sizeof copy, &m));
    static const uint8_t unknown[] = {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 1,    2,    3, 4,
                                      5, 6, 7, 8, 9,    10,   11,   12,   0x7f, 0xff, 0, 0};
    assert_true(kg_stun_parse(unknown, sizeof unknown, &m));
    assert_int_equal(m.unknown, 0x7fff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_5769_request),
        cmocka_unit_test(rfc_5769_responses),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(messages_round_trip),
        cmocka_unit_test(malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
