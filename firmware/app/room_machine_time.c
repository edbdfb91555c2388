/* The room's state machine: what happens because time goes on, and the day's agenda. */
#include "app/room_machine_internal.h"
#include "app/room_view.h"

void kg_room_machine_remember(struct kg_room_machine *m, const struct kg_room_name *name)
{
    m->state.room = *name;
}

void kg_room_machine_agenda(struct kg_room_machine *m, const struct kg_room_meeting *meetings, uint32_t count,
                            int64_t agenda_us)
{
    m->state.agenda_us = agenda_us;
    kg_room_view_agenda(&m->state, meetings, count);
    kg_room_view_time(&m->state);
    kg_room_machine_try_auto_join(m);
}

void kg_room_machine_certificate(struct kg_room_machine *m, int64_t end_us)
{
    m->state.certificate_end_us = end_us;
}

void kg_room_machine_next(struct kg_room_machine *m, const struct kg_agenda_day *next)
{
    kg_room_view_next(&m->state, next);
}

static void on_join_too_long(struct kg_room_machine *m)
{
    if (m->seated)
        kg_room_machine_show_error(m, KG_PROBLEM_MEDIA_BLOCKED, "neither UDP nor the tunnel carries media");
    else if (m->refused_busy)
        kg_room_machine_show_error(m, KG_PROBLEM_RELAY_BUSY, "the relay refused this room as busy");
    else
        kg_room_machine_show_link_error(m, KG_PROBLEM_RELAY_UNREACHABLE, "no answer in time");
}

/* Pages that wait for a touch: not for ever. */
static void leave_page(struct kg_room_machine *m)
{
    int64_t shown_us = m->now_us - m->page_since_us;
    if ((m->state.screen == KG_SCREEN_ENDED && shown_us >= KG_ROOM_ENDED_PAGE_US) ||
        (m->state.screen == KG_SCREEN_ERROR && shown_us >= KG_ROOM_ERROR_PAGE_US))
        kg_room_machine_show_home(m);
}

void kg_room_machine_tick(struct kg_room_machine *m, int64_t now_us, int64_t wall_us)
{
    m->now_us = now_us;
    m->state.wall_us = wall_us;
    if (m->state.relay == KG_RELAY_CONNECTED && m->state.agenda_us != 0)
        m->state.agenda_us = wall_us;
    kg_room_view_time(&m->state);
    if (m->link == KG_ROOM_LINK_DOWN && now_us >= m->connect_us)
        kg_room_machine_connect(m);
    if (m->busy_until_us != 0 && now_us >= m->busy_until_us) {
        m->busy_until_us = 0;
        if (kg_room_machine_in_call(m) && m->link == KG_ROOM_LINK_READY && !m->join_pending && !m->seated)
            kg_room_machine_send_join(m);
    }
    if (m->state.screen == KG_SCREEN_JOINING && now_us - m->joining_since_us >= KG_ROOM_JOIN_MAX_US &&
        !m->media_up)
        on_join_too_long(m);
    if (m->state.screen == KG_SCREEN_MEETING && m->state.meeting.reconnecting && now_us >= m->give_up_us)
        kg_room_machine_give_up(m);
    leave_page(m);
    if (m->state.lost_us != 0 && wall_us - m->state.lost_us >= KG_ROOM_TELL_LOST_US)
        m->state.lost_us = 0;
    kg_room_machine_check_joined(m);
    kg_room_machine_try_auto_join(m);
}

int64_t kg_room_machine_next_us(const struct kg_room_machine *m)
{
    int64_t next_us = m->now_us + 1000000; /* the clock on screen, meetings that begin */
    if (m->link == KG_ROOM_LINK_DOWN)
        next_us = KG_MIN(next_us, m->connect_us);
    if (m->busy_until_us != 0)
        next_us = KG_MIN(next_us, m->busy_until_us);
    return next_us;
}
