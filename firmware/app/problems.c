#include "app/problems.h"

#include <string.h>

enum kg_problem kg_problem_of_close(enum kg_ws_failure failure)
{
    switch (failure) {
    case KG_WS_CLOSED:
        return KG_PROBLEM_NONE;
    case KG_WS_NAME:
        return KG_PROBLEM_RELAY_NAME;
    case KG_WS_UNREACHABLE:
    case KG_WS_TIMEOUT:
        return KG_PROBLEM_RELAY_UNREACHABLE;
    case KG_WS_PROXY_UNREACHABLE:
        return KG_PROBLEM_PROXY_UNREACHABLE;
    case KG_WS_PROXY:
        return KG_PROBLEM_PROXY_REFUSED;
    case KG_WS_PROXY_AUTH:
        return KG_PROBLEM_PROXY_PASSWORD;
    case KG_WS_IDENTITY:
        return KG_PROBLEM_IDENTITY;
    case KG_WS_TLS_UNTRUSTED:
    case KG_WS_TLS_NAME:
        return KG_PROBLEM_RELAY_UNTRUSTED;
    case KG_WS_TLS_EXPIRED:
        return KG_PROBLEM_RELAY_EXPIRED;
    case KG_WS_TLS_NOT_YET:
        /* No authority signs for the future; a clock without a battery starts in the past. */
        return KG_PROBLEM_CLOCK_WRONG;
    case KG_WS_REJECTED:
        return KG_PROBLEM_CERTIFICATE_REFUSED;
    case KG_WS_REJECTED_EXPIRED:
        return KG_PROBLEM_CERTIFICATE_EXPIRED;
    case KG_WS_TLS:
    case KG_WS_HTTP:
        return KG_PROBLEM_PROTOCOL;
    case KG_WS_FAILURES:
        break;
    }
    return KG_PROBLEM_INTERNAL;
}

enum kg_problem kg_problem_of_error(enum kg_error_code code)
{
    switch (code) {
    case KG_ERROR_NONE:
    case KG_ERROR_BUSY:
    case KG_ERROR_BAD_TOKEN:
    case KG_ERROR_SHUTTING_DOWN:
        return KG_PROBLEM_NONE;
    case KG_ERROR_BAD_MESSAGE:
    case KG_ERROR_UNKNOWN_TYPE:
    case KG_ERROR_UNSUPPORTED_PROTOCOL:
    case KG_ERROR_UNEXPECTED:
    case KG_ERROR_BAD_OFFER:
        return KG_PROBLEM_PROTOCOL;
    case KG_ERROR_UNKNOWN_MEETING:
        return KG_PROBLEM_MEETING_NOT_FOUND;
    case KG_ERROR_NOT_INVITED:
        return KG_PROBLEM_MEETING_NOT_INVITED;
    case KG_ERROR_NOT_OPEN_YET:
    case KG_ERROR_ENDED:
        return KG_PROBLEM_MEETING_NOT_OPEN;
    case KG_ERROR_TOO_MANY:
        return KG_PROBLEM_MEETING_FULL;
    case KG_ERROR_REVOKED:
        return KG_PROBLEM_CERTIFICATE_REFUSED;
    case KG_ERROR_INTERNAL:
    case KG_ERROR_OTHER:
        break;
    }
    return KG_PROBLEM_INTERNAL;
}

enum kg_problem kg_problem_of_loss(enum kg_media_loss loss)
{
    switch (loss) {
    case KG_MEDIA_LOSS_NO_PATH:
    case KG_MEDIA_LOSS_CONSENT:
        return KG_PROBLEM_MEDIA_BLOCKED;
    case KG_MEDIA_LOSS_HANDSHAKE:
        return KG_PROBLEM_PROTOCOL;
    case KG_MEDIA_LOSS_OTHER:
        break;
    }
    return KG_PROBLEM_INTERNAL;
}

static bool is_retryable(enum kg_problem problem)
{
    switch (problem) {
    case KG_PROBLEM_NONE:
    case KG_PROBLEM_MEETING_NOT_INVITED:
    case KG_PROBLEM_MEETING_NOT_FOUND:
        return false;
    default:
        return true;
    }
}

void kg_problem_fill(struct kg_room_error *error, enum kg_problem problem, const char *detail)
{
    memset(error, 0, sizeof *error);
    error->problem = problem;
    error->retryable = is_retryable(problem);
    kg_room_text_set(error->detail, sizeof error->detail, detail);
}
