/* Requests that wait while whoever asked is revoked or replaced: nothing of them is done, and the trail says
 * so. */
#include "unit/cmocka_all.h"

#include <stdio.h>

#include "base/clock.h"
#include "relay/control_internal.h"
#include "unit/relay/verbs_world.h"

#define REVOKE "{\"command\":\"admin-revoke\",\"id\":\"a-shi-boss\"}"

static void expect(json_t *reply, bool ok)
{
    const char *error = json_string_value(json_object_get(reply, "error"));
    assert_int_equal(json_is_true(json_object_get(reply, "ok")), ok);
    if (!ok)
        assert_non_null(strstr(error, "no administrator's (any more)"));
    json_decref(reply);
}

static void post_rename(struct verbs_world *w, const struct kg_principal *by, const char *name)
{
    char text[200];
    snprintf(text, sizeof text, "{\"command\":\"room-set\",\"id\":\"a-shi-1\",\"name\":\"%s\"}", name);
    verbs_post(w, by, text);
}

static void expect_name(const struct verbs_world *w, const char *name)
{
    assert_string_equal(kg_directory_room(w->directory, "a-shi-1")->name, name);
}

static void test_a_change_that_waits_its_turn(void **state)
{
    (void)state;
    const struct kg_principal root = verbs_operator();
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct verbs_world w;
    char row[500];
    verbs_world_fill(&w);
    int64_t before = verbs_settle(&w);
    post_rename(&w, &root, "first");
    post_rename(&w, &boss, "second");
    verbs_post(&w, &root, REVOKE);
    expect(verbs_next_reply(&w), true);
    expect(verbs_next_reply(&w), false);
    expect(verbs_next_reply(&w), true);
    expect_name(&w, "first");
    verbs_row(&w, before + 2, row);
    assert_string_equal(row, "room.changed|a-shi-boss|administrator|a-shi|a-shi-1|refused");
    post_rename(&w, &boss, "third"); /* … and one that was on its way */
    expect(verbs_next_reply(&w), false);
    expect(verbs_ask(&w, &boss, "{\"command\":\"room-list\"}"), false);
    expect_name(&w, "first");
    verbs_world_end(&w);
}

static void test_a_change_that_waits_for_the_signer(void **state)
{
    (void)state;
    const struct kg_principal root = verbs_operator();
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct verbs_world w;
    verbs_world_fill(&w);
    verbs_post(&w, &boss,
               "{\"command\":\"room-add\",\"organization\":\"a-shi\",\"id\":\"a-shi-9\",\"name\":\"新\","
               "\"csr\":\"x\"}");
    assert_true(w.to_sign != 0);
    verbs_post(&w, &root, REVOKE);
    expect(verbs_next_reply(&w), true);
    expect(verbs_next_reply(&w), false);
    assert_null(kg_directory_room(w.directory, "a-shi-9"));
    verbs_world_end(&w);
}

static void test_a_revocation_in_effect_is_written_down(void **state)
{
    (void)state;
    const struct kg_principal root = verbs_operator();
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct verbs_world w;
    verbs_world_fill(&w);
    post_rename(&w, &root, "first");
    verbs_post(&w, &boss, "{\"command\":\"room-revoke\",\"id\":\"a-shi-2\"}");
    verbs_post(&w, &root, REVOKE);
    for (int i = 0; i < 3; i++)
        expect(verbs_next_reply(&w), true);
    verbs_world_reopen(&w);
    assert_true(kg_directory_room(w.directory, "a-shi-2")->revoked_s > 0);
    verbs_world_end(&w);
}

static void test_who_still_is_what_he_was(void **state)
{
    (void)state;
    const struct kg_principal root = verbs_operator();
    struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi"), other;
    struct verbs_world w;
    verbs_world_fill(&w);
    const struct kg_control c = {.directory = w.directory};
    assert_false(kg_admin_remote_stands(&c, &boss)); /* without a certificate */
    const uint8_t *fingerprint = kg_directory_administrator(w.directory, boss.id)->fingerprint;
    memcpy(boss.fingerprint, fingerprint, sizeof boss.fingerprint);
    assert_true(kg_admin_remote_stands(&c, &boss));
    other = boss;
    other.role = KG_ROLE_AUDITOR;
    assert_false(kg_admin_remote_stands(&c, &other));
    other = boss;
    other.organization[0] = '\0';
    assert_false(kg_admin_remote_stands(&c, &other));
    verbs_must(&w, &root,
               "{\"command\":\"admin-add\",\"organization\":\"a-shi\",\"id\":\"a-shi-boss\",\"name\":\"新\","
               "\"csr\":\"x\",\"role\":\"administrator\",\"replace\":true}");
    assert_false(kg_admin_remote_stands(&c, &boss)); /* the one before */
    fingerprint = kg_directory_administrator(w.directory, boss.id)->fingerprint;
    memcpy(boss.fingerprint, fingerprint, sizeof boss.fingerprint);
    assert_true(kg_admin_remote_stands(&c, &boss));
    verbs_must(&w, &root, REVOKE);
    assert_false(kg_admin_remote_stands(&c, &boss));
    verbs_world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_that_waits_its_turn),
        cmocka_unit_test(test_a_change_that_waits_for_the_signer),
        cmocka_unit_test(test_a_revocation_in_effect_is_written_down),
        cmocka_unit_test(test_who_still_is_what_he_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
