/* The control protocol's messages (PROTOCOL.md) as structs, to and from JSON text.
 * Thread: any; pure.
 * Ownership: a decoded message owns every string and array in it, freed at once by kg_message_destroy. To
 * encode, fill a struct kg_message of your own with borrowed pointers; encoding keeps none of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "signal/codes.h"
#include "signal/wire.h"

enum {
    KG_PROTOCOL_VERSION = 1,
    KG_MESSAGE_MAX_BYTES = 256 * 1024, /* JSON text, either direction */
    KG_MESSAGE_MAX_DEPTH = 8,          /* nested arrays and objects */
    KG_MAX_NAME_BYTES = 255,           /* any name, id, software or free text, in UTF-8 bytes */
    KG_MAX_TOKEN_BYTES = 128,
    KG_MAX_PARTICIPANTS = 128,
    KG_MAX_SLOTS = KG_AUDIO_SLOTS + KG_VIDEO_SLOTS + KG_PRESENTATION_SLOTS,
    KG_MAX_WATCHED = 8, /* own pictures: a camera, a presentation, and room for more */
    KG_ERROR_TEXT_BYTES = 200,
};

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
    KG_MESSAGE_POLICY,
    KG_MESSAGE_JOINED,
    KG_MESSAGE_PARTICIPANTS,
    KG_MESSAGE_SLOTS,
    KG_MESSAGE_WATCHED,
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

enum kg_wish { KG_WISH_AUTO, KG_WISH_NONE, KG_WISH_SOURCE };
struct kg_message_want {
    enum kg_role role; /* KG_ROLE_VIDEO_SLOT or KG_ROLE_PRESENTATION_SLOT */
    uint8_t index;
    enum kg_wish wish;
    uint32_t source; /* with KG_WISH_SOURCE */
    uint16_t height; /* rows it will be drawn with; 0: no wish */
};

struct kg_message_slot {
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

/* What administrators have set for the room; the rest is the room's own affair. */
enum kg_say { KG_SAY_NOTHING, KG_SAY_NO, KG_SAY_YES };
enum kg_udp_use { KG_UDP_UNSAID, KG_UDP_AUTO, KG_UDP_NEVER };
struct kg_message_policy {
    uint32_t video_kbps; /* the most to send, for camera and presentation each; 0: nothing said */
    enum kg_udp_use udp;
    enum kg_say microphone_muted, camera_muted; /* when joining */
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
            struct kg_message_want slots[KG_MAX_SLOTS];
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
        struct kg_message_policy policy;
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
            struct kg_message_slot slots[KG_MAX_SLOTS]; /* those that changed */
        } slots;
        struct {
            uint8_t source_count;
            uint32_t sources[KG_MAX_WATCHED]; /* the client's own, never 0; those not named nobody watches */
        } watched;
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
