#include "bench/afar.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/rooms.h"

enum {
    ANSWER_S = 40,
    HEAD = 14,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
    FIN = 0x80,
    MASK = 0x80
};

static const char upgrade[] = "GET /v1/admin HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Key: a2FpZ2ktYmVuY2gtcm9vbQ==\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: kaigi.admin.v1\r\n\r\n";

struct kg_bench_afar {
    struct kg_bench_room who;
    SSL_CTX *context;
    SSL *tls;
    int fd;
};

static bool receive(struct kg_bench_afar *a, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        int got = SSL_read(a->tls, (char *)bytes + done, (int)(size - done));
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* RFC 6455 §5.2, masked with zeros: nobody between the two is to be deceived here. */
static bool send_frame(struct kg_bench_afar *a, uint8_t opcode, const char *data, size_t size)
{
    uint8_t *frame = malloc(size + HEAD);
    size_t head = 2;
    if (!frame)
        return false;
    frame[0] = (uint8_t)(FIN | opcode);
    if (size < 126) {
        frame[1] = (uint8_t)(MASK | size);
    } else {
        unsigned bytes = size < 65536 ? 2 : 8;
        frame[1] = MASK | (bytes == 2 ? 126 : 127);
        for (unsigned i = 0; i < bytes; i++)
            frame[head++] = (uint8_t)((uint64_t)size >> (8 * (bytes - 1 - i)));
    }
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, data, size);
    bool ok = SSL_write(a->tls, frame, (int)(head + 4 + size)) > 0;
    free(frame);
    return ok;
}

static bool receive_head(struct kg_bench_afar *a, uint8_t *first, uint64_t *size)
{
    uint8_t head[2], more[8];
    if (!receive(a, head, sizeof head))
        return false;
    unsigned bytes = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    *first = head[0];
    *size = bytes ? 0 : head[1];
    if (!receive(a, more, bytes))
        return false;
    for (unsigned i = 0; i < bytes; i++)
        *size = *size << 8 | more[i];
    return true;
}

/* A whole message, its fragments joined; free(). NULL: the connection ended. */
static char *receive_text(struct kg_bench_afar *a, size_t *size)
{
    char *text = NULL;
    *size = 0;
    for (;;) {
        uint8_t first;
        uint64_t more;
        char *grown = receive_head(a, &first, &more) ? realloc(text, *size + more + 1) : NULL;
        if (!grown || !receive(a, grown + *size, more)) {
            free(grown ? grown : text);
            return NULL;
        }
        text = grown;
        if ((first & 15) == OPCODE_PING) {
            if (!send_frame(a, OPCODE_PONG, text + *size, more))
                break;
            continue;
        }
        if ((first & 15) == OPCODE_CLOSE)
            break;
        *size += more;
        if (first & FIN)
            return text;
    }
    free(text);
    return NULL;
}

static bool dial(struct kg_bench_afar *a, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval wait = {.tv_sec = ANSWER_S};
    int one = 1;
    char answer[512];
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a->context = SSL_CTX_new(TLS_client_method());
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!a->context || a->fd < 0 || !(a->tls = SSL_new(a->context)) ||
        SSL_use_certificate(a->tls, a->who.certificate) != 1 || SSL_use_PrivateKey(a->tls, a->who.key) != 1 ||
        setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
        setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        connect(a->fd, (struct sockaddr *)&to, sizeof to) != 0 || SSL_set_fd(a->tls, a->fd) != 1 ||
        SSL_connect(a->tls) != 1 || SSL_write(a->tls, upgrade, (int)strlen(upgrade)) <= 0)
        return false;
    for (size_t size = 0; size < sizeof answer - 1;) {
        if (!receive(a, answer + size, 1))
            return false;
        answer[++size] = '\0';
        if (size >= 4 && strcmp(answer + size - 4, "\r\n\r\n") == 0)
            return strncmp(answer, "HTTP/1.1 101 ", 13) == 0;
    }
    return false;
}

struct kg_bench_afar *kg_bench_afar_open(const char *state, uint16_t port)
{
    struct kg_bench_afar *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->fd = -1;
    if (kg_bench_operator_make(state, &a->who) && dial(a, port))
        return a;
    fprintf(stderr, "bench_control: an administrator cannot connect over TLS\n");
    kg_bench_afar_close(a);
    return NULL;
}

void kg_bench_afar_close(struct kg_bench_afar *a)
{
    if (!a)
        return;
    SSL_free(a->tls);
    SSL_CTX_free(a->context);
    if (a->fd >= 0)
        close(a->fd);
    EVP_PKEY_free(a->who.key);
    X509_free(a->who.certificate);
    free(a);
}

bool kg_bench_afar_must(struct kg_bench_afar *a, json_t *request, int64_t *took_us)
{
    json_error_t error;
    size_t size = 0;
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    int64_t began_us = kg_clock_now_us();
    char *answer = text && send_frame(a, 1, text, strlen(text)) ? receive_text(a, &size) : NULL;
    *took_us = kg_clock_now_us() - began_us;
    json_t *reply = answer ? json_loadb(answer, size, 0, &error) : NULL;
    bool ok = json_is_true(json_object_get(reply, "ok"));
    const char *why = json_string_value(json_object_get(reply, "error"));
    if (!ok)
        fprintf(stderr, "bench_control: %.60s from afar: %s\n", text ? text : "?", why ? why : "no answer");
    json_decref(reply);
    free(answer);
    free(text);
    return ok;
}
