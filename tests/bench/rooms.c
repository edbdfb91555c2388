#include "bench/rooms.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { ANSWER_S = 40, SHOWN_EVERY = 500 };

/* The answer's bytes; free(). NULL: memory. */
static char *exchange(int fd, const char *text, size_t *answer_size)
{
    size_t size = strlen(text), done = 0, capacity = 1 << 16, used = 0;
    char *answer = malloc(capacity);
    while (done < size) {
        ssize_t sent = send(fd, text + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        done += (size_t)sent;
    }
    while (answer && done == size) {
        if (used == capacity) {
            char *more = realloc(answer, capacity * 2);
            if (!more)
                break;
            answer = more;
            capacity *= 2;
        }
        ssize_t got = recv(fd, answer + used, capacity - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    *answer_size = used;
    return answer;
}

json_t *kg_bench_ask(const char *state, json_t *request, int64_t *took_us)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = ANSWER_S};
    json_error_t error;
    size_t size = 0;
    char *text = json_dumps(request, JSON_COMPACT), *line = NULL, *answer = NULL;
    json_decref(request);
    if (!text || asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    snprintf(to.sun_path, sizeof to.sun_path, "%s/admin.sock", state);
    int64_t began_us = kg_clock_now_us();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && line && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        answer = exchange(fd, line, &size);
    if (took_us)
        *took_us = kg_clock_now_us() - began_us;
    if (fd >= 0)
        close(fd);
    json_t *reply = answer ? json_loadb(answer, size, 0, &error) : NULL;
    free(answer);
    if (!reply)
        fprintf(stderr, "bench_control: no answer to %.60s\n", line ? line : "nothing");
    free(line);
    return reply;
}

bool kg_bench_must(const char *state, json_t *request, int64_t *took_us)
{
    json_t *reply = kg_bench_ask(state, request, took_us);
    bool ok = json_is_true(json_object_get(reply, "ok"));
    if (reply && !ok)
        fprintf(stderr, "bench_control: the relay refuses: %s\n",
                json_string_value(json_object_get(reply, "error")));
    json_decref(reply);
    return ok;
}

static char *write_request(EVP_PKEY *key)
{
    X509_REQ *request = X509_REQ_new();
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    const char *bytes;
    if (request && out && X509_REQ_set_pubkey(request, key) == 1 &&
        X509_REQ_sign(request, key, EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(out, request) == 1) {
        long size = BIO_get_mem_data(out, &bytes);
        text = strndup(bytes, (size_t)size);
    }
    BIO_free(out);
    X509_REQ_free(request);
    return text;
}

static X509 *read_certificate(const char *pem)
{
    BIO *in = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return certificate;
}

/* Takes the request, which lacks its csr. */
static bool certify(const char *state, struct kg_bench_room *owner, json_t *request)
{
    owner->key = EVP_EC_gen("P-256");
    char *csr = owner->key ? write_request(owner->key) : NULL;
    json_object_set_new(request, "csr", json_string(csr ? csr : ""));
    json_t *reply = kg_bench_ask(state, request, NULL);
    owner->certificate = read_certificate(json_string_value(json_object_get(reply, "certificate")));
    if (!owner->certificate)
        fprintf(stderr, "bench_control: %s: %s\n", owner->id,
                reply ? json_string_value(json_object_get(reply, "error")) : "no answer");
    json_decref(reply);
    free(csr);
    return owner->certificate != NULL;
}

static bool make_room(const char *state, struct kg_bench_room *room, size_t number)
{
    char name[64];
    snprintf(room->id, sizeof room->id, "kaku-%04zu", number);
    snprintf(name, sizeof name, "会議室 %zu", number);
    return certify(state, room,
                   json_pack("{s:s, s:s, s:s, s:s, s:s}", "command", "room-add", "id", room->id,
                             "organization", "kaku", "department", "総務課", "name", name));
}

bool kg_bench_operator_make(const char *state, struct kg_bench_room *who)
{
    snprintf(who->id, sizeof who->id, "bench");
    return certify(state, who,
                   json_pack("{s:s, s:s, s:s, s:s}", "command", "admin-add", "id", who->id, "name", "bench",
                             "role", "operator"));
}

struct kg_bench_room *kg_bench_rooms_make(const char *state, size_t count)
{
    struct kg_bench_room *rooms = calloc(count, sizeof *rooms);
    bool ok =
        rooms &&
        kg_bench_must(state,
                      json_pack("{s:s, s:s, s:s}", "command", "org-add", "id", "kaku", "name", "架空市"),
                      NULL) &&
        kg_bench_must(
            state, json_pack("{s:s, s:s, s:s}", "command", "org-add", "id", "mihon", "name", "見本町"), NULL);
    for (size_t i = 0; i < count && ok; i++) {
        ok = make_room(state, &rooms[i], i);
        if ((i + 1) % SHOWN_EVERY == 0)
            fprintf(stderr, "bench_control: %zu rooms are in the directory\n", i + 1);
    }
    if (ok)
        return rooms;
    if (rooms)
        kg_bench_rooms_destroy(rooms, count);
    return NULL;
}

void kg_bench_rooms_destroy(struct kg_bench_room *rooms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        EVP_PKEY_free(rooms[i].key);
        X509_free(rooms[i].certificate);
    }
    free(rooms);
}

static void write_time(FILE *out, const char *name, time_t when)
{
    struct tm tm;
    char text[32];
    gmtime_r(&when, &tm);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    fprintf(out, "%s:%s\r\n", name, text);
}

char *kg_bench_calendar(size_t rooms, size_t meetings, unsigned round)
{
    static const size_t apart[] = {0, 1, 7, 31};
    char *text = NULL;
    size_t size;
    time_t now = time(NULL);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kaigi//bench//JA\r\n", out);
    for (size_t m = 0; m < meetings; m++) {
        time_t start = now + 3600 + (time_t)(m % 20) * 86400;
        fprintf(out, "BEGIN:VEVENT\r\nUID:bench-%u-%zu@kaku.example\r\n", round, m);
        write_time(out, "DTSTAMP", now);
        write_time(out, "DTSTART", start);
        write_time(out, "DTEND", start + 3600);
        fprintf(out, "SUMMARY:広域連携 定例打合せ %zu\r\n", m);
        for (size_t i = 0; i < 4; i++)
            fprintf(out, "ATTENDEE;CUTYPE=ROOM:mailto:kaku-%04zu@kaigi.invalid\r\n", (m + apart[i]) % rooms);
        fputs("END:VEVENT\r\n", out);
    }
    fputs("END:VCALENDAR\r\n", out);
    return fclose(out) == 0 ? text : NULL;
}
