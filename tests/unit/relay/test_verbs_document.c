/* ADMIN.md: every verb has its section with roles, event and fields, and every example is answered as it
 * says. */
#include "unit/cmocka_all.h"

#include <stdio.h>

#include "unit/relay/verbs_world.h"

static char *read_document(void)
{
    FILE *in = fopen(KAIGI_SOURCE "/media/relay/ADMIN.md", "re");
    assert_non_null(in);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, in) > 1000);
    fclose(in);
    return text;
}

/* What differs from run to run is only of the same kind. */
static bool is_volatile(const char *key)
{
    static const char *const keys[] = {"revision", "fingerprint", "serial", "not_after", "seq", "next"};
    for (size_t i = 0; i < KG_ARRAY_LEN(keys); i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

/* Whatever the document says is there, and as it says. */
static bool holds(const json_t *said, const json_t *real, const char *key)
{
    const char *name;
    json_t *value;
    size_t i;
    if (!real || json_typeof(said) != json_typeof(real))
        return false;
    if (json_is_object(said)) {
        json_object_foreach((json_t *)(uintptr_t)said, name, value)
        {
            if (!holds(value, json_object_get(real, name), name))
                return false;
        }
        return true;
    }
    if (json_is_array(said)) {
        if (json_array_size(said) != json_array_size(real))
            return false;
        json_array_foreach((json_t *)(uintptr_t)said, i, value)
        {
            if (!holds(value, json_array_get(real, i), key))
                return false;
        }
        return true;
    }
    /* A sentence with a number in it that nobody can know. */
    if (strcmp(key, "error") == 0 && strstr(json_string_value(said), "its revision is"))
        return strncmp(json_string_value(said), json_string_value(real), 30) == 0;
    return is_volatile(key) || json_equal((json_t *)(uintptr_t)said, (json_t *)(uintptr_t)real);
}

static void try_example(struct verbs_world *w, const json_t *request, const json_t *said)
{
    const struct kg_principal by = verbs_operator();
    /* The fake of this test has no workers and no certificates to show. */
    if (strcmp(json_string_value(json_object_get(request, "command")), "status") == 0)
        return;
    char *text = json_dumps(request, 0), *real_text;
    json_t *real = verbs_ask(w, &by, text);
    real_text = json_dumps(real, 0);
    if (!holds(said, real, ""))
        fail_msg("%s is answered %s", text, real_text);
    free(text);
    free(real_text);
    json_decref(real);
}

static void test_examples(void **state)
{
    struct verbs_world w;
    char *text = read_document();
    unsigned tried = 0;
    (void)state;
    verbs_world_begin(&w);
    for (const char *block = text; (block = strstr(block, "```json\n")) != NULL; tried++) {
        block += strlen("```json\n");
        size_t size = (size_t)(strstr(block, "\n```") - block);
        json_error_t error;
        json_t *request = json_loadb(block, size, JSON_DISABLE_EOF_CHECK, &error);
        if (!request)
            fail_msg("%s: %.100s", error.text, block);
        json_t *said = json_loadb(block + error.position, size - (size_t)error.position, 0, &error);
        if (!said)
            fail_msg("%s in the answer to %.60s", error.text, block);
        try_example(&w, request, said);
        json_decref(request);
        json_decref(said);
    }
    print_message("%u examples\n", tried);
    assert_in_range(tried, 25, 100);
    free(text);
    verbs_world_end(&w);
}

/* The verb's section: from its heading to the next. */
static char *section_of(const char *text, const char *verb)
{
    char heading[80];
    snprintf(heading, sizeof heading, "\n### %s\n", verb);
    const char *from = strstr(text, heading);
    if (!from) { /* of two that are told together */
        snprintf(heading, sizeof heading, ", %s\n", verb);
        from = strstr(text, heading);
    }
    if (!from) {
        snprintf(heading, sizeof heading, "\n### %s,", verb);
        from = strstr(text, heading);
    }
    if (!from)
        fail_msg("ADMIN.md says nothing of %s", verb);
    assert_non_null(from);
    const char *to = strstr(from + strlen(heading) - 1, "\n##");
    return strndup(from, to ? (size_t)(to - from) : strlen(from));
}

static void test_every_verb_has_its_section(void **state)
{
    char *text = read_document();
    const struct kg_verb *verb;
    (void)state;
    for (size_t i = 0; (verb = kg_verb_at(i)); i++) {
        char *section = section_of(text, verb->name), word[80];
        snprintf(word, sizeof word, "`%s`", verb->event);
        if (!strstr(section, word))
            fail_msg("%s: its event is %s", verb->name, word);
        bool administrators = verb->roles & KG_ROLE_BIT(KG_ROLE_ADMINISTRATOR),
             auditors = verb->roles & KG_ROLE_BIT(KG_ROLE_AUDITOR);
        const char *roles = auditors         ? "oles: all"
                            : administrators ? "roles: operator, administrator"
                                             : "role: operator";
        if (!strstr(section, roles))
            fail_msg("%s: not \"%s\"", verb->name, roles);
        for (size_t f = 0; f < KG_VERB_MAX_FIELDS && verb->fields[f].name; f++) {
            snprintf(word, sizeof word, "`%s`", verb->fields[f].name);
            if (!strstr(section, word))
                fail_msg("%s: nothing of %s", verb->name, word);
        }
        free(section);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_every_verb_has_its_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
