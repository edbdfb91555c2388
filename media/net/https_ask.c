#include "net/https_ask.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/resolve.h"
#include "net/tls_client.h"
#include "net/ws_failure.h"

enum { PROXY_LOGIN_MAX = 256 };

struct exchange {
    const struct kg_https_ask *post;
    struct kg_ws_close *close;
    int64_t deadline_us;
    struct kg_tls_client *tls;
    SSL *ssl;
    int fd;
};

static bool fail(struct exchange *x, enum kg_ws_failure failure, const char *detail)
{
    *x->close = (struct kg_ws_close){.failure = failure};
    snprintf(x->close->detail, sizeof x->close->detail, "%s", detail);
    return false;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* false: time is up or it was cancelled; `stage` is told. */
static bool wait_for(struct exchange *x, short events, const char *stage)
{
    struct pollfd fds[] = {{.fd = x->fd, .events = events}, {.fd = x->post->cancel_fd, .events = POLLIN}};
    for (;;) {
        int64_t left_us = x->deadline_us - kg_clock_now_us();
        int ready = left_us <= 0 ? 0 : poll(fds, KG_ARRAY_LEN(fds), (int)(left_us / 1000 + 1));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready > 0 && fds[1].revents != 0)
            return fail(x, KG_WS_CLOSED, "given up by us");
        if (ready > 0)
            return true;
        char detail[80];
        snprintf(detail, sizeof detail, "no progress while %s", stage);
        return fail(x, KG_WS_TIMEOUT, detail);
    }
}

/* --- the way there -------------------------------------------------------------------------------------- */

static bool try_address(struct exchange *x, const struct addrinfo *address)
{
    int error = 0, on = 1;
    socklen_t size = sizeof error;
    x->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (x->fd < 0)
        return false;
    (void)setsockopt(x->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* only faster */
    if (connect(x->fd, address->ai_addr, address->ai_addrlen) == 0)
        return true;
    if (errno == EINPROGRESS && wait_for(x, POLLOUT, "connecting") &&
        getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return true;
    close(x->fd);
    x->fd = -1;
    return false;
}

/* Each gets its share of the time that is left: a silent first one must not keep it from the others. */
static bool try_addresses(struct exchange *x, const struct addrinfo *addresses)
{
    const int64_t deadline_us = x->deadline_us;
    bool connected = false;
    int left = 0;
    for (const struct addrinfo *a = addresses; a; a = a->ai_next)
        left++;
    for (const struct addrinfo *a = addresses; a && !connected; a = a->ai_next) {
        int64_t now_us = kg_clock_now_us();
        if (now_us >= deadline_us || (x->close->failure == KG_WS_CLOSED && x->close->detail[0]))
            break;
        x->deadline_us = now_us + (deadline_us - now_us) / left--;
        connected = try_address(x, a);
    }
    x->deadline_us = deadline_us;
    return connected;
}

static bool connect_to(struct exchange *x, const char *host, uint16_t port, bool proxy)
{
    char detail[160];
    int error = 0;
    struct addrinfo *addresses = kg_resolve_wait(host, port, x->post->cancel_fd, x->deadline_us, &error);
    if (!addresses) {
        snprintf(detail, sizeof detail, "%.80s: %s", host, gai_strerror(error));
        return fail(x, proxy ? KG_WS_PROXY_UNREACHABLE : KG_WS_NAME, detail);
    }
    bool connected = try_addresses(x, addresses);
    freeaddrinfo(addresses);
    if (connected)
        return true;
    if (x->close->failure == KG_WS_CLOSED && x->close->detail[0])
        return false; /* given up */
    snprintf(detail, sizeof detail, "%.100s port %u does not accept a connection", host, port);
    return fail(x, proxy ? KG_WS_PROXY_UNREACHABLE : KG_WS_UNREACHABLE, detail);
}

static bool send_plain(struct exchange *x, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(x->fd, text, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return fail(x, KG_WS_PROXY_UNREACHABLE, "the proxy ended the connection");
        if (sent < 0 && !wait_for(x, POLLOUT, "asking the proxy"))
            return false;
        if (sent > 0) {
            text += sent;
            size -= (size_t)sent;
        }
    }
    return true;
}

static bool judge_proxy(struct exchange *x, const struct kg_http_answer *answer)
{
    char detail[80];
    if (answer->status / 100 == 2)
        return true;
    snprintf(detail, sizeof detail, "the proxy answered %d", answer->status);
    fail(x, answer->status == 407 ? KG_WS_PROXY_AUTH : KG_WS_PROXY, detail);
    x->close->status = answer->status;
    return false;
}

/* The server speaks only after us: nothing of it can be behind the proxy's head. */
static bool read_proxy(struct exchange *x)
{
    char head[KG_HTTP_HEAD_MAX];
    size_t used = 0;
    for (;;) {
        struct kg_http_answer answer;
        if (!wait_for(x, POLLIN, "waiting for the proxy"))
            return false;
        ssize_t size = recv(x->fd, head + used, sizeof head - used, 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        used += size > 0 ? (size_t)size : 0;
        enum kg_http_state state = size <= 0 ? KG_HTTP_BAD : kg_http_head_read(head, used, &answer);
        if (state == KG_HTTP_WHOLE)
            return judge_proxy(x, &answer);
        if (state == KG_HTTP_BAD || used == sizeof head)
            return fail(x, KG_WS_PROXY_UNREACHABLE, "what is there does not answer as an HTTP proxy");
    }
}

/* "host:port", an IPv6 address in brackets. */
static void authority_of(const struct kg_https_ask *post, char *text, size_t size)
{
    snprintf(text, size, strchr(post->host, ':') ? "[%s]:%u" : "%s:%u", post->host, post->port);
}

static bool pass_proxy(struct exchange *x)
{
    char authority[300], login[PROXY_LOGIN_MAX] = "", encoded[PROXY_LOGIN_MAX * 4 / 3 + 8] = "", text[1400];
    const char *password = x->post->proxy_password ? x->post->proxy_password : "";
    authority_of(x->post, authority, sizeof authority);
    if (x->post->proxy_user) {
        int size = snprintf(login, sizeof login, "%s:%s", x->post->proxy_user, password);
        if (size >= (int)sizeof login)
            return fail(x, KG_WS_PROXY_AUTH, "the proxy's user and password are too long");
        EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)login, size);
    }
    int size =
        snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", authority, authority,
                 encoded[0] ? "Proxy-Authorization: Basic " : "", encoded, encoded[0] ? "\r\n" : "");
    bool ok = send_plain(x, text, (size_t)size) && read_proxy(x);
    OPENSSL_cleanse(login, sizeof login);
    OPENSSL_cleanse(encoded, sizeof encoded);
    OPENSSL_cleanse(text, sizeof text);
    return ok;
}

/* --- TLS ------------------------------------------------------------------------------------------------ */

static bool fail_tls(struct exchange *x, enum kg_ws_failure otherwise, const char *what)
{
    char detail[160];
    enum kg_tls_problem problem = kg_tls_client_problem(x->tls, detail, sizeof detail);
    ERR_clear_error();
    return problem == KG_TLS_OK ? fail(x, otherwise, what) : fail(x, kg_ws_failure_of_tls(problem), detail);
}

/* A server that refuses our certificate says so in an alert, and closes: with TLS 1.3 our request may break
 * on that before anything was read. */
static void read_last_alert(struct exchange *x)
{
    char byte;
    ERR_clear_error();
    (void)SSL_read(x->ssl, &byte, sizeof byte);
}

/* After an SSL call that did not succeed. 1: again; 0: the peer has closed; -1: over, *close is set. */
static int retry(struct exchange *x, int result, const char *stage)
{
    switch (SSL_get_error(x->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(x, POLLIN, stage) ? 1 : -1;
    case SSL_ERROR_WANT_WRITE:
        return wait_for(x, POLLOUT, stage) ? 1 : -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        read_last_alert(x);
        fail_tls(x, kg_tls_client_established(x->tls) ? KG_WS_CLOSED : KG_WS_TLS, "the connection ended");
        return -1;
    }
}

static bool handshake(struct exchange *x)
{
    static const unsigned char http[] = "\x08http/1.1";
    x->ssl = SSL_new(kg_tls_client_context(x->tls));
    if (!x->ssl || SSL_set_fd(x->ssl, x->fd) != 1 || SSL_set_alpn_protos(x->ssl, http, sizeof http - 1) != 0)
        return fail(x, KG_WS_TLS, "OpenSSL refuses");
    for (int result; (result = SSL_connect(x->ssl)) != 1;) {
        int again = retry(x, result, "in the TLS handshake");
        if (again < 0)
            return false;
        if (again == 0)
            return fail_tls(x, KG_WS_TLS, "the connection ended in the TLS handshake");
    }
    return true;
}

static bool write_all(struct exchange *x, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        int written = SSL_write(x->ssl, text, (int)left);
        if (written > 0) {
            text += written;
            left -= (size_t)written;
        } else if (retry(x, written, "sending the request") <= 0) {
            return fail_tls(x, x->close->failure, "the connection ended while the request was sent");
        }
    }
    return true;
}

static bool read_answer(struct exchange *x, struct kg_http_answer *answer)
{
    size_t used = 0;
    char *bytes = malloc(KG_HTTP_ANSWER_MAX);
    bool ok = false, ended = false;
    enum kg_http_state state = KG_HTTP_MORE;
    while (bytes && state == KG_HTTP_MORE && !ended) {
        int size = SSL_read(x->ssl, bytes + used, (int)(KG_HTTP_ANSWER_MAX - used));
        int again = size > 0 ? 1 : retry(x, size, "waiting for the answer");
        if (again < 0)
            break;
        ended = again == 0;
        used += size > 0 ? (size_t)size : 0;
        if (used == KG_HTTP_ANSWER_MAX)
            ended = true;
        state = kg_http_answer_read(bytes, used, ended, answer);
        ok = state == KG_HTTP_WHOLE;
        if (state == KG_HTTP_BAD)
            fail_tls(x, KG_WS_HTTP, "what is there does not answer as an HTTP server");
    }
    if (!bytes)
        fail(x, KG_WS_UNREACHABLE, "memory is short");
    free(bytes);
    return ok;
}

static bool ask(struct exchange *x, struct kg_http_answer *answer)
{
    char authority[300], *text;
    authority_of(x->post, authority, sizeof authority);
    const char *body = x->post->body;
    int size = body ? asprintf(&text,
                               "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                               "Connection: close\r\n\r\n%s",
                               x->post->path, authority, x->post->type, strlen(body), body)
                    : asprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                               x->post->path, authority);
    if (size < 0)
        return fail(x, KG_WS_UNREACHABLE, "memory is short");
    bool ok = write_all(x, text) && read_answer(x, answer);
    free(text);
    return ok;
}

bool kg_https_ask(const struct kg_https_ask *post, struct kg_http_answer *answer, struct kg_ws_close *close_)
{
    struct exchange x = {
        .post = post, .close = close_, .deadline_us = kg_clock_now_us() + post->timeout_us, .fd = -1};
    const struct kg_tls_client_params params = {.ca_file = post->ca_file,
                                                .certificate_file = post->certificate_file,
                                                .key_file = post->key_file,
                                                .peer_name = post->host};
    enum kg_tls_problem problem;
    char detail[160];
    *close_ = (struct kg_ws_close){0};
    x.tls = kg_tls_client_create(&params, &problem, detail, sizeof detail);
    if (!x.tls)
        return fail(&x, kg_ws_failure_of_tls(problem), detail);
    bool proxy = post->proxy_host != NULL;
    bool ok =
        connect_to(&x, proxy ? post->proxy_host : post->host, proxy ? post->proxy_port : post->port, proxy);
    ok = ok && (!proxy || pass_proxy(&x)) && handshake(&x) && ask(&x, answer);
    if (ok)
        (void)SSL_shutdown(x.ssl); /* said, not waited for */
    SSL_free(x.ssl);
    if (x.fd >= 0)
        close(x.fd);
    kg_tls_client_destroy(x.tls);
    ERR_clear_error();
    return ok;
}
