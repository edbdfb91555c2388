#include "app/est_reply.h"

#include <stdio.h>
#include <string.h>

#include "net/est.h"

static void read_certificates(const struct kg_http_answer *answer, struct kg_est_reply *reply)
{
    enum kg_est_fault fault;
    reply->outcome = KG_EST_STRANGE;
    if (strcmp(answer->type, KG_EST_ANSWER_TYPE) != 0) {
        snprintf(reply->close.detail, sizeof reply->close.detail, "200 with a body that is no %s",
                 KG_EST_ANSWER_TYPE);
        return;
    }
    reply->certificates = kg_est_certificates_decode(answer->body, answer->body_size, &fault);
    if (reply->certificates)
        reply->outcome = KG_EST_ISSUED;
    else
        snprintf(reply->close.detail, sizeof reply->close.detail, "%s", kg_est_fault_text(fault));
}

void kg_est_reply_of(const struct kg_http_answer *answer, struct kg_est_reply *reply)
{
    *reply = (struct kg_est_reply){.retry_s = answer->retry_after_s, .close = {.failure = KG_WS_HTTP}};
    reply->close.status = answer->status;
    snprintf(reply->close.detail, sizeof reply->close.detail, "the relay answered %d", answer->status);
    switch (answer->status) {
    case 200:
        read_certificates(answer, reply);
        break;
    case 202:
        reply->outcome = KG_EST_PENDING;
        break;
    case 401:
    case 403:
        reply->outcome = KG_EST_REJECTED;
        break;
    case 429:
    case 503:
        reply->outcome = KG_EST_BUSY;
        break;
    default:
        reply->outcome = KG_EST_STRANGE;
        break;
    }
}

void kg_est_reply_finish(struct kg_est_reply *reply)
{
    sk_X509_pop_free(reply->certificates, X509_free);
    reply->certificates = NULL;
}
