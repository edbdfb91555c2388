/* What can go wrong, and for each: what it is called, why it happens, what the room can do. Thread: any. */
#pragma once

#include <stdbool.h>

enum kg_problem {
    KG_PROBLEM_NONE,
    KG_PROBLEM_RELAY_NAME,          /* the relay's name has no address */
    KG_PROBLEM_RELAY_UNREACHABLE,   /* no answer, refused */
    KG_PROBLEM_RELAY_BUSY,          /* it answers, but has been too busy to let us in */
    KG_PROBLEM_PROXY_UNREACHABLE,   /* the proxy has no address, gives no answer, refuses */
    KG_PROBLEM_PROXY_REFUSED,       /* the proxy answers, but does not connect us to the relay */
    KG_PROBLEM_PROXY_PASSWORD,      /* 407: the proxy wants a name and password, or others */
    KG_PROBLEM_RELAY_UNTRUSTED,     /* not the pinned CA, or another name */
    KG_PROBLEM_RELAY_EXPIRED,       /* its certificate has, or our clock is ahead */
    KG_PROBLEM_CERTIFICATE_EXPIRED, /* ours */
    KG_PROBLEM_CERTIFICATE_REFUSED, /* ours: revoked or unknown */
    KG_PROBLEM_CLOCK_WRONG,         /* behind: the relay's certificate is of the future */
    KG_PROBLEM_ROOM_TAKEN,          /* another terminal has come with this room's certificate */
    KG_PROBLEM_PROTOCOL,            /* relay and terminal do not understand each other */
    KG_PROBLEM_MEETING_NOT_FOUND,
    KG_PROBLEM_MEETING_NOT_OPEN, /* too early, over or cancelled */
    KG_PROBLEM_MEETING_NOT_INVITED,
    KG_PROBLEM_MEETING_FULL,
    KG_PROBLEM_MEDIA_BLOCKED, /* admitted, but neither UDP nor the tunnel carries media */
    KG_PROBLEM_SETTINGS,      /* detail: file, line, nearest key */
    KG_PROBLEM_IDENTITY,      /* key or certificate file missing or unreadable */
    KG_PROBLEM_INTERNAL,
    KG_PROBLEM_COUNT,
};

enum { KG_PROBLEM_REMEDIES = 3 };

/* Japanese source texts for kg_tr. */
struct kg_problem_text {
    const char *code; /* stable; the IT guide lists them */
    const char *headline;
    const char *cause;
    const char *remedies[KG_PROBLEM_REMEDIES]; /* NULL after the last */
    bool needs_it;                             /* does not pass by itself: the IT staff must act */
};

/* Never NULL; KG_PROBLEM_NONE and unknown values read as KG_PROBLEM_INTERNAL. */
const struct kg_problem_text *kg_problem_text(enum kg_problem problem);
