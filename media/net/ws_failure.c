#include "net/ws_failure.h"

const char *kg_ws_failure_name(enum kg_ws_failure failure)
{
    static const char *const names[KG_WS_FAILURES] = {
        [KG_WS_CLOSED] = "closed",
        [KG_WS_NAME] = "name",
        [KG_WS_UNREACHABLE] = "unreachable",
        [KG_WS_PROXY_UNREACHABLE] = "proxy-unreachable",
        [KG_WS_PROXY] = "proxy",
        [KG_WS_PROXY_AUTH] = "proxy-auth",
        [KG_WS_IDENTITY] = "identity",
        [KG_WS_TLS_UNTRUSTED] = "tls-untrusted",
        [KG_WS_TLS_EXPIRED] = "tls-expired",
        [KG_WS_TLS_NOT_YET] = "tls-not-yet-valid",
        [KG_WS_TLS_NAME] = "tls-name",
        [KG_WS_REJECTED] = "rejected",
        [KG_WS_REJECTED_EXPIRED] = "rejected-expired",
        [KG_WS_TLS] = "tls",
        [KG_WS_HTTP] = "http",
        [KG_WS_TIMEOUT] = "timeout",
    };
    return failure < KG_WS_FAILURES ? names[failure] : "?";
}

enum kg_ws_failure kg_ws_failure_of_tls(enum kg_tls_problem problem)
{
    switch (problem) {
    case KG_TLS_CA_FILE:
    case KG_TLS_CERTIFICATE_FILE:
    case KG_TLS_KEY_FILE:
        return KG_WS_IDENTITY;
    case KG_TLS_UNTRUSTED:
        return KG_WS_TLS_UNTRUSTED;
    case KG_TLS_EXPIRED:
        return KG_WS_TLS_EXPIRED;
    case KG_TLS_NOT_YET_VALID:
        return KG_WS_TLS_NOT_YET;
    case KG_TLS_WRONG_NAME:
        return KG_WS_TLS_NAME;
    case KG_TLS_REJECTED:
        return KG_WS_REJECTED;
    case KG_TLS_REJECTED_EXPIRED:
        return KG_WS_REJECTED_EXPIRED;
    case KG_TLS_OK:
    case KG_TLS_FAILED:
        break;
    }
    return KG_WS_TLS;
}
