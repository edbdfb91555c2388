#include "screens/screen.h"

/* A new screen: its file, its value in enum kg_room_screen, its line here. */
const struct kg_screen *const kg_screens[KG_SCREEN_COUNT] = {
    [KG_SCREEN_HOME] = &kg_screen_home,       [KG_SCREEN_JOINING] = &kg_screen_joining,
    [KG_SCREEN_MEETING] = &kg_screen_meeting, [KG_SCREEN_ENDED] = &kg_screen_ended,
    [KG_SCREEN_ERROR] = &kg_screen_error,     [KG_SCREEN_ENROLMENT] = &kg_screen_enrolment,
};
