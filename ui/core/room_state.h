/* What the touchscreen shows: plain data between the room's state machine, which knows no pixels, and the
 * screens, which know no media. Thread: values, copied. Owns nothing. Start from kg_room_state_init: states
 * are compared byte by byte to draw only on change. Texts are UTF-8 and NUL-terminated; set them with
 * kg_room_text_set, which never cuts a character in two. Wall times are microseconds since 1970 UTC
 * (kg_clock_wall_us) and are shown in the device's time zone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/intent.h"
#include "core/problems.h"

enum {
    KG_ROOM_NAME_SIZE = 128,
    KG_ROOM_TITLE_SIZE = 256,
    KG_ROOM_MAX_SITES = 6,         /* other sites named on one card; site_count may say more */
    KG_ROOM_MAX_MEETINGS = 32,     /* today's */
    KG_ROOM_MAX_NEXT = 6,          /* of the days after today */
    KG_ROOM_MAX_PARTICIPANTS = 16, /* other rooms in the meeting */
};

enum kg_room_screen {
    KG_SCREEN_HOME,
    KG_SCREEN_JOINING,
    KG_SCREEN_MEETING,
    KG_SCREEN_ENDED,
    KG_SCREEN_ERROR,
    KG_SCREEN_ENROLMENT, /* before there is a room: this device has no certificate */
    KG_SCREEN_COUNT,
};

/* 団体名・所属・会議室名, as the relay's directory has them; department may be empty. */
struct kg_room_name {
    char organization[KG_ROOM_NAME_SIZE];
    char department[KG_ROOM_NAME_SIZE];
    char name[KG_ROOM_NAME_SIZE];
};

enum kg_relay_state {
    KG_RELAY_CONNECTING, /* first attempt since start */
    KG_RELAY_CONNECTED,
    KG_RELAY_AWAY, /* lost or never reached: the agenda shown is the cached one */
};

enum kg_device_state { KG_DEVICE_OK, KG_DEVICE_STARTING, KG_DEVICE_MISSING };

enum kg_meeting_state { KG_MEETING_UPCOMING, KG_MEETING_NOW, KG_MEETING_ENDED, KG_MEETING_CANCELLED };

struct kg_room_meeting {
    char uid[KG_ROOM_UID_SIZE];
    char title[KG_ROOM_TITLE_SIZE];
    int64_t start_us;                             /* wall */
    int64_t end_us;                               /* wall */
    struct kg_room_name sites[KG_ROOM_MAX_SITES]; /* the others, not this room */
    uint32_t site_count; /* all others; those past the last with a name above are only counted */
    enum kg_meeting_state state;
    bool joinable; /* 「会議に参加」 is offered */
};

/* A meeting of another day: only said. */
struct kg_room_next {
    char title[KG_ROOM_TITLE_SIZE];
    int64_t start_us, end_us; /* wall */
};

/* The steps of joining, in the order shown. */
enum kg_joining_step {
    KG_JOINING_RELAY,   /* control channel to the relay */
    KG_JOINING_ADMIT,   /* the relay admits this room */
    KG_JOINING_MEDIA,   /* encrypted media path */
    KG_JOINING_PICTURE, /* first remote picture; KG_STEP_DONE at once when nobody else is there */
    KG_JOINING_STEPS,
};
enum kg_step_state { KG_STEP_WAITING, KG_STEP_DOING, KG_STEP_DONE };

struct kg_room_joining {
    char title[KG_ROOM_TITLE_SIZE];
    enum kg_step_state steps[KG_JOINING_STEPS];
    bool resuming; /* coming back to a meeting this room was in */
};

struct kg_room_participant {
    struct kg_room_name name;
    uint32_t camera; /* source ids as in kg_frame.source; 0: none */
    uint32_t microphone;
    uint32_t presentation;
    bool microphone_muted;
    bool camera_muted;
    bool away; /* its seat is kept while it reconnects */
};

struct kg_room_in_meeting {
    char title[KG_ROOM_TITLE_SIZE];
    int64_t start_us; /* wall; the agenda's */
    int64_t end_us;
    struct kg_room_participant participants[KG_ROOM_MAX_PARTICIPANTS]; /* others, in the relay's order */
    uint32_t participant_count;
    uint32_t main_source; /* camera or presentation the relay put in the main picture; 0: none yet */
    uint32_t speaking;    /* microphone source id of who speaks; 0: nobody */
    uint8_t line_quality; /* 0 (none) … 4 (good) */
    bool microphone_muted;
    bool camera_muted;
    bool reconnecting;  /* lost the relay; coming back by itself */
    int64_t give_up_us; /* wall; reconnecting: when the room goes home if it does not come back; 0: never */
};

enum kg_ended_reason {
    KG_ENDED_LEFT,    /* someone here touched 「退出」 */
    KG_ENDED_TIME,    /* the meeting is over */
    KG_ENDED_REMOVED, /* taken out by the organiser or the relay */
};

struct kg_room_ended {
    char title[KG_ROOM_TITLE_SIZE];
    enum kg_ended_reason reason;
    int64_t duration_us;
    bool rejoinable;
};

/* Passing conditions said over any screen; they go away by themselves when cleared. */
enum kg_notice {
    KG_NOTICE_CAMERA_UNPLUGGED,
    KG_NOTICE_MICROPHONE_UNPLUGGED,
    KG_NOTICE_SPEAKER_UNPLUGGED,
    KG_NOTICE_LINE_POOR,
    KG_NOTICE_MEETING_ENDING, /* five minutes before the end */
    KG_NOTICE_COUNT,
};

struct kg_room_error {
    enum kg_problem problem;
    char detail[256]; /* for the IT staff, one line: "10.1.2.3:443 connection refused" */
    bool retryable;   /* 「もう一度試す」 is offered */
    bool no_home;     /* there is none to go back to */
};

enum kg_enrolment_step {
    KG_ENROLMENT_PREPARING, /* the relay does not know of us yet: no code is shown */
    KG_ENROLMENT_WAITING,   /* for a person to approve the code */
    KG_ENROLMENT_REJECTED,  /* a person said no */
    KG_ENROLMENT_BUSY,      /* the relay takes no more devices */
};

struct kg_room_enrolment_page {
    enum kg_enrolment_step step;
    bool away;          /* the relay cannot be reached just now; the code holds */
    char code[12];      /* "ABC-DEF-GHJ" */
    char key[96];       /* SHA-256 of the device's public key, "AB:CD:…" */
    char authority[96]; /* SHA-256 of the certificate of the authority that relays are checked with */
    char serial[65];    /* what the device calls itself; may be empty */
    char relay[254];    /* its name or address */
    int64_t until_us;   /* wall; the code's end */
};

struct kg_room_state {
    enum kg_room_screen screen;
    int64_t wall_us; /* now; shown to the minute */
    struct kg_room_name room;
    enum kg_relay_state relay;
    bool relay_closing; /* it said that it stops or restarts */
    int64_t lost_us;   /* wall; when a meeting was left because the line stayed away; 0: home tells of none */
    int64_t agenda_us; /* wall; when the meetings below were true: now while connected; 0: none came yet */
    enum kg_device_state camera, microphone, speaker;
    bool notices[KG_NOTICE_COUNT];
    struct kg_room_meeting meetings[KG_ROOM_MAX_MEETINGS]; /* today's by start time */
    uint32_t meeting_count;
    struct kg_room_next next[KG_ROOM_MAX_NEXT]; /* after today, by start; none of them cancelled */
    uint32_t next_count;
    struct kg_room_joining joining;          /* KG_SCREEN_JOINING */
    struct kg_room_in_meeting meeting;       /* KG_SCREEN_MEETING */
    struct kg_room_ended ended;              /* KG_SCREEN_ENDED */
    struct kg_room_enrolment_page enrolment; /* KG_SCREEN_ENROLMENT */
    int64_t certificate_end_us;              /* wall; home tells of it; 0: it is far, or there is none */
    struct kg_room_error error; /* KG_SCREEN_ERROR; on home, problem says why the relay is away */
};

/* Zeroes every byte, padding too. */
void kg_room_state_init(struct kg_room_state *state);
/* Copies at most size-1 bytes, cut at a character; malformed UTF-8 becomes U+FFFD, controls and separators
 * spaces, and what else kg_utf8_is_treacherous is left out. */
void kg_room_text_set(char *text, size_t size, const char *utf8);
/* How many of the others stand in meeting->sites. */
uint32_t kg_room_sites_named(const struct kg_room_meeting *meeting);
/* Who sends this source, or NULL. 0 is nobody. */
const struct kg_room_participant *kg_room_participant_of(const struct kg_room_in_meeting *meeting,
                                                         uint32_t source);
/* The meeting home offers first: joinable and begun last, else joinable and first to begin, else the next;
 * NULL if none. */
const struct kg_room_meeting *kg_room_meeting_offered(const struct kg_room_state *state);
