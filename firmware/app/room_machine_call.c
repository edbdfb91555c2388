/* The room's state machine: what the running call reports of itself and its devices. */
#include "app/problems.h"
#include "app/room_machine_internal.h"
#include "app/room_view.h"
#include "base/log.h"

static void on_media_lost(struct kg_room_machine *m, const struct kg_media_report *report)
{
    kg_log(KG_LOG_WARN, "app", "app.media-lost", "the call is lost: %s", report->text);
    m->media_up = false;
    if (!kg_room_machine_in_call(m) || m->join_pending)
        return;
    if (++m->media_losses >= KG_ROOM_MEDIA_TRIES) {
        kg_room_machine_show_error(m, kg_problem_of_loss(report->loss), report->text);
        return;
    }
    kg_room_machine_cut_off(m);
    if (m->link == KG_ROOM_LINK_READY)
        kg_room_machine_send_join(m);
}

static void on_device(struct kg_room_machine *m, const struct kg_media_report *report)
{
    static const enum kg_notice notices[] = {[KG_MEDIA_CAMERA] = KG_NOTICE_CAMERA_UNPLUGGED,
                                             [KG_MEDIA_MICROPHONE] = KG_NOTICE_MICROPHONE_UNPLUGGED,
                                             [KG_MEDIA_SPEAKER] = KG_NOTICE_SPEAKER_UNPLUGGED};
    enum kg_device_state *const states[] = {[KG_MEDIA_CAMERA] = &m->state.camera,
                                            [KG_MEDIA_MICROPHONE] = &m->state.microphone,
                                            [KG_MEDIA_SPEAKER] = &m->state.speaker};
    *states[report->device] = report->device_present ? KG_DEVICE_OK : KG_DEVICE_MISSING;
    m->state.notices[notices[report->device]] = !report->device_present;
}

void kg_room_machine_media(struct kg_room_machine *m, const struct kg_media_report *report)
{
    switch (report->event) {
    case KG_MEDIA_CONNECTED:
        m->media_up = true;
        m->media_since_us = m->now_us;
        if (m->link == KG_ROOM_LINK_READY)
            m->state.meeting.reconnecting = false;
        kg_room_view_step(&m->state.joining, KG_JOINING_PICTURE);
        break;
    case KG_MEDIA_LOST:
        on_media_lost(m, report);
        break;
    case KG_MEDIA_STATUS:
        m->state.meeting.line_quality = report->line_quality;
        m->state.meeting.speaking = report->speaking;
        m->state.meeting.main_source = report->main_source;
        m->state.notices[KG_NOTICE_LINE_POOR] =
            m->state.screen == KG_SCREEN_MEETING && m->media_up && report->line_quality == 1;
        if (m->media_up && m->now_us - m->media_since_us > 30000000)
            m->media_losses = 0;
        break;
    case KG_MEDIA_PICTURE:
        m->pictured = true;
        break;
    case KG_MEDIA_DEVICE:
        on_device(m, report);
        break;
    }
    kg_room_machine_check_joined(m);
}
