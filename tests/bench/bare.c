#include "bench/bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 256, EVENTS_AT_ONCE = 64, MAX_DEPTH = 3 };

struct connection {
    SSL *tls;
    bool up;
};

static bool trust(SSL_CTX *tls, const char *state, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", state, name);
    return X509_STORE_load_file(SSL_CTX_get_cert_store(tls), path) == 1;
}

static SSL_CTX *make_context(const char *state)
{
    char certificate[4096], key[4096];
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    snprintf(certificate, sizeof certificate, "%s/relay.crt", state);
    snprintf(key, sizeof key, "%s/relay.key", state);
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1 || !trust(tls, state, "ca.crt") ||
        !trust(tls, state, "issuing.crt")) {
        ERR_print_errors_fp(stderr);
        SSL_CTX_free(tls);
        return NULL;
    }
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_verify_depth(tls, MAX_DEPTH);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return tls;
}

static int open_listener(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror("bench_control: bare server");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static void accept_all(int listener, int epoll_fd, SSL_CTX *context)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        c->tls = c ? SSL_new(context) : NULL;
        if (!c || !c->tls || SSL_set_fd(c->tls, fd) != 1 ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            perror("bench_control: bare server");
            exit(EXIT_FAILURE);
        }
        SSL_set_accept_state(c->tls);
    }
}

static void serve_one(struct connection *c)
{
    char bytes[256];
    int fd = SSL_get_fd(c->tls),
        done = c->up ? SSL_read(c->tls, bytes, sizeof bytes) : SSL_do_handshake(c->tls);
    int error = done > 0 ? SSL_ERROR_NONE : SSL_get_error(c->tls, done);
    c->up = c->up || done == 1;
    if (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    ERR_clear_error();
    SSL_free(c->tls);
    close(fd);
    free(c);
}

int kg_bare_serve(const char *state)
{
    uint16_t port = 0;
    SSL_CTX *context = make_context(state);
    int listener = context ? open_listener(&port) : -1, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event end = {.events = EPOLLIN, .data.ptr = context},
                       come = {.events = EPOLLIN, .data.ptr = &listener};
    if (listener < 0 || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &end) != 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &come) != 0)
        return EXIT_FAILURE;
    printf("%u\n", (unsigned)port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
        if (count < 0 && errno != EINTR)
            return EXIT_FAILURE;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == context)
                return EXIT_SUCCESS;
            if (events[i].data.ptr == &listener)
                accept_all(listener, epoll_fd, context);
            else
                serve_one(events[i].data.ptr);
        }
    }
}

/* Its stdin is a pipe whose other end is ours alone: it ends with this program, however that ends. */
bool kg_bare_start(struct kg_bare *bare, const char *state)
{
    int life[2], said[2];
    char text[16] = "";
    if (pipe2(life, O_CLOEXEC) != 0 || pipe2(said, O_CLOEXEC) != 0) {
        perror("bench_control: bare server");
        return false;
    }
    bare->pid = fork();
    if (bare->pid == 0) {
        if (dup2(life[0], STDIN_FILENO) >= 0 && dup2(said[1], STDOUT_FILENO) >= 0)
            execl("/proc/self/exe", "bench_control", "bare", state, (char *)NULL);
        _exit(127);
    }
    close(life[0]);
    close(said[1]);
    ssize_t size = bare->pid > 0 ? read(said[0], text, sizeof text - 1) : -1;
    close(said[0]);
    bare->port = size > 0 ? (uint16_t)atoi(text) : 0;
    if (bare->port)
        return true;
    fprintf(stderr, "bench_control: the bare server does not start\n");
    kg_bare_stop(bare);
    return false;
}

void kg_bare_stop(struct kg_bare *bare)
{
    if (bare->pid <= 0)
        return;
    kill(bare->pid, SIGTERM);
    waitpid(bare->pid, NULL, 0);
    bare->pid = 0;
}
