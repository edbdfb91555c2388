#include "states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define LONG_TITLE                                                                                                                                         \
    "令和八年度架空県内市町村情報システム標準化・共通化に係る第三回実務担当者連絡調整会議及び意見交換会(" \
    "後半)"
#define LONG_NAME "架空郡架空町外三箇町村衛生施設一部事務組合広域連合"

static void set_name(struct kg_room_name *n, const char *organization, const char *department,
                     const char *name)
{
    kg_room_text_set(n->organization, sizeof(n->organization), organization);
    kg_room_text_set(n->department, sizeof(n->department), department);
    kg_room_text_set(n->name, sizeof(n->name), name);
}

static void base(struct kg_room_state *s)
{
    kg_room_state_init(s);
    s->wall_us = STATES_WALL_US;
    set_name(&s->room, "架空市", "企画政策課", "第1会議室");
    s->relay = KG_RELAY_CONNECTED;
    s->agenda_us = STATES_WALL_US;
}

static struct kg_room_meeting *add(struct kg_room_state *s, int start, int length, const char *title,
                                   const char *organization, const char *room)
{
    struct kg_room_meeting *m = &s->meetings[s->meeting_count];
    snprintf(m->uid, sizeof(m->uid), "meeting-%u@kaigi.example", s->meeting_count++);
    kg_room_text_set(m->title, sizeof(m->title), title);
    m->start_us = STATES_WALL_US + start * MINUTE_US;
    m->end_us = m->start_us + length * MINUTE_US;
    set_name(&m->sites[0], organization, "総務課", room);
    m->site_count = 1;
    m->state = start + length <= 0 ? KG_MEETING_ENDED : start <= 0 ? KG_MEETING_NOW : KG_MEETING_UPCOMING;
    m->joinable = m->state == KG_MEETING_NOW;
    return m;
}

static void add_next(struct kg_room_state *s, int days, int hour, int length, const char *title)
{
    /* STATES_WALL_US is 14:28. */
    struct kg_room_next *m = &s->next[s->next_count++];
    m->start_us = STATES_WALL_US + (days * 1440 + hour * 60 - 868) * MINUTE_US;
    m->end_us = m->start_us + length * MINUTE_US;
    kg_room_text_set(m->title, sizeof(m->title), title);
}

static void coming_days(struct kg_room_state *s)
{
    add_next(s, 2, 10, 60, "定例連絡会");
    add_next(s, 3, 13, 90, "情報セキュリティ研修(第2回)");
    add_next(s, 5, 9, 30, "防災行政無線の更新に関する打合せ");
    add_next(s, 12, 15, 60, LONG_TITLE);
}

static void day(struct kg_room_state *s)
{
    base(s);
    add(s, -328, 60, "朝の定例打合せ", "架空市東支所", "会議室");
    struct kg_room_meeting *m = add(s, -28, 60, "防災情報システム更新に関する連絡会議", "例示町", "大会議室");
    set_name(&m->sites[1], "架空県", "危機管理課", "災害対策室");
    m->site_count = 2;
    add(s, 62, 60, "住民窓口サービス改善の検討会", "見本村", "役場2階会議室");
    add(s, 152, 30, "議会対応 事前打合せ", "架空市西支所", "会議室B");
    coming_days(s);
}

static void home_upcoming(struct kg_room_state *s)
{
    base(s);
    add(s, 32, 60, "住民窓口サービス改善の検討会", "見本村", "役場2階会議室");
    add(s, 122, 30, "議会対応 事前打合せ", "架空市西支所", "会議室B");
    s->microphone = KG_DEVICE_MISSING;
    s->notices[KG_NOTICE_MICROPHONE_UNPLUGGED] = true;
}

static void home_away(struct kg_room_state *s)
{
    day(s);
    s->relay = KG_RELAY_AWAY;
    s->agenda_us = STATES_WALL_US - 13 * MINUTE_US;
    for (uint32_t i = 0; i < s->meeting_count; i++)
        s->meetings[i].joinable = false;
}

static void home_lost(struct kg_room_state *s)
{
    home_away(s);
    s->lost_us = STATES_WALL_US - 3 * MINUTE_US;
}

/* The next morning, line and meetings as if nothing had been. */
static void home_lost_before(struct kg_room_state *s)
{
    day(s);
    s->lost_us = STATES_WALL_US - 1000 * MINUTE_US;
}

static void home_none_coming(struct kg_room_state *s)
{
    base(s);
    coming_days(s);
}

static void home_all_over(struct kg_room_state *s)
{
    base(s);
    add(s, -328, 60, "朝の定例打合せ", "架空市東支所", "会議室");
}

static void home_crowded(struct kg_room_state *s)
{
    base(s);
    set_name(&s->room, LONG_NAME, "情報政策推進室デジタル化推進担当", "本庁舎別館三階東側第二特別会議室(大)");
    for (int i = 0; i < 12; i++) {
        struct kg_room_meeting *m =
            add(s, -328 + 60 * i, i == 5 ? 90 : 50, LONG_TITLE, LONG_NAME, "別館三階東側特別会議室");
        for (int j = 1; j < KG_ROOM_MAX_SITES; j++)
            set_name(&m->sites[j], LONG_NAME, "総務課", "会議室");
        m->site_count = 9;
        m->joinable = m->state != KG_MEETING_ENDED && i < 8;
    }
    s->meetings[2].state = KG_MEETING_CANCELLED;
    s->relay = KG_RELAY_AWAY;
    s->agenda_us = STATES_WALL_US - 13 * MINUTE_US;
    s->error.problem = KG_PROBLEM_CERTIFICATE_REFUSED;
    s->camera = s->microphone = s->speaker = KG_DEVICE_MISSING;
}

static void home_crowded_lost(struct kg_room_state *s)
{
    home_crowded(s);
    s->lost_us = STATES_WALL_US - 1000 * MINUTE_US;
}

/* One meeting of a day, with so many other rooms. */
static struct kg_room_meeting *home_with(struct kg_room_state *s, uint32_t sites)
{
    static const char *const names[][3] = {
        {"見本町", "企画財政課", "大会議室"},   {"例示村", "総務課", "役場2階会議室"},
        {"架空県", "危機管理課", "災害対策室"}, {"架空市東支所", "地域振興課", "会議室"},
        {"架空広域消防本部", "警防課", "講堂"}, {"見本市", "情報政策課", "第3会議室"}};
    base(s);
    struct kg_room_meeting *m = add(s, -4, 60, "連絡会議", "", "");
    m->site_count = sites;
    for (uint32_t i = 0; i < sites && i < KG_ROOM_MAX_SITES; i++)
        set_name(&m->sites[i], names[i][0], names[i][1], names[i][2]);
    return m;
}

static void home_alone(struct kg_room_state *s)
{
    home_with(s, 0);
}

static void home_one(struct kg_room_state *s)
{
    home_with(s, 1);
}

static void home_one_coming(struct kg_room_state *s)
{
    home_with(s, 1);
    coming_days(s);
}

static void home_three(struct kg_room_state *s)
{
    home_with(s, 3);
}

static void home_twelve(struct kg_room_state *s)
{
    home_with(s, 12);
}

static void home_one_long(struct kg_room_state *s)
{
    struct kg_room_meeting *m = home_with(s, 1);
    set_name(&m->sites[0], LONG_NAME, "情報政策推進室デジタル化推進担当",
             "本庁舎別館三階東側第二特別会議室(大)");
}

static void home_counted(struct kg_room_state *s)
{
    struct kg_room_meeting *m = home_with(s, 12);
    memset(m->sites, 0, sizeof(m->sites));
}

static void home_rare(struct kg_room_state *s)
{
    base(s);
    /* Kanji as in municipal names, outside the common set, a variation selector, and one the font lacks
     * (U+20BB7). */
    set_name(&s->room, "架葛󠄀市・架驒市・見鰺ヶ町", "檮本・架竈・龍ケ見",
             "髙﨑・邊邉・𠮷野の間");
    add(s, -28, 60, "匝本市・宍本市・祇󠄀本・德本 連絡会議", "架葛󠄀区",
        "逗󠄀留の間");
}

static void joining(struct kg_room_state *s)
{
    day(s);
    s->screen = KG_SCREEN_JOINING;
    memcpy(s->joining.title, s->meetings[1].title, sizeof(s->joining.title));
    s->joining.steps[KG_JOINING_RELAY] = KG_STEP_DONE;
    s->joining.steps[KG_JOINING_ADMIT] = KG_STEP_DONE;
    s->joining.steps[KG_JOINING_MEDIA] = KG_STEP_DOING;
}

static void rejoining(struct kg_room_state *s)
{
    joining(s);
    kg_room_text_set(s->joining.title, sizeof(s->joining.title), LONG_TITLE);
    s->joining.resuming = true;
    s->joining.steps[KG_JOINING_RELAY] = KG_STEP_DOING;
    s->joining.steps[KG_JOINING_ADMIT] = KG_STEP_WAITING;
    s->joining.steps[KG_JOINING_MEDIA] = KG_STEP_WAITING;
}

static void meeting(struct kg_room_state *s)
{
    day(s);
    s->screen = KG_SCREEN_MEETING;
    struct kg_room_in_meeting *m = &s->meeting;
    memcpy(m->title, s->meetings[1].title, sizeof(m->title));
    m->start_us = s->meetings[1].start_us;
    m->end_us = s->meetings[1].end_us;
    m->participant_count = 1;
    m->participants[0].camera = STATES_CAMERA_B;
    m->participants[0].microphone = STATES_MICROPHONE_B;
    set_name(&m->participants[0].name, "例示町", "総務課 防災係", "大会議室");
    m->main_source = STATES_CAMERA_B;
    m->speaking = STATES_MICROPHONE_B;
    m->line_quality = 4;
}

static void meeting_muted(struct kg_room_state *s)
{
    meeting(s);
    s->meeting.microphone_muted = s->meeting.camera_muted = true;
    s->meeting.speaking = 0;
    s->meeting.participants[0].microphone_muted = true;
}

static void meeting_microphone_muted(struct kg_room_state *s)
{
    meeting(s);
    s->meeting.microphone_muted = true;
    s->meeting.line_quality = 3;
}

static void meeting_troubled(struct kg_room_state *s)
{
    meeting_muted(s);
    s->meeting.line_quality = 1;
    for (int i = 0; i < KG_NOTICE_COUNT; i++)
        s->notices[i] = true;
    s->camera = KG_DEVICE_MISSING;
    s->meeting.end_us = s->wall_us + 4 * MINUTE_US;
    kg_room_text_set(s->meeting.title, sizeof(s->meeting.title), LONG_TITLE);
    set_name(&s->meeting.participants[0].name, LONG_NAME, "情報政策推進室デジタル化推進担当",
             "本庁舎別館三階東側第二特別会議室(大)");
}

static void meeting_no_devices(struct kg_room_state *s)
{
    meeting(s);
    s->camera = s->microphone = s->speaker = KG_DEVICE_MISSING;
    s->notices[KG_NOTICE_CAMERA_UNPLUGGED] = s->notices[KG_NOTICE_MICROPHONE_UNPLUGGED] =
        s->notices[KG_NOTICE_SPEAKER_UNPLUGGED] = true;
}

static void meeting_no_camera(struct kg_room_state *s)
{
    meeting(s);
    s->camera = KG_DEVICE_MISSING;
    s->notices[KG_NOTICE_CAMERA_UNPLUGGED] = true;
}

static void meeting_no_speaker(struct kg_room_state *s)
{
    meeting(s);
    s->speaker = KG_DEVICE_MISSING;
    s->notices[KG_NOTICE_SPEAKER_UNPLUGGED] = true;
}

static void meeting_camera_off(struct kg_room_state *s)
{
    meeting(s);
    s->meeting.participants[0].camera_muted = true;
}

static void meeting_alone(struct kg_room_state *s)
{
    meeting(s);
    s->meeting.participant_count = 0;
    s->meeting.main_source = s->meeting.speaking = 0;
}

static void meeting_reconnecting(struct kg_room_state *s)
{
    meeting(s);
    s->meeting.reconnecting = true;
    s->meeting.line_quality = 0;
    s->meeting.give_up_us = STATES_WALL_US + 5 * MINUTE_US;
    s->relay = KG_RELAY_AWAY;
}

static void meeting_shut_out(struct kg_room_state *s)
{
    meeting_reconnecting(s);
    s->error.problem = KG_PROBLEM_CERTIFICATE_EXPIRED;
}

static void meeting_many(struct kg_room_state *s)
{
    meeting(s);
    struct kg_room_in_meeting *m = &s->meeting;
    for (uint32_t i = 1; i < 6; i++) {
        struct kg_room_participant *p = &m->participants[i];
        p->camera = STATES_CAMERA_C + 10 * (i - 1);
        p->microphone = p->camera + 1;
        p->microphone_muted = i % 2 == 0;
        set_name(&p->name, i == 3 ? LONG_NAME : "見本村", "総務課", "会議室");
    }
    m->participant_count = 6;
    m->speaking = STATES_CAMERA_C + 1;
}

static void ended(struct kg_room_state *s)
{
    day(s);
    s->screen = KG_SCREEN_ENDED;
    memcpy(s->ended.title, s->meetings[1].title, sizeof(s->ended.title));
    s->ended.duration_us = 42 * MINUTE_US;
    s->ended.rejoinable = true;
}

static void ended_removed(struct kg_room_state *s)
{
    ended(s);
    kg_room_text_set(s->ended.title, sizeof(s->ended.title), LONG_TITLE);
    s->ended.reason = KG_ENDED_REMOVED;
    s->ended.duration_us = 605 * MINUTE_US;
    s->ended.rejoinable = false;
}

static void error_relay(struct kg_room_state *s)
{
    day(s);
    s->screen = KG_SCREEN_ERROR;
    s->error.problem = KG_PROBLEM_RELAY_UNREACHABLE;
    s->error.retryable = true;
    kg_room_text_set(s->error.detail, sizeof(s->error.detail), "192.0.2.10:443 connection refused");
}

static void error_long(struct kg_room_state *s)
{
    home_crowded(s);
    s->screen = KG_SCREEN_ERROR;
    s->error.problem = KG_PROBLEM_SETTINGS;
    kg_room_text_set(
        s->error.detail, sizeof(s->error.detail),
        "/etc/kaigi/terminal.confの17行目: "
        "[screen]のtime-zoneの値が正しくありません。Asia/Tokyoのような時間帯の名前にしてください。");
}

static void error_before_enrolment(struct kg_room_state *s)
{
    kg_room_state_init(s);
    s->wall_us = STATES_WALL_US;
    s->screen = KG_SCREEN_ERROR;
    s->error.problem = KG_PROBLEM_RELAY_UNTRUSTED;
    s->error.retryable = s->error.no_home = true;
    kg_room_text_set(s->error.detail, sizeof(s->error.detail),
                     "self-signed certificate in certificate chain (certificate of other)");
}

static void home_certificate(struct kg_room_state *s)
{
    day(s);
    s->certificate_end_us = STATES_WALL_US + INT64_C(13) * 1440 * MINUTE_US;
}

static void enrolment(struct kg_room_state *s)
{
    static const char print[] = "5F:0B:D3:41:7C:9A:EE:02:88:1D:6B:F4:35:C7:90:AB:"
                                "E1:24:59:BC:03:7F:D8:66:4A:92:1E:C5:0D:F3:B7:28";
    kg_room_state_init(s);
    s->wall_us = STATES_WALL_US;
    s->screen = KG_SCREEN_ENROLMENT;
    s->enrolment.step = KG_ENROLMENT_WAITING;
    s->enrolment.until_us = STATES_WALL_US + 29 * MINUTE_US;
    kg_room_text_set(s->enrolment.code, sizeof(s->enrolment.code), "7QM-0WD-XH8");
    kg_room_text_set(s->enrolment.key, sizeof(s->enrolment.key), print);
    kg_room_text_set(s->enrolment.authority, sizeof(s->enrolment.authority), print);
    kg_room_text_set(s->enrolment.serial, sizeof(s->enrolment.serial), "10000000A3C5F27E");
    kg_room_text_set(s->enrolment.relay, sizeof(s->enrolment.relay), "relay.kaku.example");
}

static void enrolment_preparing(struct kg_room_state *s)
{
    enrolment(s);
    s->enrolment.step = KG_ENROLMENT_PREPARING;
}

/* The widest code, about to end, and names too long for their place. */
static void enrolment_away(struct kg_room_state *s)
{
    enrolment(s);
    s->enrolment.away = true;
    s->enrolment.until_us = STATES_WALL_US + MINUTE_US / 2;
    kg_room_text_set(s->enrolment.code, sizeof(s->enrolment.code), "WWW-MMM-WWW");
    kg_room_text_set(s->enrolment.serial, sizeof(s->enrolment.serial),
                     "1234567890123456789012345678901234567890123456789012345678901234");
    kg_room_text_set(s->enrolment.relay, sizeof(s->enrolment.relay),
                     "kaigi-relay.joho-system.kyodo-riyo.kaku.kaku-ken.example.lg.invalid");
}

static void enrolment_rejected(struct kg_room_state *s)
{
    enrolment(s);
    s->enrolment.step = KG_ENROLMENT_REJECTED;
}

static void enrolment_busy(struct kg_room_state *s)
{
    enrolment(s);
    s->enrolment.step = KG_ENROLMENT_BUSY;
    s->enrolment.serial[0] = '\0';
}

#define ERROR_CASE(lower, UPPER)                                                                             \
    static void error_##lower(struct kg_room_state *s)                                                       \
    {                                                                                                        \
        error_relay(s);                                                                                      \
        s->error.problem = KG_PROBLEM_##UPPER;                                                               \
    }
ERROR_CASE(name, RELAY_NAME)
ERROR_CASE(busy, RELAY_BUSY)
ERROR_CASE(proxy, PROXY_UNREACHABLE)
ERROR_CASE(proxy_refused, PROXY_REFUSED)
ERROR_CASE(proxy_password, PROXY_PASSWORD)
ERROR_CASE(untrusted, RELAY_UNTRUSTED)
ERROR_CASE(relay_expired, RELAY_EXPIRED)
ERROR_CASE(taken, ROOM_TAKEN)
ERROR_CASE(expired, CERTIFICATE_EXPIRED)
ERROR_CASE(refused, CERTIFICATE_REFUSED)
ERROR_CASE(clock, CLOCK_WRONG)
ERROR_CASE(protocol, PROTOCOL)
ERROR_CASE(not_found, MEETING_NOT_FOUND)
ERROR_CASE(not_open, MEETING_NOT_OPEN)
ERROR_CASE(not_invited, MEETING_NOT_INVITED)
ERROR_CASE(full, MEETING_FULL)
ERROR_CASE(media, MEDIA_BLOCKED)
ERROR_CASE(identity, IDENTITY)
ERROR_CASE(internal, INTERNAL)

const struct state_case state_cases[] = {
    {"home", day, false, false, 0},
    {"home-none", base, false, false, 0},
    {"home-none-coming", home_none_coming, false, false, 0},
    {"home-one-coming", home_one_coming, false, false, 0},
    {"home-over", home_all_over, false, false, 0},
    {"home-upcoming", home_upcoming, false, false, 0},
    {"home-away", home_away, false, false, 0},
    {"home-lost", home_lost, false, false, 0},
    {"home-lost-before", home_lost_before, false, false, 0},
    {"home-crowded", home_crowded, false, false, 0},
    {"home-crowded-lost", home_crowded_lost, false, false, 0},
    {"home-rare", home_rare, false, false, 0},
    {"home-alone", home_alone, false, false, 0},
    {"home-one", home_one, false, false, 0},
    {"home-one-long", home_one_long, false, false, 0},
    {"home-three", home_three, false, false, 0},
    {"home-twelve", home_twelve, false, false, 0},
    {"home-counted", home_counted, false, false, 0},
    {"home-certificate", home_certificate, false, false, 0},
    {"joining", joining, false, false, 0},
    {"joining-again", rejoining, false, false, 0},
    {"meeting", meeting, true, true, 0},
    {"meeting-muted", meeting_muted, true, false, 0},
    {"meeting-microphone", meeting_microphone_muted, true, true, 0},
    {"meeting-troubled", meeting_troubled, true, false, 0},
    {"meeting-no-devices", meeting_no_devices, true, false, 0},
    {"meeting-no-camera", meeting_no_camera, true, false, 0},
    {"meeting-no-speaker", meeting_no_speaker, true, true, 0},
    {"meeting-camera-off", meeting_camera_off, true, true, 0},
    {"meeting-alone", meeting_alone, false, true, 0},
    {"meeting-waiting", meeting, false, true, 0},
    {"meeting-reconnecting", meeting_reconnecting, true, true, 0},
    {"meeting-shut-out", meeting_shut_out, true, true, 0},
    {"meeting-many", meeting_many, true, true, 5},
    {"ended", ended, false, false, 0},
    {"ended-removed", ended_removed, false, false, 0},
    {"error-relay", error_relay, false, false, 0},
    {"error-long", error_long, false, false, 0},
    {"error-name", error_name, false, false, 0},
    {"error-busy", error_busy, false, false, 0},
    {"error-proxy", error_proxy, false, false, 0},
    {"error-proxy-refused", error_proxy_refused, false, false, 0},
    {"error-proxy-password", error_proxy_password, false, false, 0},
    {"error-untrusted", error_untrusted, false, false, 0},
    {"error-relay-expired", error_relay_expired, false, false, 0},
    {"error-taken", error_taken, false, false, 0},
    {"error-expired", error_expired, false, false, 0},
    {"error-refused", error_refused, false, false, 0},
    {"error-clock", error_clock, false, false, 0},
    {"error-protocol", error_protocol, false, false, 0},
    {"error-not-found", error_not_found, false, false, 0},
    {"error-not-open", error_not_open, false, false, 0},
    {"error-not-invited", error_not_invited, false, false, 0},
    {"error-full", error_full, false, false, 0},
    {"error-media", error_media, false, false, 0},
    {"error-identity", error_identity, false, false, 0},
    {"error-internal", error_internal, false, false, 0},
    {"error-before-enrolment", error_before_enrolment, false, false, 0},
    {"enrolment", enrolment, false, false, 0},
    {"enrolment-preparing", enrolment_preparing, false, false, 0},
    {"enrolment-away", enrolment_away, false, false, 0},
    {"enrolment-rejected", enrolment_rejected, false, false, 0},
    {"enrolment-busy", enrolment_busy, false, false, 0},
};
const size_t state_case_count = KG_ARRAY_LEN(state_cases);

struct kg_frame *states_picture(uint32_t width, uint32_t height, uint32_t source, int phase)
{
    struct kg_frame *f = kg_frame_create(width, height);
    if (!f)
        return NULL;
    f->source = source;
    uint8_t *y = (uint8_t *)(uintptr_t)f->plane[0];
    int cx = (int)width / 2 + phase, cy = (int)height / 2, r = (int)height / 4;
    for (int j = 0; j < (int)height; j++)
        for (int i = 0; i < (int)width; i++) {
            int dx = i - cx, dy = j - cy;
            bool inside = dx * dx + dy * dy < r * r;
            y[j * f->stride[0] + i] =
                (uint8_t)(inside ? 190 - dy * 40 / r : 60 + j * 60 / (int)height + i * 50 / (int)width);
        }
    for (int p = 1; p < 3; p++) {
        uint8_t *uv = (uint8_t *)(uintptr_t)f->plane[p];
        for (int j = 0; j < (int)height / 2; j++)
            memset(uv + j * f->stride[p], p == 1 ? 120 + j * 30 / (int)height : 120 + (int)(source % 24),
                   width / 2);
    }
    return f;
}
