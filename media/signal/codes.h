/* The control protocol's error codes and reasons, and their names on the wire.
 * Thread: any; pure. */
#pragma once

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
    KG_ERROR_BUSY,          /* "busy": the relay has no room for the request right now; again in a second */
    KG_ERROR_BAD_OFFER,     /* "bad-offer" */
    KG_ERROR_BAD_TOKEN,     /* "bad-token": the resume token is unknown, used, expired or another's */
    KG_ERROR_TOO_MANY,      /* "too-many": the meeting or the relay is full, or messages come too fast */
    KG_ERROR_REVOKED,       /* "revoked": this room's certificate */
    KG_ERROR_SHUTTING_DOWN, /* "shutting-down" */
    KG_ERROR_INTERNAL,      /* "internal" */
    KG_ERROR_OTHER,         /* decoding only: a name this version does not know */
};
const char *kg_error_name(enum kg_error_code code);
/* KG_ERROR_OTHER when the name is not known. */
enum kg_error_code kg_error_of(const char *name);

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
enum kg_reason kg_reason_of(const char *name);
