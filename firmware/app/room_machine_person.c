/* The room's state machine: what somebody touches. */
#include "app/room_machine_internal.h"

static void toggle(struct kg_room_machine *m, bool *off)
{
    *off = !*off;
    m->state.meeting.microphone_muted = m->muted.microphone;
    m->state.meeting.camera_muted = m->muted.camera;
    kg_room_machine_act(
        m, KG_ROOM_MUTE); /* first: a slow card must not keep the microphone open while it is written to */
    kg_room_machine_act(m, KG_ROOM_SAVE_PRIVACY);
}

void kg_room_machine_intent(struct kg_room_machine *m, const struct kg_intent *intent)
{
    enum kg_room_screen screen = m->state.screen;
    switch (intent->kind) {
    case KG_INTENT_JOIN:
        if (screen == KG_SCREEN_HOME || screen == KG_SCREEN_ENDED)
            kg_room_machine_join(m, intent->uid);
        break;
    case KG_INTENT_CANCEL_JOIN:
        if (screen == KG_SCREEN_JOINING) {
            kg_room_machine_act(m, KG_ROOM_LEAVE);
            kg_room_machine_show_home(m);
        }
        break;
    case KG_INTENT_LEAVE:
        if (screen == KG_SCREEN_MEETING)
            kg_room_machine_show_ended(m, KG_ENDED_LEFT);
        break;
    case KG_INTENT_TOGGLE_MICROPHONE:
        toggle(m, &m->muted.microphone);
        break;
    case KG_INTENT_TOGGLE_CAMERA:
        toggle(m, &m->muted.camera);
        break;
    case KG_INTENT_BACK_HOME:
        if (!kg_room_machine_in_call(m))
            kg_room_machine_show_home(m);
        break;
    case KG_INTENT_RETRY:
    case KG_INTENT_REJOIN:
        if (m->uid[0] != '\0' && (screen == KG_SCREEN_ERROR || screen == KG_SCREEN_ENDED))
            kg_room_machine_join(m, m->uid);
        else if (screen == KG_SCREEN_ERROR)
            kg_room_machine_show_home(m);
        if (m->link == KG_ROOM_LINK_DOWN)
            kg_room_machine_connect(m);
        break;
    case KG_INTENT_NONE:
    case KG_INTENT_QUIT:
        break;
    }
}
