#include "app/remedy.h"

const char *kg_remedy_of_close(enum kg_ws_failure failure)
{
    static const char *const remedies[KG_WS_FAILURES] = {
        [KG_WS_NAME] = "check the cable, host in [relay], and the name service",
        [KG_WS_UNREACHABLE] = "check the cable, host and port in [relay], and that the relay runs",
        [KG_WS_PROXY_UNREACHABLE] = "check the cable, and host and port in [proxy]",
        [KG_WS_PROXY] = "let the proxy CONNECT to the relay's host and port, and check that the relay runs",
        [KG_WS_PROXY_AUTH] = "check user and password in [proxy]",
        [KG_WS_IDENTITY] = ("check the files named in [relay] and [identity], or take certificate-file away "
                            "to enrol the room again"),
        [KG_WS_TLS_UNTRUSTED] = "check ca-file in [relay], and that host is the relay's",
        [KG_WS_TLS_EXPIRED] = "renew the relay's certificate, or set this clock",
        [KG_WS_TLS_NOT_YET] = "set this clock",
        [KG_WS_TLS_NAME] = "check that host in [relay] is a name in the relay's certificate",
        [KG_WS_REJECTED] = "enrol the room again: take certificate-file away and start this terminal anew",
        [KG_WS_REJECTED_EXPIRED] =
            "enrol the room again: take certificate-file away and start this terminal anew",
        [KG_WS_TLS] = "check that host and port in [relay] are the relay's",
        [KG_WS_HTTP] = "check that host and port in [relay] are the relay's, and both are of one version",
        [KG_WS_TIMEOUT] = "check the line, and that the relay runs",
    };
    return failure < KG_WS_FAILURES ? remedies[failure] : NULL;
}
