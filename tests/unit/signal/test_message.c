#include "unit/cmocka_all.h"

#include <stdio.h>

#include "signal/message.h"
#include "unit/signal/helpers.h"

static struct kg_message_error error;

static const struct kg_participant people[] = {
    {.party = 4294967295u,
     .organization = "架空市",
     .department = "情報政策課",
     .name = "第一会議室",
     .muted = {true, false},
     .sources = {1, 2, 3}},
    {.party = 7,
     .organization = "",
     .department = "",
     .name = "村 \"東\" \\ 室",
     .away = true,
     .sources = {0, 9, 0}},
};

static const struct kg_message every[] = {
    {.type = KG_MESSAGE_HELLO, .hello = {1, "kaigi-terminal 0.1"}},
    {.type = KG_MESSAGE_JOIN,
     .join = {.request = 4294967295u,
              .meeting = "朝会@kaku.example",
              .offer = "v=0\r\no=-\t1",
              .line_count = 2,
              .lines = {{"0", KG_ROLE_MICROPHONE, 0}, {"x", KG_ROLE_VIDEO_SLOT, 8}},
              .muted = {false, true},
              .resume = "abc_-"}},
    {.type = KG_MESSAGE_WANT,
     .want = {.slot_count = 3,
              .slots = {{KG_ROLE_VIDEO_SLOT, 0, KG_WISH_AUTO, 0, 720},
                        {KG_ROLE_VIDEO_SLOT, 1, KG_WISH_NONE, 0, 0},
                        {KG_ROLE_PRESENTATION_SLOT, 0, KG_WISH_SOURCE, 4294967295u, 1080}}}},
    {.type = KG_MESSAGE_MUTE, .mute = {true, false}},
    {.type = KG_MESSAGE_LEAVE},
    {.type = KG_MESSAGE_WELCOME,
     .welcome = {"kaku-1", "架空市", "総務課", "大会議室", 1795300000123, "kaigi-relay 0.1"}},
    {.type = KG_MESSAGE_AGENDA, .agenda = {(uint64_t)1 << 53, "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"}},
    {.type = KG_MESSAGE_POLICY, .policy = {8000, KG_UDP_NEVER, KG_SAY_YES, KG_SAY_NO}},
    {.type = KG_MESSAGE_POLICY, .policy = {.udp = KG_UDP_AUTO, .camera_muted = KG_SAY_YES}},
    {.type = KG_MESSAGE_POLICY},
    {.type = KG_MESSAGE_JOINED,
     .joined = {.request = 3,
                .meeting = "m",
                .answer = "v=0\r\n",
                .resume = "t",
                .party = 7,
                .participant_count = 2,
                .participants = people}},
    {.type = KG_MESSAGE_PARTICIPANTS, .participants = {2, people}},
    {.type = KG_MESSAGE_PARTICIPANTS},
    {.type = KG_MESSAGE_SLOTS,
     .slots = {.slot_count = 2, .slots = {{KG_ROLE_AUDIO_SLOT, 2, 5}, {KG_ROLE_PRESENTATION_SLOT, 0, 0}}}},
    {.type = KG_MESSAGE_WATCHED, .watched = {.source_count = 2, .sources = {4294967295u, 9}}},
    {.type = KG_MESSAGE_WATCHED},
    {.type = KG_MESSAGE_LEFT, .left = {KG_REASON_EXPELLED}},
    {.type = KG_MESSAGE_ERROR, .error = {9, KG_ERROR_NOT_OPEN_YET, "opens at 10:00"}},
    {.type = KG_MESSAGE_ERROR, .error = {0, KG_ERROR_INTERNAL, ""}},
    {.type = KG_MESSAGE_CLOSING, .closing = {KG_REASON_SHUTTING_DOWN, 1500}},
};

static enum kg_message_from sender(enum kg_message_type type)
{
    return type <= KG_MESSAGE_LEAVE ? KG_FROM_CLIENT : KG_FROM_RELAY;
}

static struct kg_message *decode(enum kg_message_from from, const char *text)
{
    /* Without the NUL, so that a read past the end is seen. */
    size_t size = strlen(text);
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    struct kg_message *message = kg_message_decode(from, exact, size, &error);
    free(exact);
    return message;
}

static void same_people(const struct kg_participant *a, const struct kg_participant *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(a[i].party, b[i].party);
        assert_string_equal(a[i].organization, b[i].organization);
        assert_string_equal(a[i].department, b[i].department);
        assert_string_equal(a[i].name, b[i].name);
        assert_memory_equal(&a[i].muted, &b[i].muted, sizeof a[i].muted);
        assert_int_equal(a[i].away, b[i].away);
        assert_memory_equal(&a[i].sources, &b[i].sources, sizeof a[i].sources);
    }
}

static void same_client_message(const struct kg_message *a, const struct kg_message *b)
{
    if (a->type == KG_MESSAGE_HELLO) {
        assert_int_equal(a->hello.protocol, b->hello.protocol);
        assert_string_equal(a->hello.software, b->hello.software);
    } else if (a->type == KG_MESSAGE_JOIN) {
        assert_int_equal(a->join.request, b->join.request);
        assert_string_equal(a->join.meeting, b->join.meeting);
        assert_string_equal(a->join.offer, b->join.offer);
        assert_string_equal(a->join.resume, b->join.resume);
        assert_int_equal(a->join.line_count, b->join.line_count);
        for (unsigned i = 0; i < a->join.line_count; i++) {
            assert_string_equal(a->join.lines[i].mid, b->join.lines[i].mid);
            assert_int_equal(a->join.lines[i].role, b->join.lines[i].role);
            assert_int_equal(a->join.lines[i].index, b->join.lines[i].index);
        }
        assert_memory_equal(&a->join.muted, &b->join.muted, sizeof a->join.muted);
    } else if (a->type == KG_MESSAGE_WANT) {
        assert_int_equal(a->want.slot_count, b->want.slot_count);
        for (unsigned i = 0; i < a->want.slot_count; i++) {
            const struct kg_message_want *x = &a->want.slots[i], *y = &b->want.slots[i];
            assert_true(x->role == y->role && x->index == y->index && x->wish == y->wish &&
                        x->source == y->source && x->height == y->height);
        }
    } else if (a->type == KG_MESSAGE_MUTE) {
        assert_memory_equal(&a->mute, &b->mute, sizeof a->mute);
    }
}

static void same_relay_message(const struct kg_message *a, const struct kg_message *b)
{
    if (a->type == KG_MESSAGE_WELCOME) {
        assert_string_equal(a->welcome.room_id, b->welcome.room_id);
        assert_string_equal(a->welcome.organization, b->welcome.organization);
        assert_string_equal(a->welcome.department, b->welcome.department);
        assert_string_equal(a->welcome.name, b->welcome.name);
        assert_true(a->welcome.time_ms == b->welcome.time_ms);
        assert_string_equal(a->welcome.software, b->welcome.software);
    } else if (a->type == KG_MESSAGE_AGENDA) {
        assert_true(a->agenda.revision == b->agenda.revision);
        assert_string_equal(a->agenda.calendar, b->agenda.calendar);
    } else if (a->type == KG_MESSAGE_JOINED) {
        assert_int_equal(a->joined.request, b->joined.request);
        assert_int_equal(a->joined.party, b->joined.party);
        assert_string_equal(a->joined.meeting, b->joined.meeting);
        assert_string_equal(a->joined.answer, b->joined.answer);
        assert_string_equal(a->joined.resume, b->joined.resume);
        assert_int_equal(a->joined.participant_count, b->joined.participant_count);
        same_people(a->joined.participants, b->joined.participants, a->joined.participant_count);
    } else if (a->type == KG_MESSAGE_PARTICIPANTS) {
        assert_int_equal(a->participants.participant_count, b->participants.participant_count);
        same_people(a->participants.participants, b->participants.participants,
                    a->participants.participant_count);
    } else if (a->type == KG_MESSAGE_SLOTS) {
        assert_int_equal(a->slots.slot_count, b->slots.slot_count);
        for (unsigned i = 0; i < a->slots.slot_count; i++)
            assert_true(a->slots.slots[i].role == b->slots.slots[i].role &&
                        a->slots.slots[i].index == b->slots.slots[i].index &&
                        a->slots.slots[i].source == b->slots.slots[i].source);
    } else if (a->type == KG_MESSAGE_WATCHED) {
        assert_int_equal(a->watched.source_count, b->watched.source_count);
        assert_memory_equal(a->watched.sources, b->watched.sources, sizeof a->watched.sources);
    } else if (a->type == KG_MESSAGE_POLICY) {
        assert_int_equal(a->policy.video_kbps, b->policy.video_kbps);
        assert_int_equal(a->policy.udp, b->policy.udp);
        assert_int_equal(a->policy.microphone_muted, b->policy.microphone_muted);
        assert_int_equal(a->policy.camera_muted, b->policy.camera_muted);
    } else if (a->type == KG_MESSAGE_LEFT) {
        assert_int_equal(a->left.reason, b->left.reason);
    } else if (a->type == KG_MESSAGE_ERROR) {
        assert_int_equal(a->error.request, b->error.request);
        assert_int_equal(a->error.code, b->error.code);
        assert_string_equal(a->error.message, b->error.message);
    } else if (a->type == KG_MESSAGE_CLOSING) {
        assert_int_equal(a->closing.reason, b->closing.reason);
        assert_int_equal(a->closing.retry_ms, b->closing.retry_ms);
    }
}

static void every_message_round_trips(void **state)
{
    (void)state;
    bool seen[KG_MESSAGE_TYPES] = {false};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        size_t size = 0;
        char *text = kg_message_encode(&every[i], &size);
        assert_non_null(text);
        assert_int_equal(size, strlen(text));
        assert_null(strchr(text, '\n'));
        struct kg_message *back = decode(sender(every[i].type), text);
        if (!back)
            fail_msg("%s: %s", text, error.text);
        assert_int_equal(back->type, every[i].type);
        same_client_message(&every[i], back);
        same_relay_message(&every[i], back);
        char *again = kg_message_encode(back, &size);
        assert_string_equal(again, text);
        free(again);
        kg_message_destroy(back);
        /* Nobody may speak with the other's mouth. */
        assert_null(decode(sender(every[i].type) == KG_FROM_CLIENT ? KG_FROM_RELAY : KG_FROM_CLIENT, text));
        assert_int_equal(error.code, KG_ERROR_UNKNOWN_TYPE);
        seen[every[i].type] = true;
        free(text);
    }
    for (unsigned i = 0; i < KG_MESSAGE_TYPES; i++)
        if (!seen[i])
            fail_msg("%s is not tested", kg_message_name((enum kg_message_type)i));
}

static void truncations_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        size_t size = 0;
        char *text = kg_message_encode(&every[i], &size);
        while (size-- > 0) {
            text[size] = '\0';
            assert_null(decode(sender(every[i].type), text));
            assert_int_equal(error.code, KG_ERROR_BAD_MESSAGE);
            assert_true(error.text[0]);
        }
        free(text);
    }
}

#define JOIN(fields) "{\"type\":\"join\",\"request\":5," fields "}"
#define REST         "\"meeting\":\"m\",\"offer\":\"o\",\"muted\":{\"microphone\":true,\"camera\":true}"
#define ONE_LINE     "\"lines\":[{\"mid\":\"0\",\"role\":\"camera\"}]"

static const struct {
    enum kg_message_from from;
    const char *text, *says;
} refused[] = {
    {KG_FROM_CLIENT, "", "JSON"},
    {KG_FROM_CLIENT, "nonsense", "JSON"},
    {KG_FROM_CLIENT, "[]", "object"},
    {KG_FROM_CLIENT, "\"hello\"", "JSON"},
    {KG_FROM_CLIENT, "{}", "type"},
    {KG_FROM_CLIENT, "{\"type\":7}", "type"},
    {KG_FROM_CLIENT, "{\"type\":\"leave\"} x", "JSON"},
    {KG_FROM_CLIENT, "{\"type\":\"leave\",\"type\":\"mute\"}", "JSON"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1}", "hello.software: is missing"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":\"1\",\"software\":\"s\"}",
     "hello.protocol: must be a whole"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1.5,\"software\":\"s\"}", "hello.protocol"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":0,\"software\":\"s\"}",
     "hello.protocol: is not between"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":4294967296,\"software\":\"s\"}", "hello.protocol"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":99999999999999999999,\"software\":\"s\"}", "JSON"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"\"}", "hello.software: is empty"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"a\\u0000b\"}", "JSON"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"a\\nb\"}", "control character"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"a\\u009bb\"}", "hidden"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"a\\u202eb\"}", "hidden"},
    {KG_FROM_CLIENT, JOIN("\"meeting\":\"m\u200b\",\"offer\":\"o\"," ONE_LINE), "join.meeting: holds"},
    {KG_FROM_RELAY, "{\"type\":\"error\",\"code\":\"busy\",\"message\":\"a\\u2028b\"}",
     "error.message: holds"},
    {KG_FROM_RELAY, "{\"type\":\"left\",\"reason\":\"\u2067ended\"}", "left.reason: holds"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"\xff\"}", "JSON"},
    {KG_FROM_CLIENT, "{\"type\":\"hello\",\"protocol\":1,\"software\":\"\\ud800\"}", "JSON"},
    {KG_FROM_CLIENT, JOIN(REST), "join.lines: is missing"},
    {KG_FROM_CLIENT, JOIN(REST ",\"lines\":[]"), "join.lines: is empty"},
    {KG_FROM_CLIENT, JOIN(REST ",\"lines\":{}"), "join.lines: must be an array"},
    {KG_FROM_CLIENT, JOIN(REST ",\"lines\":[1]"), "join.lines: entry 0 must be an object"},
    {KG_FROM_CLIENT, JOIN(REST ",\"lines\":[{\"mid\":\"0\",\"role\":\"video-9\"}]"), "join.role"},
    {KG_FROM_CLIENT, JOIN(REST ",\"lines\":[{\"mid\":\"0\",\"role\":\"none\"}]"), "join.role"},
    {KG_FROM_CLIENT,
     JOIN(REST ",\"lines\":[{\"mid\":\"0\",\"role\":\"camera\"},{\"mid\":\"0\",\"role\":\"video-0\"}]"),
     "repeats"},
    {KG_FROM_CLIENT,
     JOIN(REST ",\"lines\":[{\"mid\":\"0\",\"role\":\"camera\"},{\"mid\":\"1\",\"role\":\"camera\"}]"),
     "repeats"},
    {KG_FROM_CLIENT, JOIN(REST "," ONE_LINE ",\"resume\":\"\""), "join.resume"},
    {KG_FROM_CLIENT, JOIN(REST "," ONE_LINE ",\"resume\":5"), "join.resume"},
    {KG_FROM_CLIENT, JOIN("\"meeting\":\"m\",\"offer\":\"o\"," ONE_LINE), "join.muted"},
    {KG_FROM_CLIENT, JOIN("\"meeting\":\"m\",\"offer\":\"o\",\"muted\":{\"camera\":true}," ONE_LINE),
     "join.microphone"},
    {KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"audio-0\",\"source\":\"auto\"}]}",
     "want.slot"},
    {KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"0\"}]}",
     "want.source"},
    {KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"01\"}]}",
     "want.source"},
    {KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"4294967296\"}]}",
     "want.source"},
    {KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":7}]}", "want.source"},
    {KG_FROM_CLIENT,
     "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"auto\",\"height\":-1}]}",
     "want.height"},
    {KG_FROM_CLIENT,
     "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"auto\"},{\"slot\":\"video-0\","
     "\"source\":"
     "\"none\"}]}",
     "repeats"},
    {KG_FROM_CLIENT, "{\"type\":\"mute\",\"microphone\":1,\"camera\":true}",
     "mute.microphone: must be true or false"},
    {KG_FROM_CLIENT, "{\"a\":[[[[[[[[1]]]]]]]]}", "nested"},
    {KG_FROM_RELAY, "{\"type\":\"welcome\"}", "welcome.room"},
    {KG_FROM_RELAY, "{\"type\":\"slots\",\"slots\":[{\"slot\":\"camera\",\"source\":\"1\"}]}", "slots.slot"},
    {KG_FROM_RELAY, "{\"type\":\"slots\",\"slots\":[{\"slot\":\"audio-0\",\"source\":\"auto\"}]}",
     "slots.source"},
    {KG_FROM_RELAY, "{\"type\":\"policy\",\"udp\":\"sometimes\"}", "policy.udp"},
    {KG_FROM_RELAY, "{\"type\":\"policy\",\"udp\":true}", "policy.udp"},
    {KG_FROM_RELAY, "{\"type\":\"policy\",\"video_kbps\":0}", "policy.video_kbps"},
    {KG_FROM_RELAY, "{\"type\":\"policy\",\"video_kbps\":\"500\"}", "policy.video_kbps"},
    {KG_FROM_RELAY, "{\"type\":\"policy\",\"camera_muted\":1}", "policy.camera_muted"},
    {KG_FROM_RELAY, "{\"type\":\"watched\"}", "watched.sources: is missing"},
    {KG_FROM_RELAY, "{\"type\":\"watched\",\"sources\":[\"32\"]}", "entry 0 must be an object"},
    {KG_FROM_RELAY, "{\"type\":\"watched\",\"sources\":[{\"source\":\"none\"}]}", "watched.source"},
    {KG_FROM_RELAY, "{\"type\":\"watched\",\"sources\":[{\"source\":\"3\"},{\"source\":\"3\"}]}",
     "entry 1 repeats a source"},
    {KG_FROM_RELAY, "{\"type\":\"participants\",\"participants\":[{\"party\":\"x\"}]}", "participants.party"},
    {KG_FROM_RELAY, "{\"type\":\"error\",\"code\":\"\",\"message\":\"\"}", "error.code"},
    {KG_FROM_RELAY, "{\"type\":\"closing\",\"reason\":\"idle\",\"retry_ms\":-1}", "closing.retry_ms"},
};

static void bad_messages_name_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct kg_message *message = decode(refused[i].from, refused[i].text);
        if (message)
            fail_msg("accepted: %s", refused[i].text);
        assert_int_equal(error.code, KG_ERROR_BAD_MESSAGE);
        if (!strstr(error.text, refused[i].says))
            fail_msg("%s: said \"%s\"", refused[i].text, error.text);
    }
    assert_null(decode(KG_FROM_CLIENT, JOIN(REST)));
    assert_int_equal(error.request, 5); /* so that the sender knows which of its requests failed */
}

/* What an old store or a calendar may hold is left out of names; ids are written as they are, or not at all.
 */
static void labels_are_written_clean(void **state)
{
    (void)state;
    size_t size;
    struct kg_participant someone = {.party = 1,
                                     .organization = "\u202e架空市\u2028",
                                     .department = "\xff",
                                     .name = "葛\U000E0100飾　ｶﾞ か\u3099\u200d\n室"};
    struct kg_message m = {.type = KG_MESSAGE_PARTICIPANTS, .participants = {1, &someone}};
    char *text = kg_message_encode(&m, &size);
    assert_non_null(text);
    struct kg_message *back = decode(KG_FROM_RELAY, text);
    assert_string_equal(back->participants.participants[0].organization, "架空市");
    assert_string_equal(back->participants.participants[0].department, "");
    assert_string_equal(back->participants.participants[0].name, "葛\U000E0100飾　ｶﾞ か\u3099室");
    kg_message_destroy(back);
    free(text);
    struct kg_message join = every[1];
    join.join.meeting = "m\u200b";
    assert_null(kg_message_encode(&join, &size));
    char longest[3 * 86 + 1] = "";
    for (size_t i = 0; i < 86; i++)
        memcpy(longest + 3 * i, "会", 3);
    someone.name = longest; /* a character more than allowed: not cut in silence */
    assert_null(kg_message_encode(&m, &size));
}

static void unknown_things(void **state)
{
    (void)state;
    assert_null(decode(KG_FROM_CLIENT, "{\"type\":\"dance\\u3042\",\"request\":8}"));
    assert_int_equal(error.code, KG_ERROR_UNKNOWN_TYPE);
    assert_int_equal(error.request, 8);
    struct kg_message *m =
        decode(KG_FROM_CLIENT, " {\"type\" : \"mute\", \"microphone\":true, \"camera\":false,"
                               "\"later\":{\"a\":[1,2]}, \"n\":null}\n");
    assert_non_null(m);
    assert_true(m->mute.microphone && !m->mute.camera);
    kg_message_destroy(m);
    m = decode(KG_FROM_CLIENT, JOIN(REST "," ONE_LINE ",\"resume\":null"));
    assert_non_null(m);
    assert_null(m->join.resume);
    kg_message_destroy(m);
    m = decode(KG_FROM_CLIENT, "{\"type\":\"want\",\"slots\":[{\"slot\":\"video-0\",\"source\":\"auto\","
                               "\"height\":null}]}");
    assert_non_null(m);
    assert_int_equal(m->want.slots[0].height, 0);
    kg_message_destroy(m);
    m = decode(KG_FROM_RELAY,
               "{\"type\":\"error\",\"request\":null,\"code\":\"new-trouble\",\"message\":\"x\"}");
    assert_non_null(m);
    assert_int_equal(m->error.code, KG_ERROR_OTHER);
    kg_message_destroy(m);
    m = decode(KG_FROM_RELAY, "{\"type\":\"left\",\"reason\":\"new-reason\"}");
    assert_non_null(m);
    assert_int_equal(m->left.reason, KG_REASON_OTHER);
    kg_message_destroy(m);
    kg_message_destroy(NULL);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    char *text = malloc(KG_MESSAGE_MAX_BYTES + 1);
    memset(text, ' ', KG_MESSAGE_MAX_BYTES + 1);
    memcpy(text, "{\"type\":\"leave\"}", 16);
    struct kg_message *m = kg_message_decode(KG_FROM_CLIENT, text, KG_MESSAGE_MAX_BYTES, &error);
    assert_non_null(m);
    kg_message_destroy(m);
    assert_null(kg_message_decode(KG_FROM_CLIENT, text, KG_MESSAGE_MAX_BYTES + 1, &error));
    assert_non_null(strstr(error.text, "262144"));
    memset(text, '[', KG_MESSAGE_MAX_BYTES);
    assert_null(kg_message_decode(KG_FROM_CLIENT, text, KG_MESSAGE_MAX_BYTES, &error));
    assert_non_null(strstr(error.text, "nested"));
    free(text);

    char name[KG_MAX_NAME_BYTES + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    size_t size;
    struct kg_message hello = {.type = KG_MESSAGE_HELLO, .hello = {1, name}};
    assert_null(kg_message_encode(&hello, &size));
    name[KG_MAX_NAME_BYTES] = '\0';
    char *good = kg_message_encode(&hello, &size);
    assert_non_null(good);
    free(good);

    struct kg_participant crowd[KG_MAX_PARTICIPANTS + 1];
    for (unsigned i = 0; i < KG_MAX_PARTICIPANTS + 1; i++)
        crowd[i] =
            (struct kg_participant){.party = i + 1, .organization = "o", .department = "d", .name = "n"};
    struct kg_message all = {.type = KG_MESSAGE_PARTICIPANTS, .participants = {KG_MAX_PARTICIPANTS, crowd}};
    good = kg_message_encode(&all, &size);
    assert_non_null(good);
    free(good);
    all.participants.participant_count++;
    assert_null(kg_message_encode(&all, &size));
    crowd[1].party = 1;
    all.participants.participant_count = 2;
    assert_null(kg_message_encode(&all, &size));
}

static void values_that_cannot_be_sent(void **state)
{
    (void)state;
    const struct kg_message bad[] = {
        {.type = KG_MESSAGE_TYPES},
        {.type = KG_MESSAGE_HELLO, .hello = {1, NULL}},
        {.type = KG_MESSAGE_HELLO, .hello = {1, "\xe3\x81"}},
        {.type = KG_MESSAGE_ERROR, .error = {0, KG_ERROR_OTHER, "x"}},
        {.type = KG_MESSAGE_ERROR, .error = {0, KG_ERROR_NONE, "x"}},
        {.type = KG_MESSAGE_LEFT, .left = {KG_REASON_OTHER}},
        {.type = KG_MESSAGE_WANT,
         .want = {.slot_count = 1, .slots = {{KG_ROLE_CAMERA, 0, KG_WISH_AUTO, 0, 0}}}},
        {.type = KG_MESSAGE_WANT,
         .want = {.slot_count = 1, .slots = {{KG_ROLE_VIDEO_SLOT, 0, KG_WISH_SOURCE, 0, 0}}}},
        {.type = KG_MESSAGE_WANT, .want = {.slot_count = KG_MAX_SLOTS + 1}},
        {.type = KG_MESSAGE_WELCOME, .welcome = {"r", "o", "d", "n", -1, "s"}},
    };
    size_t size;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(kg_message_encode(&bad[i], &size));
}

/* Every ```json block of the protocol's document must be a message, and every message must have one. */
static void the_documents_examples(void **state)
{
    (void)state;
    size_t size = 0;
    char *text = read_file(PROTOCOL, &size);
    assert_non_null(text);
    unsigned found[KG_MESSAGE_TYPES] = {0};
    char *at = text;
    while ((at = strstr(at, "\n```json\n"))) {
        at += strlen("\n```json\n");
        char *end = strstr(at, "\n```");
        assert_non_null(end);
        *end = '\0';
        struct kg_message *m = decode(KG_FROM_CLIENT, at);
        if (!m && error.code == KG_ERROR_UNKNOWN_TYPE)
            m = decode(KG_FROM_RELAY, at);
        if (!m)
            fail_msg("%s\n%s", at, error.text);
        found[m->type]++;
        kg_message_destroy(m);
        at = end + 1;
    }
    for (unsigned i = 0; i < KG_MESSAGE_TYPES; i++)
        if (!found[i])
            fail_msg("the document has no example of %s", kg_message_name((enum kg_message_type)i));
    /* And every name a client may meet is explained. */
    free(text);
    text = read_file(PROTOCOL, &size);
    for (unsigned i = KG_ERROR_BAD_MESSAGE; i < KG_ERROR_OTHER; i++) {
        char name[64];
        snprintf(name, sizeof name, "`%s`", kg_error_name((enum kg_error_code)i));
        assert_int_equal(kg_error_of(kg_error_name((enum kg_error_code)i)), i);
        if (!strstr(text, name))
            fail_msg("the document lacks the error %s", name);
    }
    for (unsigned i = 0; i < KG_REASON_OTHER; i++) {
        char name[64];
        snprintf(name, sizeof name, "`%s`", kg_reason_name((enum kg_reason)i));
        assert_int_equal(kg_reason_of(kg_reason_name((enum kg_reason)i)), i);
        if (!strstr(text, name))
            fail_msg("the document lacks the reason %s", name);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_round_trips),   cmocka_unit_test(truncations_are_refused),
        cmocka_unit_test(bad_messages_name_the_field), cmocka_unit_test(unknown_things),
        cmocka_unit_test(labels_are_written_clean),    cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(values_that_cannot_be_sent),  cmocka_unit_test(the_documents_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
