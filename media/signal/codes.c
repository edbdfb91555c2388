#include "signal/codes.h"

#include <string.h>

#include "base/attr.h"

static const char *const errors[] = {
    [KG_ERROR_NONE] = "none",
    [KG_ERROR_BAD_MESSAGE] = "bad-message",
    [KG_ERROR_UNKNOWN_TYPE] = "unknown-type",
    [KG_ERROR_UNSUPPORTED_PROTOCOL] = "unsupported-protocol",
    [KG_ERROR_UNEXPECTED] = "unexpected",
    [KG_ERROR_UNKNOWN_MEETING] = "unknown-meeting",
    [KG_ERROR_NOT_INVITED] = "not-invited",
    [KG_ERROR_NOT_OPEN_YET] = "not-open-yet",
    [KG_ERROR_ENDED] = "ended",
    [KG_ERROR_BUSY] = "busy",
    [KG_ERROR_BAD_OFFER] = "bad-offer",
    [KG_ERROR_BAD_TOKEN] = "bad-token",
    [KG_ERROR_TOO_MANY] = "too-many",
    [KG_ERROR_REVOKED] = "revoked",
    [KG_ERROR_SHUTTING_DOWN] = "shutting-down",
    [KG_ERROR_INTERNAL] = "internal",
    [KG_ERROR_OTHER] = "other",
};

static const char *const reasons[] = {
    [KG_REASON_REQUESTED] = "requested",
    [KG_REASON_ENDED] = "ended",
    [KG_REASON_REPLACED] = "replaced",
    [KG_REASON_REVOKED] = "revoked",
    [KG_REASON_EXPELLED] = "expelled",
    [KG_REASON_MEDIA_LOST] = "media-lost",
    [KG_REASON_SHUTTING_DOWN] = "shutting-down",
    [KG_REASON_IDLE] = "idle",
    [KG_REASON_OTHER] = "other",
};

const char *kg_error_name(enum kg_error_code code)
{
    return (unsigned)code < KG_ARRAY_LEN(errors) ? errors[code] : errors[KG_ERROR_OTHER];
}

enum kg_error_code kg_error_of(const char *name)
{
    for (unsigned i = KG_ERROR_BAD_MESSAGE; i < KG_ERROR_OTHER; i++)
        if (strcmp(name, errors[i]) == 0)
            return (enum kg_error_code)i;
    return KG_ERROR_OTHER;
}

const char *kg_reason_name(enum kg_reason reason)
{
    return (unsigned)reason < KG_ARRAY_LEN(reasons) ? reasons[reason] : reasons[KG_REASON_OTHER];
}

enum kg_reason kg_reason_of(const char *name)
{
    for (unsigned i = 0; i < KG_REASON_OTHER; i++)
        if (strcmp(name, reasons[i]) == 0)
            return (enum kg_reason)i;
    return KG_REASON_OTHER;
}
