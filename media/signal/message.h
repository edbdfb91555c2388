/* The control protocol's messages (PROTOCOL.md) as structs, to and from JSON text.
 * Thread: any; pure.
 * Ownership: a decoded message owns every string and array in it, freed at once by kg_message_destroy. To
 * encode, fill a struct kg_message of your own with borrowed pointers; encoding keeps none of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "signal/wire.h"

enum {
    KG_PROTOCOL_VERSION = 1,
    KG_MESSAGE_MAX_BYTES = 256 * 1024, /* JSON text, either direction */
    KG_MESSAGE_MAX_DEPTH = 8,          /* nested arrays and objects */
    KG_MAX_NAME_BYTES = 255,           /* any name, id, software or free text, in UTF-8 bytes */
    KG_MAX_TOKEN_BYTES = 128,
    KG_MAX_PARTICIPANTS = 128,
    KG_MAX_SLOTS = KG_AUDIO_SLOTS + KG_VIDEO_SLOTS + KG_PRESENTATION_SLOTS,
    KG_ERROR_TEXT_BYTES = 200,
};

/* Stable names on the wire: kg_error_name. */
enum kg_error_code {
    KG_ERROR_NONE,
    KG_ERROR_BAD_MESSAGE,          /* "bad-message": not JSON, a field missing, wrong or out of range */
    KG_ERROR_UNKNOWN_TYPE,         /* "unknown-type": well-formed, but no such message in this direction */
    KG_ERROR_UNSUPPORTED_PROTOCOL, /* "unsupported-protocol" */
    KG_ERROR_UNEXPECTED,           /* "unexpected": not in this state (before hello, join while joined...) */
    KG_ERROR_UNKNOWN_MEETING,      /* "unknown-meeting" */
    KG_ERROR_NOT_INVITED,          /* "not-invited" */
    KG_ERROR_NOT_OPEN_YET,         /* "not-open-yet" */
    KG_ERROR_ENDED,                /* "ended" */
    KG_ERROR_BUSY,                 /* "busy": this room sits in a meeting already */
    KG_ERROR_BAD_OFFER,            /* "bad-offer" */
    KG_ERROR_BAD_TOKEN,            /* "bad-token": the resume token is unknown, used, expired or another's */
    KG_ERROR_TOO_MANY,      /* "too-many": the meeting or the relay is full, or messages come too fast */
    KG_ERROR_REVOKED,       /* "revoked": this room's certificate */
    KG_ERROR_SHUTTING_DOWN, /* "shutting-down" */
    KG_ERROR_INTERNAL,      /* "internal" */
    KG_ERROR_OTHER,         /* decoding only: a name this version does not know */
};
const char *kg_error_name(enum kg_error_code code);

/* Why a party is no longer in the meeting (left) or the connection ends (closing). */
enum kg_reason {
    KG_REASON_REQUESTED,     /* "requested": it said leave */
    KG_REASON_ENDED,         /* "ended": the meeting */
    KG_REASON_REPLACED,      /* "replaced": the same room joined or connected anew */
    KG_REASON_REVOKED,       /* "revoked" */
    KG_REASON_EXPELLED,      /* "expelled": by an administrator */
    KG_REASON_MEDIA_LOST,    /* "media-lost": no media path came up, or consent ran out */
    KG_REASON_SHUTTING_DOWN, /* "shutting-down": the relay stops or restarts */
    KG_REASON_IDLE,          /* "idle": pings unanswered, or no hello in time */
    KG_REASON_OTHER,         /* decoding only: a name this version does not know */
};
const char *kg_reason_name(enum kg_reason reason);

enum kg_message_type {
    /* client → relay */
    KG_MESSAGE_HELLO,
    KG_MESSAGE_JOIN,
    KG_MESSAGE_WANT,
    KG_MESSAGE_MUTE,
    KG_MESSAGE_LEAVE,
    /* relay → client */
    KG_MESSAGE_WELCOME,
    KG_MESSAGE_AGENDA,
    KG_MESSAGE_JOINED,
    KG_MESSAGE_PARTICIPANTS,
    KG_MESSAGE_SLOTS,
    KG_MESSAGE_LEFT,
    KG_MESSAGE_ERROR,
    KG_MESSAGE_CLOSING,
    KG_MESSAGE_TYPES
};
const char *kg_message_name(enum kg_message_type type);

struct kg_message_line {
    const char *mid;
    enum kg_role role;
    uint8_t index;
};

struct kg_muted {
    bool microphone, camera;
};

enum kg_want_kind { KG_WANT_AUTO, KG_WANT_NONE, KG_WANT_SOURCE };
struct kg_want {
    enum kg_role role; /* KG_ROLE_VIDEO_SLOT or KG_ROLE_PRESENTATION_SLOT */
    uint8_t index;
    enum kg_want_kind kind;
    uint32_t source; /* with KG_WANT_SOURCE */
    uint16_t height; /* rows it will be drawn with; 0: no wish */
};

struct kg_slot {
    enum kg_role role; /* any slot */
    uint8_t index;
    uint32_t source; /* 0: empty */
};

struct kg_participant {
    uint32_t party; /* unique in the meeting, kept by resume; never 0 */
    const char *organization, *department, *name;
    struct kg_muted muted;
    bool away; /* its seat is kept, its connection is lost */
    struct {
        uint32_t microphone, camera, presentation; /* source ids; 0: none */
    } sources;
};

struct kg_message {
    enum kg_message_type type;
    union {
        struct {
            uint32_t protocol;
            const char *software;
        } hello;
        struct {
            uint32_t request; /* the client's number, echoed in joined or error; never 0 */
            const char *meeting, *offer;
            uint8_t line_count;
            struct kg_message_line lines[KG_MAX_LINES];
            struct kg_muted muted;
            const char *resume; /* NULL: a new seat */
        } join;
        struct {
            uint8_t slot_count;
            struct kg_want slots[KG_MAX_SLOTS];
        } want;
        struct kg_muted mute;
        struct {
            const char *room_id, *organization, *department, *name;
            int64_t time_ms; /* the relay's wall clock, since 1970 UTC */
            const char *software;
        } welcome;
        struct {
            uint64_t revision; /* differs when the calendar differs; ≤ 2^53 */
            const char *calendar;
        } agenda;
        struct {
            uint32_t request;
            const char *meeting, *answer, *resume;
            uint32_t party; /* the client's own */
            uint8_t participant_count;
            const struct kg_participant *participants; /* itself too */
        } joined;
        struct {
            uint8_t participant_count;
            const struct kg_participant *participants;
        } participants;
        struct {
            uint8_t slot_count;
            struct kg_slot slots[KG_MAX_SLOTS]; /* those that changed */
        } slots;
        struct {
            enum kg_reason reason;
        } left;
        struct {
            uint32_t request; /* 0: answers no request */
            enum kg_error_code code;
            const char *message;
        } error;
        struct {
            enum kg_reason reason;
            uint32_t retry_ms; /* connect again no sooner */
        } closing;
    };
    void *owned; /* decoding's storage; leave it NULL when you fill the struct */
};

/* Why decoding refused a text, fit to be sent back in `error`. */
struct kg_message_error {
    enum kg_error_code code;
    uint32_t request; /* when it could be read, else 0 */
    char text[KG_ERROR_TEXT_BYTES];
};

enum kg_message_from { KG_FROM_CLIENT, KG_FROM_RELAY };

/* One message of that sender. NULL, with *error filled, when it is refused. Unknown fields are ignored.
 * Free with kg_message_destroy. */
KG_MUST_CHECK struct kg_message *kg_message_decode(enum kg_message_from from, const char *text, size_t size,
                                                   struct kg_message_error *error);
void kg_message_destroy(struct kg_message *message);

/* One line of JSON, NUL-terminated, without the NUL in *size; the caller frees it with free(). NULL: a value
 * breaks a limit above, a string is not UTF-8, or memory is short (logged). */
KG_MUST_CHECK char *kg_message_encode(const struct kg_message *message, size_t *size);
