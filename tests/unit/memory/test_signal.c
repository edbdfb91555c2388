/* Messages, SDP and agenda when memory is short: jansson allocates here, too. GLib and libical keep their
 * own. */
#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <jansson.h>

#include "fakes/failing_alloc.h"
#include "signal/agenda.h"
#include "signal/answer.h"
#include "signal/message.h"
#include "signal/offer.h"

static char *offer_text, *answer_text;
static struct kg_message_line lines[KG_OFFER_LINES];
static struct kg_message_error error;
static struct kg_wire wire;

static const char join_text[] =
    "{\"type\":\"join\",\"request\":1,\"meeting\":\"m\",\"offer\":\"v=0\",\"lines\":[{\"mid\":\"0\",\"role\":"
    "\"microphone\"},{\"mid\":\"1\",\"role\":\"camera\"}],\"muted\":{\"microphone\":true,\"camera\":false},"
    "\"resume\":"
    "\"t\"}";
static const char people_text[] =
    "{\"type\":\"participants\",\"participants\":[{\"party\":\"912\",\"organization\":\"架空市\","
    "\"department\":"
    "\"総務課\",\"name\":\"大会議室\",\"microphone\":false,\"camera\":false,\"state\":\"away\",\"sources\":{"
    "\"microphone\":\"31\"}}]}";

static bool decode(enum kg_message_from from, const char *text)
{
    struct kg_message *message = kg_message_decode(from, text, strlen(text), &error);
    bool done = message != NULL;
    /* INTERNAL, but for words and numbers that jansson takes for ill-formed when it cannot keep them. */
    if (!done)
        assert_true(error.code == KG_ERROR_INTERNAL || strstr(error.text, "not valid JSON"));
    kg_message_destroy(message);
    return done;
}

static bool decode_join(void)
{
    return decode(KG_FROM_CLIENT, join_text);
}

static bool decode_participants(void)
{
    return decode(KG_FROM_RELAY, people_text);
}

static bool encode_joined(void)
{
    static const struct kg_participant people[] = {
        {.party = 5,
         .organization = "架空市",
         .department = "総務課",
         .name = "大会議室",
         .sources = {1, 2, 0}},
        {.party = 6, .organization = "見本町", .department = "", .name = "会議室", .away = true}};
    struct kg_message message = {.type = KG_MESSAGE_JOINED,
                                 .joined = {.request = 1,
                                            .meeting = "m",
                                            .answer = "v=0",
                                            .resume = "t",
                                            .party = 5,
                                            .participant_count = 2,
                                            .participants = people}};
    size_t size;
    char *text = kg_message_encode(&message, &size);
    free(text);
    return text != NULL;
}

static bool make_offer(void)
{
    struct kg_offer_params params = {.session_id = 77,
                                     .ufrag = "TERM",
                                     .pwd = "terminalterminalterminal",
                                     .cname = "kyoto",
                                     .microphone = {11, 0},
                                     .camera = {21, 22},
                                     .presentation = {31, 32}};
    char *text = kg_offer_make(&params, lines);
    if (text && !offer_text)
        offer_text = text;
    else
        free(text);
    return text != NULL;
}

static bool make_answer(void)
{
    struct kg_answer_params params = {.session_id = 88,
                                      .relay = {.ufrag = "00relay", .pwd = "relayrelayrelayrelayrelay"}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
    inet_pton(AF_INET, "192.0.2.5", &address.sin_addr);
    memcpy(&params.relay.candidates[0].address, &address, sizeof address);
    params.relay.candidate_count = 1;
    params.relay.candidates[0].priority = 1;
    for (uint32_t i = 0; i < KG_AUDIO_SLOTS; i++)
        params.audio[i].ssrc = 100 + i;
    for (uint32_t i = 0; i < KG_VIDEO_SLOTS; i++)
        params.video[i] = (struct kg_slot_ssrc){200 + i, 300 + i};
    params.presentation[0] = (struct kg_slot_ssrc){400, 401};
    char *text = kg_answer_make(offer_text, lines, KG_OFFER_LINES, &params, &wire, &error);
    if (!text)
        assert_int_equal(error.code, KG_ERROR_INTERNAL);
    if (text && !answer_text)
        answer_text = text;
    else
        free(text);
    return text != NULL;
}

static bool read_answer(void)
{
    bool done = kg_wire_from_answer(offer_text, lines, KG_OFFER_LINES, answer_text, &wire, &error);
    if (!done)
        assert_int_equal(error.code, KG_ERROR_INTERNAL);
    return done;
}

static bool format_agenda(void)
{
    char uid[] = "u@kaku.example", title[] = "朝会", empty[] = "", room[] = "room-a";
    char *rooms[] = {room};
    struct kg_meeting meeting = {.uid = uid,
                                 .title = title,
                                 .description = empty,
                                 .organizer = empty,
                                 .location = empty,
                                 .start_us = INT64_C(1795222800000000),
                                 .end_us = INT64_C(1795226400000000),
                                 .room_count = 1,
                                 .rooms = rooms};
    char *text = kg_agenda_format(&meeting, 1, NULL);
    free(text);
    return text != NULL;
}

/* A list that could not be made shorter is as good. */
static unsigned done_without;

static bool parse_agenda(void)
{
    static const char text[] =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u@kaku.example\r\n"
        "DTSTART:20261121T000000Z\r\nDTEND:20261121T010000Z\r\nSUMMARY:朝会\r\n"
        "ATTENDEE;CUTYPE=ROOM:mailto:room-a@kaku.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    struct kg_agenda *agenda = kg_agenda_parse(text, sizeof text - 1, 0, INT64_MAX / 2);
    bool done = agenda && agenda->meeting_count == 1;
    kg_agenda_destroy(agenda);
    if (done && kg_failing_alloc_struck())
        done_without++;
    return done && !kg_failing_alloc_struck();
}

static void memory_is_short(void **state)
{
    (void)state;
    json_set_alloc_funcs(kg_failing_malloc, kg_failing_free);
    assert_true(kg_failing_alloc_each("join, decoded", decode_join) > 10);
    assert_true(kg_failing_alloc_each("participants, decoded", decode_participants) > 10);
    assert_true(kg_failing_alloc_each("joined, encoded", encode_joined) > 20);
    assert_true(make_offer());
    assert_true(kg_failing_alloc_each("offer", make_offer) >= 1);
    assert_true(make_answer());
    assert_true(kg_failing_alloc_each("answer", make_answer) >= 2);
    assert_true(kg_failing_alloc_each("answer, read", read_answer) >= 1);
    assert_true(kg_failing_alloc_each("agenda, written", format_agenda) >= 1);
    assert_true(kg_failing_alloc_each("agenda, read", parse_agenda) >= 4);
    assert_true(done_without <= 1);
    free(offer_text);
    free(answer_text);
    assert_int_equal(kg_failing_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
