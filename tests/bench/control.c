/* bench_control: fills a running relay with rooms and measures what they cost it: memory of an idle room, all
 * of them coming back at once, verbs and revocations meanwhile. Called by tests/bench/control, which starts
 * the relay; figures go to a JSON file. Two threads: main's serves the rooms, the administrator's asks. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/afar.h"
#include "bench/bare.h"
#include "bench/crowd.h"
#include "bench/rooms.h"
#include "tools/usage.h"

enum {
    VERBS = 6,
    DISK_WRITES = 60,
    MAX_ASKED = 100000,
    SECOND_US = 1000000,
    COME_S = 120,
    REVOKE_APART_US = 150000,
    VERB_APART_US = 20000
};

struct options {
    const char *state, *out;
    uint16_t port;
    pid_t pid;
    size_t rooms, meetings, asked, revoked;
    int idle_s;
};

struct bench {
    struct options options;
    struct kg_bench_room *rooms;
    struct kg_crowd crowd;
    json_t *report;
    struct kg_bench_afar *afar; /* NULL: the administrator asks through the unix socket */
    /* The administrator's thread. */
    pthread_t administrator;
    atomic_bool asked_all;
    bool failed;
    int64_t *took_us[VERBS];
    size_t took_count[VERBS];
    int64_t *revoked_at_us;
};

static const char *const verb_names[VERBS] = {"room-list",   "status",        "room-set",
                                              "setting-set", "agenda-import", "audit-list"};

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double part_ms(int64_t *sorted, size_t count, double part)
{
    size_t at = (size_t)(part * (double)(count - 1) + 0.5);
    return count ? (double)sorted[at] / 1e3 : 0;
}

static json_t *spread(int64_t *took_us, size_t count)
{
    qsort(took_us, count, sizeof *took_us, by_size);
    return json_pack("{s:I, s:f, s:f, s:f}", "count", (json_int_t)count, "p50_ms",
                     part_ms(took_us, count, 0.5), "p99_ms", part_ms(took_us, count, 0.99), "max_ms",
                     part_ms(took_us, count, 1));
}

/* When a run of the crowd is over. */

static bool all_up(const struct kg_crowd *crowd, void *user)
{
    (void)user;
    return crowd->up == crowd->count;
}

static bool never(const struct kg_crowd *crowd, void *user)
{
    (void)crowd;
    (void)user;
    return false;
}

static bool asked_all(const struct kg_crowd *crowd, void *user)
{
    const struct bench *b = user;
    (void)crowd;
    return atomic_load(&b->asked_all);
}

static bool all_revoked_gone(const struct kg_crowd *crowd, void *user)
{
    const struct bench *b = user;
    for (size_t i = 0; i < b->options.revoked; i++) {
        if (!atomic_load(&crowd->members[i].ended_us))
            return false;
    }
    return atomic_load(&b->asked_all);
}

static void idle(struct bench *b, int64_t for_us)
{
    (void)kg_crowd_run(&b->crowd, never, NULL, kg_clock_now_us() + for_us);
}

/* Every room dials now; how long until the last has its agenda. NULL: they do not all come. */
static json_t *come(struct kg_crowd *crowd, pid_t server)
{
    struct kg_usage before, after;
    unsigned refused_before = kg_crowd_refusals(crowd);
    (void)kg_usage_read(server, &before);
    int64_t began_us = kg_clock_now_us(), took[2] = {0};
    kg_crowd_dial(crowd, 0, crowd->count);
    bool ok = kg_crowd_run(crowd, all_up, NULL, began_us + COME_S * INT64_C(1000000));
    (void)kg_usage_read(server, &after);
    int64_t *up_us = calloc(crowd->count, sizeof *up_us);
    for (size_t i = 0; up_us && i < crowd->count; i++) {
        const struct kg_crowd_member *m = &crowd->members[i];
        up_us[i] = m->up_us - began_us;
        if (m->refusals && took[1]++ < 3)
            fprintf(stderr, "bench_control: room %s was sent away %u times: %s\n", m->room->id, m->refusals,
                    m->failure);
    }
    if (!ok || !up_us) {
        fprintf(stderr, "bench_control: only %zu of %zu rooms are back after %d s\n", crowd->up, crowd->count,
                COME_S);
        free(up_us);
        return NULL;
    }
    qsort(up_us, crowd->count, sizeof *up_us, by_size);
    took[0] = up_us[crowd->count - 1];
    json_t *json = json_pack("{s:f, s:f, s:i, s:f, s:f}", "last_s", (double)took[0] / 1e6, "median_s",
                             (double)up_us[crowd->count / 2] / 1e6, "refused",
                             (int)(kg_crowd_refusals(crowd) - refused_before), "rooms_a_second",
                             (double)crowd->count * 1e6 / (double)took[0], "server_cpu_ms_a_room",
                             (after.cpu_s - before.cpu_s) * 1e3 / (double)crowd->count);
    free(up_us);
    return json;
}

static json_t *grown(const struct kg_usage *before, const struct kg_usage *after, size_t rooms)
{
    return json_pack("{s:f, s:f, s:i, s:i}", "rss_kb_a_room",
                     (double)(after->rss_kb - before->rss_kb) / (double)rooms, "pss_kb_a_room",
                     (double)(after->pss_kb - before->pss_kb) / (double)rooms, "rss_kb", (int)after->rss_kb,
                     "rss_kb_before", (int)before->rss_kb);
}

/* The floor: the same rooms at a server that does TLS and nothing else. */
static bool measure_floor(struct bench *b)
{
    struct kg_bare bare;
    struct kg_usage before = {0}, after = {0};
    if (!kg_bare_start(&bare, b->options.state))
        return false;
    bool ok = kg_crowd_init(&b->crowd, b->rooms, b->options.rooms, bare.port, true) &&
              kg_usage_read(bare.pid, &before);
    json_t *rush = ok ? come(&b->crowd, bare.pid) : NULL;
    if (rush) {
        idle(b, SECOND_US);
        ok = kg_usage_read(bare.pid, &after);
        json_object_set_new(
            b->report, "floor",
            json_pack("{s:o, s:o}", "rush", rush, "memory", grown(&before, &after, b->options.rooms)));
    }
    kg_crowd_finish(&b->crowd);
    kg_bare_stop(&bare);
    return ok && rush;
}

/* The administrator. */

static json_t *import(const struct bench *b, size_t meetings, unsigned round)
{
    char *text = kg_bench_calendar(b->options.rooms, meetings, round);
    json_t *request = json_pack("{s:s, s:s, s:s}", "command", "agenda-import", "organization", "kaku",
                                "calendar", text ? text : "");
    free(text);
    return request;
}

static json_t *request_of(const struct bench *b, int verb, size_t number)
{
    char room[64], name[64], value[16];
    const size_t others = b->options.rooms - b->options.revoked;
    snprintf(room, sizeof room, "kaku-%04zu", b->options.revoked + number * 37 % others);
    snprintf(name, sizeof name, "会議室 %zu号", number);
    snprintf(value, sizeof value, "%zu", 1000 + number % 1000);
    switch (verb) {
    case 2:
        return json_pack("{s:s, s:s, s:s}", "command", verb_names[verb], "id", room, "name", name);
    case 3:
        return json_pack("{s:s, s:s, s:s, s:s, s:s}", "command", verb_names[verb], "scope", "room", "id",
                         room, "key", "media.video-kbps", "value", value);
    case 4:
        return import(b, 1, (unsigned)number + 1);
    default:
        return json_pack("{s:s}", "command", verb_names[verb]);
    }
}

/* The disk's part of a change: a page written and synced where the store lies. */
static json_t *measure_disk(const struct bench *b)
{
    char path[4096], page[4096] = {0};
    int64_t took_us[DISK_WRITES];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/bench.tmp", b->options.state);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (; fd >= 0 && count < DISK_WRITES; count++) {
        int64_t began_us = kg_clock_now_us();
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            break;
        took_us[count] = kg_clock_now_us() - began_us;
        usleep(VERB_APART_US);
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    return spread(took_us, count);
}

static void *ask_verbs(void *arg)
{
    struct bench *b = arg;
    struct kg_usage before = {0}, after = {0};
    if (!b->afar)
        json_object_set_new(b->report, "disk", measure_disk(b));
    (void)kg_usage_read(b->options.pid, &before);
    for (size_t i = 0; i < b->options.asked && !b->failed; i++) {
        int verb = (int)(i % VERBS);
        int64_t *took_us = &b->took_us[verb][b->took_count[verb]++];
        json_t *request = request_of(b, verb, i / VERBS + (b->afar ? b->options.asked : 0));
        b->failed = b->afar ? !kg_bench_afar_must(b->afar, request, took_us)
                            : !kg_bench_must(b->options.state, request, took_us);
        usleep(VERB_APART_US);
    }
    (void)kg_usage_read(b->options.pid, &after);
    json_object_set_new(b->report, b->afar ? "verb_from_afar_cpu_ms" : "verb_cpu_ms",
                        json_real((after.cpu_s - before.cpu_s) * 1e3 / (double)b->options.asked));
    atomic_store(&b->asked_all, true);
    return NULL;
}

static void *revoke_rooms(void *arg)
{
    struct bench *b = arg;
    for (size_t i = 0; i < b->options.revoked && !b->failed; i++) {
        b->revoked_at_us[i] = kg_clock_now_us();
        b->failed = !kg_bench_must(
            b->options.state, json_pack("{s:s, s:s}", "command", "room-revoke", "id", b->rooms[i].id), NULL);
        usleep(REVOKE_APART_US);
    }
    atomic_store(&b->asked_all, true);
    return NULL;
}

static bool with_administrator(struct bench *b, void *(*work)(void *),
                               bool (*done)(const struct kg_crowd *crowd, void *user), int64_t until_us)
{
    atomic_store(&b->asked_all, false);
    if (pthread_create(&b->administrator, NULL, work, b) != 0)
        return false;
    bool ok = kg_crowd_run(&b->crowd, done, b, until_us);
    pthread_join(b->administrator, NULL);
    return ok && !b->failed;
}

static bool measure_verbs(struct bench *b, const char *name)
{
    size_t most = b->options.asked / VERBS + 1, count = 0;
    int64_t *all_us = calloc(b->options.asked + VERBS, sizeof *all_us);
    for (int v = 0; v < VERBS; v++) {
        b->took_us[v] = calloc(most, sizeof *b->took_us[v]);
        b->took_count[v] = 0;
    }
    bool ok = all_us && with_administrator(b, ask_verbs, asked_all, INT64_MAX);
    json_t *verbs = json_object();
    for (int v = 0; v < VERBS && ok; v++) {
        memcpy(all_us + count, b->took_us[v], b->took_count[v] * sizeof *all_us);
        count += b->took_count[v];
        json_object_set_new(verbs, verb_names[v], spread(b->took_us[v], b->took_count[v]));
    }
    if (ok)
        json_object_set_new(verbs, "all", spread(all_us, count));
    json_object_set_new(b->report, name, verbs);
    for (int v = 0; v < VERBS; v++)
        free(b->took_us[v]);
    free(all_us);
    return ok;
}

/* The same through the TLS port, by an administrator's certificate. */
static bool measure_verbs_from_afar(struct bench *b)
{
    b->afar = kg_bench_afar_open(b->options.state, b->options.port);
    bool ok = b->afar && measure_verbs(b, "verbs_from_afar");
    kg_bench_afar_close(b->afar);
    b->afar = NULL;
    return ok;
}

static bool measure_revocation(struct bench *b)
{
    b->revoked_at_us = calloc(b->options.revoked, sizeof *b->revoked_at_us);
    b->crowd.come_back = false;
    bool ok = b->revoked_at_us && with_administrator(b, revoke_rooms, all_revoked_gone,
                                                     kg_clock_now_us() + 60 * INT64_C(1000000));
    for (size_t i = 0; ok && i < b->options.revoked; i++)
        b->revoked_at_us[i] = atomic_load(&b->crowd.members[i].ended_us) - b->revoked_at_us[i];
    if (ok)
        json_object_set_new(b->report, "revocation", spread(b->revoked_at_us, b->options.revoked));
    else
        fprintf(stderr, "bench_control: revoked rooms stay connected\n");
    free(b->revoked_at_us);
    return ok;
}

static bool measure_rooms(struct bench *b)
{
    const struct options *o = &b->options;
    struct kg_usage before, idle_use, after;
    if (!kg_crowd_init(&b->crowd, b->rooms, o->rooms, o->port, false) || !kg_usage_read(o->pid, &before))
        return false;
    fprintf(stderr, "bench_control: %zu rooms come\n", o->rooms);
    json_t *first = come(&b->crowd, o->pid);
    if (!first)
        return false;
    json_object_set_new(b->report, "first", first);
    idle(b, o->idle_s * INT64_C(1000000));
    if (!kg_usage_read(o->pid, &idle_use))
        return false;
    json_object_set_new(b->report, "memory", grown(&before, &idle_use, o->rooms));
    fprintf(stderr, "bench_control: all are cut off and come back\n");
    kg_crowd_cut(&b->crowd);
    json_t *rush = come(&b->crowd, o->pid);
    if (!rush)
        return false;
    json_object_set_new(b->report, "rush", rush);
    idle(b, 2 * SECOND_US);
    if (!kg_usage_read(o->pid, &after))
        return false;
    json_object_set_new(b->report, "memory_after_rush", grown(&before, &after, o->rooms));
    fprintf(stderr, "bench_control: verbs and revocations\n");
    bool ok = measure_verbs(b, "verbs") && measure_verbs_from_afar(b) && measure_revocation(b);
    size_t lost = o->rooms - b->crowd.up;
    json_object_set_new(b->report, "lost", json_integer(ok ? (json_int_t)lost - (json_int_t)o->revoked : -1));
    return ok;
}

static bool measure(struct bench *b)
{
    const struct options *o = &b->options;
    int64_t began_us = kg_clock_now_us(), import_us;
    fprintf(stderr, "bench_control: %zu rooms are added by the verbs and the signer\n", o->rooms);
    b->rooms = kg_bench_rooms_make(o->state, o->rooms);
    if (!b->rooms)
        return false;
    double added_s = (double)(kg_clock_now_us() - began_us) / 1e6;
    if (!kg_bench_must(o->state, import(b, o->meetings, 0), &import_us))
        return false;
    b->report =
        json_pack("{s:I, s:I, s:f, s:f}", "rooms", (json_int_t)o->rooms, "meetings", (json_int_t)o->meetings,
                  "add_ms_a_room", added_s * 1e3 / (double)o->rooms, "import_ms", (double)import_us / 1e3);
    bool ok = measure_floor(b) && measure_rooms(b);
    kg_crowd_finish(&b->crowd);
    return ok;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"state", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},
        {"pid", required_argument, NULL, 'i'},
        {"rooms", required_argument, NULL, 'r'},
        {"verbs", required_argument, NULL, 'v'},
        {"revoked", required_argument, NULL, 'k'},
        {"idle", required_argument, NULL, 't'},
        {"out", required_argument, NULL, 'o'},
        {0},
    };
    *o = (struct options){.rooms = 2000, .asked = 600, .revoked = 20, .idle_s = 6};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 's':
            o->state = optarg;
            break;
        case 'o':
            o->out = optarg;
            break;
        case 'p':
            o->port = (uint16_t)number;
            break;
        case 'i':
            o->pid = (pid_t)number;
            break;
        case 'r':
            o->rooms = number;
            break;
        case 'v':
            o->asked = number;
            break;
        case 'k':
            o->revoked = number;
            break;
        case 't':
            o->idle_s = (int)number;
            break;
        default:
            return false;
        }
    }
    o->meetings = o->rooms;
    return o->state && o->out && o->port && o->pid && o->rooms > o->revoked && o->rooms < 10000 &&
           o->revoked > 0 && o->asked >= VERBS && o->asked < MAX_ASKED;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "bare") == 0)
        return kg_bare_serve(argv[2]);
    if (!read_options(argc, argv, &bench.options)) {
        fprintf(stderr,
                "bench_control --state DIR --port PORT --pid PID --out FILE [--rooms 2000] [--verbs 600] "
                "[--revoked 20] [--idle 6]\n");
        return 2;
    }
    bool ok = measure(&bench);
    if (bench.report && json_dump_file(bench.report, bench.options.out, JSON_INDENT(2)) != 0) {
        fprintf(stderr, "bench_control: cannot write %s: %s\n", bench.options.out, strerror(errno));
        ok = false;
    }
    json_decref(bench.report);
    if (bench.rooms)
        kg_bench_rooms_destroy(bench.rooms, bench.options.rooms);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
