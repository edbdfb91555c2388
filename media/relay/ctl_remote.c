/* kaigi-ctl: a relay elsewhere, asked through its TLS port (ADMIN.md). Whatever hop fails is named. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/ws_client.h"
#include "relay/admin.h"
#include "relay/ctl.h"
#include "relay/front.h"

enum {
    CONNECT_WAIT_US = 15000000,
    REPLY_WAIT_US = 45000000,
    REPLY_BYTES = 64 << 20,
    CLOSE_POLICY = 1008,
    CLOSE_AGAIN_LATER = 1013,
};

#define UNSURE                                                                                               \
    "; a change may or may not be made: look with \"room list\" or the like before you ask for it again"

struct exchange {
    struct kg_loop *loop;
    struct kg_ws_client *client;
    const char *text;
    json_t *reply;
    bool sent, over, silent;
    struct kg_ws_close close;
    struct kg_loop_timer wait;
};

static void stop(struct exchange *x)
{
    x->over = true;
    kg_loop_stop(x->loop);
}

static void on_silence(void *user, int64_t now_us)
{
    struct exchange *x = user;
    (void)now_us;
    x->silent = true;
    stop(x);
}

static void on_opened(void *user)
{
    struct exchange *x = user;
    x->sent = kg_ws_client_send(x->client, x->text, strlen(x->text), false, KG_WS_KEEP);
    if (x->sent)
        kg_loop_timer_set(x->loop, &x->wait, kg_clock_now_us() + REPLY_WAIT_US);
    else
        stop(x);
}

static void on_message(void *user, const void *data, size_t size, bool binary)
{
    struct exchange *x = user;
    if (x->over || binary)
        return;
    x->reply = json_loadb(data, size, 0, NULL);
    stop(x);
}

static void on_closed(void *user, const struct kg_ws_close *close)
{
    struct exchange *x = user;
    x->close = *close;
    stop(x);
}

static void explain_http(const struct kg_ctl *ctl, int status)
{
    const struct kg_ctl_target *t = &ctl->target;
    if (status == 401 || status == 403)
        kg_ctl_fail(ctl, "%s is no administrator's certificate; a room's does not open this path",
                    t->certificate);
    else if (status == 404)
        kg_ctl_fail(ctl, "%s port %u has no path for administrators: it is no kaigi-relay, or an older one",
                    t->host, t->port);
    else if (status == 503)
        kg_ctl_fail(ctl, "the relay takes no further administrator's connection now; try again");
    else
        kg_ctl_fail(ctl, "%s port %u is no kaigi-relay: it answers HTTP with status %d", t->host, t->port,
                    status);
}

static void explain_closed(const struct kg_ctl *ctl, const struct exchange *x)
{
    if (x->close.status == CLOSE_POLICY)
        kg_ctl_fail(ctl, "%s is no administrator's certificate (any more)", ctl->target.certificate);
    else if (x->close.status == CLOSE_AGAIN_LATER)
        kg_ctl_fail(ctl, "the relay takes no further administrator's connection now; try again");
    else
        kg_ctl_fail(ctl, "the connection to the relay broke%s",
                    x->sent ? UNSURE : " before anything was asked; try again");
}

static void explain_tls(const struct kg_ctl *ctl, const struct kg_ws_close *close)
{
    const struct kg_ctl_target *t = &ctl->target;
    switch (close->failure) {
    case KG_WS_TLS_UNTRUSTED:
        kg_ctl_fail(ctl,
                    "%s port %u shows a certificate that is not from the authority in %s: %s. Compare the "
                    "fingerprint that \"kaigi-ctl ca show\" prints at the relay",
                    t->host, t->port, t->ca, close->detail);
        return;
    case KG_WS_TLS_EXPIRED:
        kg_ctl_fail(
            ctl,
            "the relay's certificate has expired, or this machine's clock is ahead: %s. Run \"kaigi-ctl ca "
            "server\" on the relay's machine, or set this machine's clock",
            close->detail);
        return;
    case KG_WS_TLS_NOT_YET:
        kg_ctl_fail(ctl,
                    "the relay's certificate is not valid yet, or this machine's clock is behind: %s. Set "
                    "the clocks of this machine and of the relay's",
                    close->detail);
        return;
    case KG_WS_TLS_NAME:
        kg_ctl_fail(
            ctl,
            "the relay's certificate is for other names than \"%s\": %s. Write --relay as the certificate "
            "does",
            t->host, close->detail);
        return;
    case KG_WS_REJECTED:
        kg_ctl_fail(ctl, "the relay does not know the authority of %s, or refuses the certificate: %s",
                    t->certificate, close->detail);
        return;
    case KG_WS_REJECTED_EXPIRED:
        kg_ctl_fail(ctl,
                    "your certificate %s has expired; another administrator makes a new one with \"admin add "
                    "--replace\"",
                    t->certificate);
        return;
    default:
        kg_ctl_fail(ctl, "%s port %u does not speak TLS 1.2 or newer: %s", t->host, t->port, close->detail);
        return;
    }
}

static void explain(const struct kg_ctl *ctl, const struct exchange *x)
{
    const struct kg_ctl_target *t = &ctl->target;
    const struct kg_ws_close *close = &x->close;
    switch (close->failure) {
    case KG_WS_NAME:
        kg_ctl_fail(ctl, "the name \"%s\" has no address: %s. Check --relay and this machine's name service",
                    t->host, close->detail);
        return;
    case KG_WS_UNREACHABLE:
        kg_ctl_fail(ctl, "%s. Is kaigi-relay running there, and does the network let TCP through to it?",
                    close->detail);
        return;
    case KG_WS_TIMEOUT:
        kg_ctl_fail(ctl,
                    "%s port %u does not answer in time (%s). Is the machine up, and does the network let "
                    "TCP through to this port?",
                    t->host, t->port, close->detail);
        return;
    case KG_WS_PROXY_UNREACHABLE:
        kg_ctl_fail(ctl,
                    "the proxy cannot be used: %s. Check proxy in ctl.conf, and that the proxy runs and may "
                    "be reached",
                    close->detail);
        return;
    case KG_WS_PROXY:
        kg_ctl_fail(ctl,
                    "the proxy does not let us through to %s port %u: %s. Its administrator must allow "
                    "CONNECT to there",
                    t->host, t->port, close->detail);
        return;
    case KG_WS_PROXY_AUTH:
        kg_ctl_fail(
            ctl, "the proxy wants a name and password, or refuses them; write proxy=USER:PASSWORD@HOST:PORT "
                 "in ctl.conf");
        return;
    case KG_WS_IDENTITY:
        kg_ctl_fail(ctl, "no connection was tried: %s", close->detail);
        return;
    case KG_WS_HTTP:
        explain_http(ctl, close->status);
        return;
    case KG_WS_CLOSED:
        explain_closed(ctl, x);
        return;
    default:
        explain_tls(ctl, close);
        return;
    }
}

json_t *kg_ctl_ask_remote(const struct kg_ctl *ctl, const char *text)
{
    const struct kg_ctl_target *t = &ctl->target;
    struct exchange x = {.text = text};
    const struct kg_ws_client_params params = {
        .host = t->host,
        .port = t->port,
        .path = KG_FRONT_ADMIN_PATH,
        .subprotocol = KG_FRONT_ADMIN_PROTOCOL,
        .ca_file = t->ca,
        .certificate_file = t->certificate,
        .key_file = t->key,
        .proxy_host = t->proxy_host,
        .proxy_port = t->proxy_port,
        .proxy_user = t->proxy_user,
        .proxy_password = t->proxy_password,
        .max_message_bytes = REPLY_BYTES,
        .max_queued_bytes = KG_ADMIN_MAX_BYTES + 4096,
        .connect_timeout_us = CONNECT_WAIT_US,
    };
    static const struct kg_ws_client_events events = {
        .opened = on_opened, .message = on_message, .closed = on_closed};
    if (strlen(text) > KG_ADMIN_MAX_BYTES) {
        kg_ctl_fail(ctl, "the request is too long; a relay reads at most 24 MiB");
        return NULL;
    }
    kg_log_setup(KG_LOG_ERROR, KG_LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    x.wait = (struct kg_loop_timer){.fire = on_silence, .user = &x};
    x.loop = kg_loop_create();
    x.client = x.loop ? kg_ws_client_create(x.loop, &params, &events, &x) : NULL;
    if (x.client)
        kg_loop_run(x.loop);
    if (x.loop)
        kg_loop_timer_cancel(x.loop, &x.wait);
    kg_ws_client_destroy(x.client);
    kg_loop_destroy(x.loop);
    if (x.reply)
        return x.reply;
    if (!x.over)
        kg_ctl_fail(ctl, "no memory for a connection");
    else if (x.silent)
        kg_ctl_fail(ctl, "the relay gives no answer" UNSURE);
    else
        explain(ctl, &x);
    return NULL;
}
