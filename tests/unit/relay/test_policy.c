#include "unit/cmocka_all.h"

#include "relay/policy.h"

static struct kg_policy_layer with(enum kg_policy_key key, int32_t value)
{
    struct kg_policy_layer layer = {0};
    layer.set[key] = true;
    layer.value[key] = value;
    return layer;
}

/* Every combination of layers that say something: the strongest decides. */
static void test_the_strongest_layer_decides(void **state)
{
    (void)state;
    for (unsigned present = 0; present < 1u << KG_POLICY_SCOPES; present++) {
        struct kg_policy_layer layer[KG_POLICY_SCOPES];
        const struct kg_policy_layer *layers[KG_POLICY_SCOPES];
        int strongest = -1;
        for (int scope = 0; scope < KG_POLICY_SCOPES; scope++) {
            bool says = present >> scope & 1;
            layer[scope] = with(says ? KG_POLICY_VIDEO_KBPS : KG_POLICY_UDP, 1000 + scope);
            layers[scope] = &layer[scope];
            strongest = says ? scope : strongest;
        }
        int32_t value = 7;
        assert_int_equal(kg_policy_resolve(layers, KG_POLICY_VIDEO_KBPS, &value), strongest);
        assert_int_equal(value, strongest < 0 ? 7 : 1000 + strongest);
    }
    const struct kg_policy_layer *none[KG_POLICY_SCOPES] = {0};
    int32_t value = 7;
    assert_int_equal(kg_policy_resolve(none, KG_POLICY_UDP, &value), -1);
    assert_int_equal(value, 7);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        enum kg_policy_key key;
        const char *text;
        int32_t value; /* -1: refused */
    } rows[] = {
        {KG_POLICY_OPEN_BEFORE_MINUTES, "0", 0},
        {KG_POLICY_OPEN_BEFORE_MINUTES, "1440", 1440},
        {KG_POLICY_OPEN_BEFORE_MINUTES, "1441", -1},
        {KG_POLICY_SEAT_SECONDS, "0", -1},
        {KG_POLICY_SEAT_SECONDS, "3600", 3600},
        {KG_POLICY_VIDEO_KBPS, "99", -1},
        {KG_POLICY_VIDEO_KBPS, "100", 100},
        {KG_POLICY_VIDEO_KBPS, "8001", -1},
        {KG_POLICY_VIDEO_KBPS, "99999999999999999999", -1},
        {KG_POLICY_VIDEO_KBPS, "4294967396", -1},
        {KG_POLICY_VIDEO_KBPS, "", -1},
        {KG_POLICY_VIDEO_KBPS, " 500", -1},
        {KG_POLICY_VIDEO_KBPS, "+500", -1},
        {KG_POLICY_VIDEO_KBPS, "500kbps", -1},
        {KG_POLICY_VIDEO_KBPS, "0x200", -1},
        {KG_POLICY_UDP, "auto", KG_POLICY_UDP_AUTO},
        {KG_POLICY_UDP, "never", KG_POLICY_UDP_NEVER},
        {KG_POLICY_UDP, "NEVER", -1},
        {KG_POLICY_MICROPHONE_MUTED, "true", 1},
        {KG_POLICY_CAMERA_MUTED, "false", 0},
        {KG_POLICY_CAMERA_MUTED, "1", -1},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        struct kg_problem problem = {""};
        int32_t value = -1;
        bool ok = kg_policy_parse(rows[i].key, rows[i].text, &value, &problem);
        assert_int_equal(ok, rows[i].value >= 0);
        assert_int_equal(value, rows[i].value);
        if (!ok) {
            assert_non_null(strstr(problem.text, kg_policy_key_name(rows[i].key)));
            continue;
        }
        char text[KG_POLICY_TEXT_BYTES];
        kg_policy_format(rows[i].key, value, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_keys_and_scopes(void **state)
{
    (void)state;
    enum kg_policy_key key;
    enum kg_policy_scope scope;
    for (unsigned i = 0; i < KG_POLICY_KEYS; i++) {
        const char *name = kg_policy_key_name((enum kg_policy_key)i);
        assert_true(kg_policy_key_find(name, &key) && key == i);
        assert_non_null(strstr(kg_policy_key_names(), name));
        assert_true(kg_policy_key_fits(key, KG_POLICY_RELAY) &&
                    kg_policy_key_fits(key, KG_POLICY_ORGANIZATION));
        assert_int_equal(kg_policy_key_fits(key, KG_POLICY_ROOM), strncmp(name, "meeting.", 8) != 0);
        assert_false(kg_policy_key_fits(key, KG_POLICY_FILE));
    }
    assert_false(kg_policy_key_find("media", &key) || kg_policy_key_find("", &key));
    for (unsigned i = KG_POLICY_RELAY; i < KG_POLICY_SCOPES; i++)
        assert_true(kg_policy_scope_find(kg_policy_scope_name((enum kg_policy_scope)i), &scope) &&
                    scope == i);
    assert_false(kg_policy_scope_find("relay.conf", &scope) || kg_policy_scope_find("", &scope));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_strongest_layer_decides),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_keys_and_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
