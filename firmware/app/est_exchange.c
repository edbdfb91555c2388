#include "app/est_exchange.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "net/est.h"
#include "net/https_ask.h"

#define TIMEOUT_US 20000000

struct kg_est_exchange {
    const struct kg_terminal_settings *settings;
    void (*wake)(void);
    int cancel_fd;
    bool running;
    struct kg_thread thread;

    /* Of the thread until done. */
    enum kg_est_operation operation;
    char *body;
    struct kg_est_reply reply;
    atomic_bool done;
};

static struct kg_https_ask request_to(const struct kg_est_exchange *x, const char *path)
{
    const struct kg_terminal_settings *s = x->settings;
    return (struct kg_https_ask){.host = s->relay_host,
                                 .port = (uint16_t)s->relay_port,
                                 .path = path,
                                 .ca_file = s->relay_ca_file,
                                 .proxy_host = s->proxy_host,
                                 .proxy_port = (uint16_t)s->proxy_port,
                                 .proxy_user = s->proxy_user,
                                 .proxy_password = s->proxy_password,
                                 .timeout_us = TIMEOUT_US,
                                 .cancel_fd = x->cancel_fd};
}

static void ask(const struct kg_https_ask *request, struct kg_est_reply *reply)
{
    struct kg_http_answer answer;
    *reply = (struct kg_est_reply){.outcome = KG_EST_AWAY, .retry_s = -1};
    if (!kg_https_ask(request, &answer, &reply->close))
        return;
    kg_est_reply_of(&answer, reply);
    kg_http_answer_finish(&answer);
}

/* What is issued comes alone (RFC 7030 §4.2.3); those who lead from it to the authority are asked for here
 * (§4.1). Whether they do is judged by whoever takes the certificate. */
static void ask_authorities(struct kg_est_exchange *x, struct kg_est_reply *authorities)
{
    const struct kg_https_ask request = request_to(x, KG_EST_PATH "/cacerts");
    ask(&request, authorities);
}

/* Takes both apart: *authorities is empty afterwards. */
static void add_authorities(struct kg_est_reply *reply, struct kg_est_reply *authorities)
{
    X509 *certificate;
    if (authorities->outcome != KG_EST_ISSUED) {
        kg_est_reply_finish(reply);
        *reply = *authorities;
        *authorities = (struct kg_est_reply){0};
        return;
    }
    while ((certificate = sk_X509_shift(authorities->certificates)) != NULL) {
        if (sk_X509_push(reply->certificates, certificate) <= 0)
            X509_free(certificate);
    }
    kg_est_reply_finish(authorities);
}

static void run(void *arg)
{
    struct kg_est_exchange *x = arg;
    bool known = x->operation == KG_EST_REENROLL;
    struct kg_est_reply authorities = {0};
    struct kg_https_ask request =
        request_to(x, known ? KG_EST_PATH "/simplereenroll" : KG_EST_PATH "/simpleenroll");
    request.type = KG_EST_REQUEST_TYPE;
    request.body = x->body;
    request.certificate_file = known ? x->settings->identity_certificate_file : NULL;
    request.key_file = known ? x->settings->identity_key_file : NULL;
    /* The relay signs a renewal each time it is asked, and only a few that are never used: it is asked when
     * all else is here. An enrolment it signs once; most answers there are "not yet". */
    if (known)
        ask_authorities(x, &authorities);
    if (!known || authorities.outcome == KG_EST_ISSUED)
        ask(&request, &x->reply);
    else
        add_authorities(&x->reply, &authorities);
    if (x->reply.outcome == KG_EST_ISSUED) {
        if (!known)
            ask_authorities(x, &authorities);
        add_authorities(&x->reply, &authorities);
    }
    kg_est_reply_finish(&authorities);
    atomic_store(&x->done, true);
    x->wake();
}

static void join(struct kg_est_exchange *x)
{
    kg_thread_join(&x->thread);
    free(x->body);
    x->body = NULL;
    x->running = false;
}

struct kg_est_exchange *kg_est_exchange_create(const struct kg_terminal_settings *settings,
                                               void (*wake)(void))
{
    struct kg_est_exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->settings = settings;
    x->wake = wake;
    x->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (x->cancel_fd < 0) {
        kg_log(KG_LOG_ERROR, "app", NULL, "cannot make an eventfd: %m");
        free(x);
        return NULL;
    }
    return x;
}

void kg_est_exchange_destroy(struct kg_est_exchange *x)
{
    if (!x)
        return;
    if (x->running) {
        uint64_t one = 1;
        if (write(x->cancel_fd, &one, sizeof one) < 0)
            kg_log(KG_LOG_WARN, "app", NULL, "a request for a certificate cannot be cut short: %m");
        join(x);
        kg_est_reply_finish(&x->reply);
    }
    close(x->cancel_fd);
    free(x);
}

bool kg_est_exchange_ask(struct kg_est_exchange *x, enum kg_est_operation operation, X509_REQ *request)
{
    if (x->running)
        return false;
    x->body = kg_est_request_encode(request);
    x->operation = operation;
    atomic_store(&x->done, false);
    x->running = x->body && kg_thread_start(&x->thread, "est", run, x);
    if (!x->running) {
        free(x->body);
        x->body = NULL;
    }
    return x->running;
}

bool kg_est_exchange_take(struct kg_est_exchange *x, struct kg_est_reply *reply)
{
    if (!x->running || !atomic_load(&x->done))
        return false;
    join(x);
    *reply = x->reply;
    x->reply = (struct kg_est_reply){0};
    return true;
}
