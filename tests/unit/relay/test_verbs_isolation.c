/* Two organizations on one relay: nobody of one sees or changes anything of the other's, tried on every verb
 * there is. The cases are looked up by the table's verbs, so a new verb without a case fails here. */
#include "unit/cmocka_all.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "unit/relay/verbs_world.h"

#define EVENT(uid, attendee)                                                                                 \
    "\"BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:-//t//t//"                                               \
    "EN\\r\\nBEGIN:VEVENT\\r\\nUID:" uid "\\r\\nDTSTAMP:20260101T000000Z\\r\\n"                              \
    "DTSTART:20300101T000000Z\\r\\nDTEND:20300101T010000Z\\r\\nSUMMARY:x\\r\\n" attendee                     \
    "END:VEVENT\\r\\nEND:VCALENDAR\\r\\n\""
#define CALENDAR(room) EVENT("new", "ATTENDEE;CUTYPE=ROOM:mailto:" room "@x.invalid\\r\\n")
#define OTHER_CALENDAR EVENT("newer", "")

#define DEVICE                                                                                               \
    ",'code':'000-000-000','fingerprint':'"                                                                  \
    "0000000000000000"                                                                                       \
    "0000000000000000"                                                                                       \
    "0000000000000000"                                                                                       \
    "0000000000000000'"

/* The fields after the command. `other` names what is b-cho's and `nothing`, in its place, what nobody has;
 * `own` asks the same of one's own. NULL: the verb names nothing (its answer is looked into instead). */
struct isolation_case {
    const char *verb;
    const char *other, *nothing;
    const char *own;
};
static const struct isolation_case cases[] = {
    {"org-add", "'id':'b-cho','name':'x'", "'id':'z-cho','name':'x'", NULL},
    {"org-set", "'id':'b-cho','name':'x'", "'id':'z-cho','name':'x'", NULL},
    {"org-list", NULL, NULL, ""},
    {"org-remove", "'id':'b-cho'", "'id':'z-cho'", NULL},
    {"admin-add", "'id':'b-cho-boss','name':'x','role':'administrator','csr':'x'",
     "'id':'z-cho-boss','name':'x','role':'administrator','csr':'x'",
     "'id':'a-shi-new','name':'x','role':'administrator','csr':'x'"},
    {"admin-add", "'id':'b-cho-boss','name':'x','role':'administrator','csr':'x','replace':true",
     "'id':'z-cho-boss','name':'x','role':'administrator','csr':'x','replace':true", NULL},
    {"admin-add", "'id':'a-shi-x','name':'x','role':'auditor','organization':'b-cho','csr':'x'",
     "'id':'a-shi-x','name':'x','role':'auditor','organization':'z-cho','csr':'x'",
     "'id':'a-shi-x','name':'x','role':'auditor','organization':'a-shi','csr':'x'"},
    {"admin-list", NULL, NULL, ""},
    {"admin-list", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"admin-revoke", "'id':'b-cho-boss'", "'id':'z-cho-boss'", "'id':'a-shi-eyes'"},
    {"room-add", "'id':'b-cho-1','name':'x','csr':'x'", "'id':'z-cho-1','name':'x','csr':'x'",
     "'id':'a-shi-9','name':'x','csr':'x'"},
    {"room-add", "'id':'b-cho-1','name':'x','csr':'x','replace':true",
     "'id':'z-cho-1','name':'x','csr':'x','replace':true",
     "'id':'a-shi-1','name':'x','csr':'x','replace':true"},
    {"room-add", "'id':'a-shi-8','name':'x','organization':'b-cho'",
     "'id':'a-shi-8','name':'x','organization':'z-cho'", "'id':'a-shi-8','name':'x','organization':'a-shi'"},
    {"room-set", "'id':'b-cho-1','name':'x'", "'id':'z-cho-1','name':'x'", "'id':'a-shi-1','name':'x'"},
    {"room-list", NULL, NULL, ""},
    {"room-list", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"room-revoke", "'id':'b-cho-1'", "'id':'z-cho-1'", "'id':'a-shi-2'"},
    {"room-enrol", "'room':'b-cho-1','name':'x'" DEVICE, "'room':'z-cho-1','name':'x'" DEVICE,
     "'room':'a-shi-7','name':'x'" DEVICE},
    {"room-enrol", "'room':'b-cho-1','name':'x','replace':true" DEVICE,
     "'room':'z-cho-1','name':'x','replace':true" DEVICE, NULL},
    {"room-enrol", "'room':'a-shi-6','name':'x','organization':'b-cho'" DEVICE,
     "'room':'a-shi-6','name':'x','organization':'z-cho'" DEVICE, NULL},
    {"room-pending", "", "", NULL},
    {"room-pending", "'code':'111-111-111'", "'code':'222-222-222'", "'code':'ZZZ-ZZZ-ZZZ'"},
    {"room-reject", "'code':'111-111-111'", "'code':'222-222-222'", "'code':'ZZZ-ZZZ-ZZZ'"},
    {"community-add", "'id':'theirs','name':'x'", "'id':'zheirs','name':'x'", NULL},
    {"community-set", "'id':'theirs','name':'x'", "'id':'zheirs','name':'x'", NULL},
    {"community-remove", "'id':'theirs'", "'id':'zheirs'", NULL},
    {"community-list", NULL, NULL, ""},
    {"community-join", "'room':'b-cho-2','community':'mutual'", "'room':'z-cho-2','community':'mutual'",
     "'room':'a-shi-1','community':'mutual'"},
    {"community-join", "'room':'a-shi-1','community':'theirs'", "'room':'a-shi-1','community':'zheirs'",
     NULL},
    {"community-leave", "'room':'b-cho-1','community':'mutual'", "'room':'z-cho-1','community':'mutual'",
     "'room':'a-shi-3','community':'mutual'"},
    {"community-leave", "'room':'b-cho-1','community':'theirs'", "'room':'z-cho-1','community':'theirs'",
     NULL},
    {"setting-set", "'scope':'organization','id':'b-cho','key':'media.udp','value':'auto'",
     "'scope':'organization','id':'z-cho','key':'media.udp','value':'auto'",
     "'scope':'organization','id':'a-shi','key':'media.udp','value':'auto'"},
    {"setting-set", "'scope':'room','id':'b-cho-1','key':'media.udp','value':'auto'",
     "'scope':'room','id':'z-cho-1','key':'media.udp','value':'auto'",
     "'scope':'room','id':'a-shi-1','key':'media.udp','value':'auto'"},
    {"setting-unset", "'scope':'organization','id':'b-cho','key':'media.video-kbps'",
     "'scope':'organization','id':'z-cho','key':'media.video-kbps'",
     "'scope':'organization','id':'a-shi','key':'media.video-kbps'"},
    {"setting-unset", "'scope':'room','id':'b-cho-1','key':'media.udp'",
     "'scope':'room','id':'z-cho-1','key':'media.udp'", "'scope':'room','id':'a-shi-1','key':'media.udp'"},
    {"setting-list", NULL, NULL, ""},
    {"setting-list", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"setting-list", "'room':'b-cho-1'", "'room':'z-cho-1'", "'room':'a-shi-1'"},
    {"agenda-import", "'organization':'b-cho','calendar':" CALENDAR("a-shi-1"),
     "'organization':'z-cho','calendar':" CALENDAR("a-shi-1"),
     "'organization':'a-shi','calendar':" CALENDAR("a-shi-1")},
    {"meeting-list", NULL, NULL, ""},
    {"meeting-list", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"meeting-cancel", "'meeting':'b-cho/plan'", "'meeting':'z-cho/plan'", "'meeting':'a-shi/plan'"},
    {"status", NULL, NULL, ""},
    {"audit-list", NULL, NULL, ""},
    {"audit-list", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"audit-export", NULL, NULL, ""},
    {"audit-export", "'organization':'b-cho'", "'organization':'z-cho'", "'organization':'a-shi'"},
    {"audit-verify", NULL, NULL, ""},
    {"backup", "'path':'/tmp/b-cho'", "'path':'/tmp/z-cho'", NULL},
    {"ca-show", NULL, NULL, ""},
};

static char *request_of(const char *verb, const char *fields)
{
    char *text;
    assert_true(asprintf(&text, "{'command':'%s'%s%s}", verb, *fields ? "," : "", fields) > 0);
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    return text;
}

static char *ask(struct verbs_world *w, const struct kg_principal *by, const char *verb, const char *fields,
                 bool *ok)
{
    char *request = request_of(verb, fields);
    json_t *reply = verbs_ask(w, by, request);
    *ok = json_is_true(json_object_get(reply, "ok"));
    char *text = json_dumps(reply, JSON_SORT_KEYS);
    json_decref(reply);
    free(request);
    return text;
}

/* The other's things and nobody's are told apart by one letter each. */
static void level(char *text)
{
    for (char *p = text; (p = strstr(p, "z-cho")) != NULL;)
        *p = 'b';
    for (char *p = text; (p = strstr(p, "zheirs")) != NULL;)
        *p = 't';
}

static void must_not_tell(const char *verb, const char *text)
{
    static const struct {
        const char *text;
        const char *known; /* verbs whose answer may hold it, by their beginning */
    } secrets[] = {
        /* Members of one community know of each other: that is what it is for. */
        {"見本町", "community-list"},
        {"水道", "-"},
        {"secret of", "meeting-list"},
        /* The trail repeats what a-shi itself has tried. */
        {"theirs", "audit-"},
        {"b-cho", "audit- community-list"},
        {"\"organization\": \"b-cho\"", "community-list"},
        {"organization\\\":\\\"b-cho", "-"},
        {"organization\\\": \\\"b-cho", "-"},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(secrets); i++) {
        bool known = strstr(secrets[i].known, verb) ||
                     (strncmp(verb, "audit-", 6) == 0 && strncmp(secrets[i].known, "audit-", 6) == 0);
        if (!known && strstr(text, secrets[i].text))
            fail_msg("%s tells of %s: %s", verb, secrets[i].text, text);
    }
}

/* Exactly so many rows since, and the first as it should be. */
static void must_be_noted(struct verbs_world *w, const struct kg_principal *by, const char *verb, bool ok,
                          int64_t before, int64_t rows)
{
    char row[500], expected[200];
    assert_int_equal(verbs_settle(w), before + rows + 1);
    for (int64_t seq = before + 1; seq <= before + rows; seq++) {
        verbs_row(w, seq, row);
        snprintf(expected, sizeof expected, "%s|%s|%s|a-shi|", kg_verb_find(verb)->event, by->id,
                 kg_role_kind_name(by->role));
        if (strncmp(row, expected, strlen(expected)) != 0 || !strstr(row, ok ? "|ok" : "|refused"))
            fail_msg("%s is noted as %s, not as %s", verb, row, expected);
    }
}

static void keep_apart(struct verbs_world *w, const struct kg_principal *by, const struct isolation_case *c)
{
    char *before = verbs_dump(w), *view_before = verbs_view(w);
    unsigned shut_out = w->rooms_shut_out + w->administrators_shut_out;
    bool ok, nothing_ok;
    int64_t rows = verbs_settle(w);
    char *reply = ask(w, by, c->verb, c->other ? c->other : "", &ok);
    if (c->other) {
        char *nothing = ask(w, by, c->verb, c->nothing, &nothing_ok);
        level(nothing);
        level(reply);
        assert_false(ok || nothing_ok);
        /* The very words, so that nobody learns whether it is there. */
        assert_string_equal(reply, nothing);
        free(nothing);
    } else if (kg_verb_find(c->verb)->roles & KG_ROLE_BIT(by->role)) {
        if (!ok)
            fail_msg("%s: %s", c->verb, reply);
        must_not_tell(c->verb, reply);
    }
    must_be_noted(w, by, c->verb, ok, rows, c->other ? 2 : 1);
    char *after = verbs_dump(w), *view_after = verbs_view(w);
    assert_string_equal(before, after);
    assert_string_equal(view_before, view_after);
    assert_int_equal(w->rooms_shut_out + w->administrators_shut_out, shut_out);
    free(before);
    free(after);
    free(view_before);
    free(view_after);
    free(reply);
}

static void test_every_verb_keeps_organizations_apart(void **state)
{
    static const struct {
        enum kg_role_kind role;
        const char *id;
    } people[] = {{KG_ROLE_ADMINISTRATOR, "a-shi-boss"}, {KG_ROLE_AUDITOR, "a-shi-eyes"}};
    struct verbs_world w;
    const struct kg_verb *verb;
    (void)state;
    verbs_world_fill(&w);
    for (size_t i = 0; (verb = kg_verb_at(i)); i++) {
        size_t tried = 0;
        for (size_t j = 0; j < KG_ARRAY_LEN(cases); j++) {
            if (strcmp(cases[j].verb, verb->name) != 0)
                continue;
            tried++;
            for (size_t p = 0; p < KG_ARRAY_LEN(people); p++) {
                const struct kg_principal by = verbs_someone(people[p].role, people[p].id, "a-shi");
                keep_apart(&w, &by, &cases[j]);
            }
        }
        if (!tried)
            fail_msg("%s has no case: say what it does to another organization's", verb->name);
        /* Whatever names something is tried with another's. */
        bool named = false;
        for (size_t j = 0; j < KG_ARRAY_LEN(cases); j++)
            named = named || (strcmp(cases[j].verb, verb->name) == 0 && cases[j].other);
        assert_true(named || !verb->fields[0].name || strncmp(verb->name, "audit-v", 7) == 0);
    }
    verbs_world_end(&w);
}

/* The verdict is on the whole trail; how long it is would tell how much others do. */
static void test_a_verdict_counts_nobodys_rows(void **state)
{
    static const char *const told[] = {"rows", "first", "seq", "hash"};
    const struct kg_principal eyes = verbs_someone(KG_ROLE_AUDITOR, "a-shi-eyes", "a-shi"),
                              all = verbs_someone(KG_ROLE_AUDITOR, "revision", "");
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    json_t *reply = verbs_ask(&w, &eyes, "{\"command\":\"audit-verify\"}"),
           *whole = verbs_ask(&w, &all, "{\"command\":\"audit-verify\"}");
    assert_true(json_is_true(json_object_get(reply, "sound")));
    assert_string_equal(json_string_value(json_object_get(reply, "text")), "the trail is in order");
    for (size_t i = 0; i < KG_ARRAY_LEN(told); i++) {
        assert_null(json_object_get(reply, told[i]));
        assert_non_null(json_object_get(whole, told[i]));
    }
    json_decref(reply);
    json_decref(whole);
    /* Nor does the row of it, which one's own people may read. */
    reply = verbs_ask(&w, &eyes, "{\"command\":\"audit-list\",\"event\":\"audit.verified\"}");
    json_t *rows = json_object_get(reply, "rows");
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "detail")),
                        "the trail is in order");
    json_decref(reply);
    verbs_world_end(&w);
}

/* For TLS clients, signed with `key`; an authority's own without. */
static X509 *make_certificate(EVP_PKEY *key, X509 *authority)
{
    const char *name = authority ? "device" : "authority";
    X509 *c = X509_new();
    X509_EXTENSION *extension =
        authority ? X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth")
                  : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(c && extension && X509_set_version(c, X509_VERSION_3) && X509_set_pubkey(c, key) == 1);
    assert_true(X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                                           (const unsigned char *)name, -1, -1, 0) == 1 &&
                X509_set_issuer_name(c, X509_get_subject_name(authority ? authority : c)) == 1);
    assert_true(X509_gmtime_adj(X509_getm_notBefore(c), -60) &&
                X509_gmtime_adj(X509_getm_notAfter(c), 86400) && X509_add_ext(c, extension, -1) == 1);
    assert_true(X509_sign(c, key, EVP_sha256()) > 0);
    X509_EXTENSION_free(extension);
    return c;
}

/* A device's certificate (PEM, free()), whose authority is in the world's folder. */
static char *make_device(const struct verbs_world *w, char path[128])
{
    const char *bytes;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *authority = make_certificate(key, NULL), *device = make_certificate(key, authority);
    BIO *out = BIO_new(BIO_s_mem());
    snprintf(path, 128, "%s/ca.crt", w->folder);
    FILE *file = fopen(path, "w");
    assert_true(file && PEM_write_X509(file, authority) == 1 && fclose(file) == 0);
    assert_true(out && PEM_write_bio_X509(out, device) == 1);
    long size = BIO_get_mem_data(out, &bytes);
    char *pem = strndup(bytes, (size_t)size);
    BIO_free(out);
    X509_free(authority);
    X509_free(device);
    EVP_PKEY_free(key);
    return pem;
}

/* Certificates signed elsewhere come from the operator alone, of the authority that is set, and each names
 * one owner for ever. Whoever else tries learns nothing of whose one is. */
static void test_whose_a_certificate_is(void **state)
{
    const struct kg_principal theirs = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho"),
                              by = verbs_operator();
    const struct {
        const struct kg_principal *by;
        const char *organization, *room, *words;
        bool known; /* is client-ca set? */
    } tries[] = {
        {&by, "b-cho", "b-cho-7", "set client-ca", false},
        {&theirs, "b-cho", "b-cho-7", "for the operator alone", false},
        {&theirs, "b-cho", "b-cho-7", "for the operator alone", true},
        {&by, "b-cho", "b-cho-7", NULL, true},
        {&theirs, "b-cho", "b-cho-8", "for the operator alone", true},
        {&by, "a-shi", "a-shi-7", "room b-cho-7;", true},
    };
    struct verbs_world w;
    char path[128];
    (void)state;
    verbs_world_fill(&w);
    char *pem = make_device(&w, path);
    for (size_t i = 0; i < KG_ARRAY_LEN(tries); i++) {
        w.settings.tls_client_ca = tries[i].known ? path : NULL;
        json_t *reply =
            verbs_ask_json(&w, tries[i].by,
                           json_pack("{s:s, s:s, s:s, s:s, s:s}", "command", "room-add", "id", tries[i].room,
                                     "organization", tries[i].organization, "name", "x", "certificate", pem));
        const char *error = json_string_value(json_object_get(reply, "error"));
        if (!error != !tries[i].words || (error && !strstr(error, tries[i].words)))
            fail_msg("%zu: %s is told %s", i, tries[i].by->id, error ? error : "ok");
        json_decref(reply);
    }
    free(pem);
    verbs_world_end(&w);
}

/* The same requests about one's own are carried out: they were refused above for whose they were. */
static void test_the_same_is_granted_for_ones_own(void **state)
{
    struct verbs_world w;
    (void)state;
    verbs_world_fill(&w);
    /* The auditor is not the one who is revoked on the way. */
    for (size_t j = 0; j < KG_ARRAY_LEN(cases); j++) {
        const struct kg_verb *verb = kg_verb_find(cases[j].verb);
        const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi"),
                                  eyes = verbs_someone(KG_ROLE_AUDITOR, "a-shi-ears", "a-shi");
        bool ok;
        if (!cases[j].own)
            continue;
        char *reply = ask(&w, &eyes, verb->name, cases[j].own, &ok);
        assert_int_equal(ok, (verb->roles & KG_ROLE_BIT(KG_ROLE_AUDITOR)) != 0);
        assert_true(ok || strstr(reply, "not for the role auditor"));
        free(reply);
        reply = ask(&w, &boss, verb->name, cases[j].own, &ok);
        if (!ok)
            fail_msg("%s %s: %s", verb->name, cases[j].own, reply);
        free(reply);
    }
    /* Once for what was revoked, once for the certificate that was replaced; the first twice: at once and
     * when it was written. */
    assert_int_equal(w.rooms_shut_out, 3);
    assert_int_equal(w.administrators_shut_out, 2);
    verbs_world_end(&w);
}

/* Rooms of others come into a meeting through a community only, and every other id is refused in one way. */
static void test_only_communities_open_a_meeting_to_others(void **state)
{
    struct verbs_world w;
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho"),
                              by = verbs_operator();
    static const struct {
        const char *fields;
        const char *rooms;
    } rows[] = {
        {"'calendar':" CALENDAR("b-cho-1"), "[\"b-cho-1\"]"},
        {"'calendar':" CALENDAR("b-cho-later"), "[\"b-cho-later\"]"}, /* only b-cho can ever have that id */
        {"'calendar':" CALENDAR("a-shi-3"), "[\"a-shi-3\"]"},         /* in the community */
        {"'calendar':" CALENDAR("a-shi-1"), "[]"},
        {"'calendar':" CALENDAR("a-shi-none"), "[]"},
    };
    char *refusals[2];
    size_t refused = 0;
    bool ok;
    (void)state;
    verbs_world_fill(&w);
    for (size_t i = 0; i < KG_ARRAY_LEN(rows); i++) {
        char *reply = ask(&w, &boss, "agenda-import", rows[i].fields, &ok);
        assert_true(ok);
        json_t *list = verbs_ask(&w, &by, "{\"command\":\"meeting-list\",\"organization\":\"b-cho\"}");
        char *text = json_dumps(json_object_get(list, "meetings"), JSON_COMPACT);
        char expected[100];
        snprintf(expected, sizeof expected, "\"meeting\":\"b-cho/new\"");
        assert_non_null(strstr(text, expected));
        snprintf(expected, sizeof expected, "\"rooms\":%s", rows[i].rooms);
        if (!strstr(strstr(text, "b-cho/new"), expected))
            fail_msg("%s: %s", rows[i].fields, text);
        if (strcmp(rows[i].rooms, "[]") == 0)
            refusals[refused++] = strdup(reply);
        free(reply);
        free(text);
        json_decref(list);
    }
    assert_int_equal(refused, 2);
    char *none = strstr(refusals[1], "a-shi-none"), *one = strstr(refusals[0], "a-shi-1");
    assert_true(none && one);
    assert_string_equal(none + strlen("a-shi-none"), one + strlen("a-shi-1"));
    free(refusals[0]);
    free(refusals[1]);
    /* The operator may. */
    char *reply =
        ask(&w, &by, "agenda-import", "'organization':'b-cho','calendar':" CALENDAR("a-shi-1"), &ok);
    assert_true(ok && !strstr(reply, "not invited") && strstr(reply, "on the operator's word alone"));
    free(reply);
    verbs_world_end(&w);
}

/* What b-cho's meeting invites, and what it lists in vain, as its administrator is told. */
static void expect_rooms(struct verbs_world *w, const char *rooms, const char *lapsed)
{
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho");
    json_t *reply = verbs_ask(w, &boss, "{\"command\":\"meeting-list\"}"), *meeting;
    size_t i;
    bool found = false;
    json_array_foreach(json_object_get(reply, "meetings"), i, meeting)
    {
        if (strcmp(json_string_value(json_object_get(meeting, "meeting")), "b-cho/new") != 0)
            continue;
        char *invited = json_dumps(json_object_get(meeting, "rooms"), JSON_COMPACT),
             *others = json_dumps(json_object_get(meeting, "lapsed"), JSON_COMPACT);
        found = true;
        assert_string_equal(invited, rooms);
        assert_string_equal(others, lapsed);
        free(invited);
        free(others);
    }
    assert_true(found);
    json_decref(reply);
}

/* Asks, and says whether connected rooms are told at once. */
static bool refreshes(struct verbs_world *w, const struct kg_principal *by, const char *verb,
                      const char *fields)
{
    bool ok;
    unsigned before = w->agenda_changed;
    char *reply = ask(w, by, verb, fields, &ok);
    if (!ok)
        fail_msg("%s %s: %s", verb, fields, reply);
    free(reply);
    return w->agenda_changed == before + 1;
}

/* An invitation that rests on a community ends and comes back with it, whoever brought the calendar; one that
 * rests on an operator's word alone stays. */
static void test_an_invitation_ends_with_its_community(void **state)
{
    struct verbs_world w;
    const struct kg_principal theirs = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho"),
                              ours = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi"),
                              by = verbs_operator();
    const struct kg_principal *const importers[] = {&theirs, &by};
    (void)state;
    verbs_world_fill(&w);
    for (size_t i = 0; i < KG_ARRAY_LEN(importers); i++) {
        assert_true(refreshes(&w, importers[i], "agenda-import",
                              "'organization':'b-cho','calendar':" CALENDAR("a-shi-3")));
        expect_rooms(&w, "[\"a-shi-3\"]", "[]");
        assert_true(refreshes(&w, &ours, "community-leave", "'room':'a-shi-3','community':'mutual'"));
        expect_rooms(&w, "[]", "[\"a-shi-3\"]");
        verbs_world_reopen(&w);
        expect_rooms(&w, "[]", "[\"a-shi-3\"]");
        assert_true(refreshes(&w, &ours, "community-join", "'room':'a-shi-3','community':'mutual'"));
        expect_rooms(&w, "[\"a-shi-3\"]", "[]");
        assert_true(refreshes(&w, &by, "community-set", "'id':'mutual','organizations':['a-shi']"));
        expect_rooms(&w, "[]", "[\"a-shi-3\"]");
        assert_true(refreshes(&w, &by, "community-set", "'id':'mutual','organizations':['a-shi','b-cho']"));
        expect_rooms(&w, "[\"a-shi-3\"]", "[]");
    }
    assert_true(refreshes(&w, &by, "community-remove", "'id':'mutual'"));
    expect_rooms(&w, "[]", "[\"a-shi-3\"]");
    assert_true(
        refreshes(&w, &by, "agenda-import", "'organization':'b-cho','calendar':" CALENDAR("a-shi-1")));
    expect_rooms(&w, "[\"a-shi-1\"]", "[]");
    verbs_world_reopen(&w);
    expect_rooms(&w, "[\"a-shi-1\"]", "[]");
    verbs_world_end(&w);
}

/* Nobody's meetings crowd out the others': a full plan takes changes, but nothing new. */
static void test_an_organization_has_so_many_meetings(void **state)
{
    struct verbs_world w;
    const struct kg_principal boss = verbs_someone(KG_ROLE_ADMINISTRATOR, "b-cho-boss", "b-cho"),
                              ours = verbs_someone(KG_ROLE_ADMINISTRATOR, "a-shi-boss", "a-shi");
    struct kg_meeting m = {.title = "", .description = "", .organizer = "", .location = "", .end_us = 1};
    char uid[40];
    bool ok;
    (void)state;
    verbs_world_fill(&w);
    assert_int_equal(kg_directory_meeting_count(w.directory, "b-cho"), 1);
    assert_int_equal(kg_directory_meeting_count(w.directory, "b"), 0);
    m.uid = uid;
    for (int i = 1; i < KG_DIRECTORY_MAX_MEETINGS - 1; i++) {
        snprintf(uid, sizeof uid, "b-cho/%d", i);
        assert_true(kg_directory_put_meeting(w.directory, &m));
    }
    for (int again = 0; again < 2; again++) { /* the last one there is room for, then a change of it */
        char *reply = ask(&w, &boss, "agenda-import", "'calendar':" CALENDAR("b-cho-1"), &ok);
        assert_true(ok && strstr(reply, "\"imported\": 1"));
        free(reply);
    }
    assert_int_equal(kg_directory_meeting_count(w.directory, "b-cho"), KG_DIRECTORY_MAX_MEETINGS);
    char *reply = ask(&w, &boss, "agenda-import", "'calendar':" OTHER_CALENDAR, &ok);
    assert_true(ok && strstr(reply, "\"imported\": 0") && strstr(reply, "the most there may be"));
    free(reply);
    reply = ask(&w, &ours, "agenda-import", "'calendar':" CALENDAR("a-shi-1"), &ok);
    assert_true(ok && strstr(reply, "\"imported\": 1"));
    free(reply);
    verbs_world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_verb_keeps_organizations_apart),
        cmocka_unit_test(test_a_verdict_counts_nobodys_rows),
        cmocka_unit_test(test_whose_a_certificate_is),
        cmocka_unit_test(test_the_same_is_granted_for_ones_own),
        cmocka_unit_test(test_only_communities_open_a_meeting_to_others),
        cmocka_unit_test(test_an_invitation_ends_with_its_community),
        cmocka_unit_test(test_an_organization_has_so_many_meetings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
