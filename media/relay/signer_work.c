#include "relay/signer_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock_floor.h"
#include "base/log.h"
#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/signer_protocol.h"

enum { SAVED_MINUTES = 5 };
#define MINUTE_US (INT64_C(60) * 1000000)

struct kg_signer {
    struct kg_ca *ca;
    struct kg_clock_floor clock;
    int log;
    bool torn; /* its last line has no end */
    char log_path[KG_CA_PATH_BYTES];
    uint64_t count;
    int64_t cost_us, saved_us, refilled_us; /* one signature costs a minute / per_minute */
    struct kg_log_limit refusals;
};

/* Counts what was signed before. A power cut may have left half a line: it gets its end. */
static bool open_log(struct kg_signer *s, const char *folder, struct kg_problem *problem)
{
    char bytes[65536];
    ssize_t size;
    bool ended = true;
    if (!kg_ca_path(s->log_path, folder, KG_SIGNER_LOG, problem))
        return false;
    s->log = open(s->log_path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->log < 0)
        return kg_problem_set(problem, "cannot open %s: %s", s->log_path, strerror(errno));
    while ((size = read(s->log, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < size; i++)
            s->count += bytes[i] == '\n';
        ended = bytes[size - 1] == '\n';
    }
    if (size < 0 || (!ended && write(s->log, "\n", 1) != 1))
        return kg_problem_set(problem, "cannot read %s: %s", s->log_path, strerror(errno));
    return true;
}

struct kg_signer *kg_signer_create(const struct kg_signer_params *params, struct kg_problem *problem)
{
    char path[KG_CA_PATH_BYTES];
    struct kg_signer *s = calloc(1, sizeof *s);
    if (!s) {
        kg_problem_set(problem, "no memory");
        return NULL;
    }
    s->log = -1;
    s->cost_us = MINUTE_US / params->per_minute;
    s->saved_us = SAVED_MINUTES * MINUTE_US;
    s->refusals = (struct kg_log_limit){.burst = 20, .interval_us = 10000000};
    s->ca = kg_ca_open(params->folder, problem);
    if (s->ca && open_log(s, params->folder, problem) &&
        kg_ca_path(path, params->folder, KG_SIGNER_CLOCK, problem)) {
        kg_clock_floor_open(&s->clock, path, params->build_s);
        return s;
    }
    kg_signer_destroy(s);
    return NULL;
}

void kg_signer_destroy(struct kg_signer *signer)
{
    if (!signer)
        return;
    if (signer->log >= 0)
        close(signer->log);
    kg_ca_close(signer->ca);
    free(signer);
}

uint64_t kg_signer_count(const struct kg_signer *signer)
{
    return signer->count;
}

static bool within_rate(struct kg_signer *s, int64_t now_us)
{
    if (s->refilled_us)
        s->saved_us = KG_MIN(s->saved_us + (now_us - s->refilled_us), SAVED_MINUTES * MINUTE_US);
    s->refilled_us = now_us;
    if (s->saved_us < s->cost_us)
        return false;
    s->saved_us -= s->cost_us;
    return true;
}

static bool append(struct kg_signer *s, const char *text, size_t size)
{
    ssize_t written = write(s->log, text, size);
    if (written == (ssize_t)size)
        return true;
    s->torn = s->torn || written > 0;
    if (written >= 0)
        errno = ENOSPC; /* a short count tells no reason */
    return false;
}

/* One write, so that two lines never mix; synced, so that no certificate exists that was not written down. A
 * full disk may have cut the line before: this one must not stick to it. */
static bool append_line(struct kg_signer *s, const char *line, size_t size)
{
    if (s->torn && !append(s, "\n", 1))
        return false;
    s->torn = false;
    return append(s, line, size) && fdatasync(s->log) == 0;
}

static bool write_down(struct kg_signer *s, const struct kg_ca_subject *subject,
                       const struct kg_ca_certificate *made, const struct ucred *peer, int64_t now_s,
                       struct kg_problem *problem)
{
    char line[512];
    int size = snprintf(line, sizeof line,
                        "{\"time\":%lld,\"serial\":\"%s\",\"kind\":\"%s\",\"subject\":\"%.253s\",\"not_"
                        "after\":%lld,\"uid\":%u}\n",
                        (long long)now_s, made->serial, kg_ca_kind_name(subject->kind),
                        subject->kind == KG_CA_SERVER ? subject->addresses[0] : subject->id,
                        (long long)made->not_after_s, peer->uid);
    errno = EMSGSIZE;
    if (size > 0 && (size_t)size < sizeof line && append_line(s, line, (size_t)size)) {
        s->count++;
        return true;
    }
    int why = errno;
    kg_log(KG_LOG_ERROR, "signer", "signer.log", "cannot write %s: %s; nothing is signed", s->log_path,
           strerror(why));
    return kg_problem_set(problem,
                          "the signer cannot write its log (%s); nothing was signed: make room on "
                          "its disk",
                          strerror(why));
}

static json_t *refusal(struct kg_signer *s, const struct kg_problem *problem, int64_t now_us)
{
    uint32_t suppressed;
    if (kg_log_allow(&s->refusals, now_us, &suppressed))
        kg_log(KG_LOG_WARN, "signer", "signer.refused", "%s (%u more not logged)", problem->text, suppressed);
    return json_pack("{s:b, s:s}", "ok", 0, "error", problem->text);
}

static json_t *tell_status(const struct kg_signer *s)
{
    char *issuer = kg_ca_pem(s->ca);
    json_t *answer = issuer ? json_pack("{s:b, s:s, s:I, s:I}", "ok", 1, "issuer", issuer, "not_after",
                                        (json_int_t)kg_ca_not_after(s->ca), "signed", (json_int_t)s->count)
                            : NULL;
    free(issuer);
    return answer;
}

static json_t *sign(struct kg_signer *s, const struct kg_signer_request *r, const struct ucred *peer,
                    int64_t now_us, int64_t now_s)
{
    struct kg_problem problem;
    struct kg_ca_certificate made = {0};
    if (!kg_clock_floor_believes(&s->clock, now_s)) {
        kg_problem_set(&problem,
                       "the signer's clock is behind a time that has been already: set it, and try "
                       "again (if it was once too far ahead, remove %s first)",
                       s->clock.path);
        return refusal(s, &problem, now_us);
    }
    if (!within_rate(s, now_us)) {
        kg_problem_set(&problem, "too many signatures are asked for; try again in a minute, or start "
                                 "kaigi-signer with a larger --per-minute");
        return refusal(s, &problem, now_us);
    }
    if (!kg_ca_sign(s->ca, &r->subject, &r->request, now_s, &made, &problem) ||
        !write_down(s, &r->subject, &made, peer, now_s, &problem)) {
        kg_ca_certificate_finish(&made);
        return refusal(s, &problem, now_us);
    }
    kg_clock_floor_raise(&s->clock, now_s);
    kg_log(KG_LOG_INFO, "signer", "signer.signed", "%s %s, %s, serial %s", kg_ca_kind_name(r->subject.kind),
           r->subject.kind == KG_CA_SERVER ? r->subject.addresses[0] : r->subject.id, r->request.key_text,
           made.serial);
    json_t *answer =
        json_pack("{s:b, s:s, s:s, s:s, s:I}", "ok", 1, "certificate", made.pem, "issuer", made.issuer_pem,
                  "serial", made.serial, "not_after", (json_int_t)made.not_after_s);
    kg_ca_certificate_finish(&made);
    return answer;
}

char *kg_signer_answer(struct kg_signer *s, const char *line, size_t size, const struct ucred *peer,
                       int64_t now_us, int64_t now_s)
{
    struct kg_problem problem;
    struct kg_signer_request request;
    json_t *answer;
    if (!kg_signer_request_read(line, size, &request, &problem)) {
        answer = refusal(s, &problem, now_us);
    } else {
        answer = request.status ? tell_status(s) : sign(s, &request, peer, now_us, now_s);
        kg_signer_request_finish(&request);
    }
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL, *ended = NULL;
    json_decref(answer);
    if (text && asprintf(&ended, "%s\n", text) < 0)
        ended = NULL;
    free(text);
    return ended;
}
