#include "tools/report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/hearing.h"
#include "tools/sight.h"

/* A meeting counts as seen and heard from these on; a still picture has one frame, silence no chirps. */
static const double min_frames_share = 0.5, min_chirps_share = 0.6, max_concealed_percent = 40;
static const double least_fps = 5;

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *value = path ? json_load_file(path, 0, &error) : NULL;
    if (path && !value)
        fprintf(stderr, "%s: %s\n", path, error.text);
    return value;
}

static double rounded(double v)
{
    return round(v * 1000) / 1000;
}

/* The growth of one counter between two files. */
static double grown(const json_t *before, const json_t *after, const char *key)
{
    double from = json_number_value(json_object_get(before, key)),
           to = json_number_value(json_object_get(after, key));
    return rounded(to - from);
}

/* CPU seconds a second between two usage files. */
static json_t *cores(const json_t *before, const json_t *after, const char *key)
{
    double seconds = grown(before, after, "at_s");
    return seconds > 0 ? json_real(rounded(grown(before, after, key) / seconds)) : json_null();
}

static bool judge(const char *name, const struct kg_sight *s, const struct kg_hearing *h, double seconds)
{
    bool saw = s->fps >= least_fps && s->frames >= min_frames_share * least_fps * seconds;
    bool heard = h->chirps_heard >= 2 && h->chirps_heard >= min_chirps_share * h->chirps_sent &&
                 h->concealed_percent >= 0 && h->concealed_percent <= max_concealed_percent;
    if (!saw)
        fprintf(stderr, "%s did not see the other room move: %u different pictures in %.0f s\n", name,
                s->frames, seconds);
    if (!heard)
        fprintf(
            stderr,
            "%s did not hear the other room: %u of %u chirps, %.0f %% of the voice unlike what was said\n",
            name, h->chirps_heard, h->chirps_sent, h->concealed_percent);
    return saw && heard;
}

/* The party of this room in the relay's status, or NULL. */
static json_t *party_of(const json_t *status, const char *room)
{
    json_t *meeting, *party;
    size_t i, k;
    json_array_foreach(json_object_get(status, "meetings"), i, meeting)
    {
        json_array_foreach(json_object_get(meeting, "parties"), k, party)
        {
            const char *id = json_string_value(json_object_get(party, "room"));
            if (id && strcmp(id, room) == 0)
                return party;
        }
    }
    return NULL;
}

/* One counter over all workers. */
static json_t *sum_of(const json_t *status, const char *key)
{
    json_t *worker;
    size_t i;
    json_int_t sum = 0;
    json_array_foreach(json_object_get(status, "workers"), i, worker)
    {
        sum += json_integer_value(json_object_get(worker, key));
    }
    return json_integer(sum);
}

/* What a room sent between two statuses: UDP payload bytes of its RTP as the relay counted them. */
static json_t *sent_kbps(const json_t *early, const json_t *status, const char *room)
{
    const json_t *from = party_of(early, room), *to = party_of(status, room);
    double seconds = grown(early, status, "uptime_s");
    if (!from || !to || seconds <= 0)
        return json_null();
    return json_real(round(grown(from, to, "bytes_in") * 8 / 1000 / seconds));
}

static json_t *room_json(const struct kg_report_room *room, const struct kg_sight *s,
                         const struct kg_hearing *h, const json_t *early, const json_t *status)
{
    json_t *before = load(room->before), *after = load(room->after), *party = party_of(status, room->name);
    json_t *out = json_object();
    double join_ms = room->touched_us && s->first_us ? (double)(s->first_us - room->touched_us) / 1000 : -1;
    json_object_set_new(out, "join_ms", join_ms >= 0 ? json_real(rounded(join_ms)) : json_null());
    json_object_set_new(out, "video",
                        json_pack("{s:i,s:f,s:i,s:i,s:f,s:f,s:f,s:f,s:f}", "frames", (int)s->frames, "fps",
                                  rounded(s->fps), "width", (int)s->width, "height", (int)s->height,
                                  "freeze_ms", rounded(s->freeze_ms), "ssim", rounded(s->ssim), "ssim_worst",
                                  rounded(s->worst_ssim), "delay_ms_p50", rounded(s->delay_ms_p50),
                                  "delay_ms_p95", rounded(s->delay_ms_p95)));
    /* packets: what one Opus packet holds, 20 ms, recognised again in what was played. */
    json_object_set_new(out, "audio",
                        json_pack("{s:i,s:i,s:i,s:f,s:f}", "packets", (int)h->blocks_heard, "chirps_sent",
                                  (int)h->chirps_sent, "chirps_heard", (int)h->chirps_heard,
                                  "concealed_percent", rounded(h->concealed_percent), "delay_ms",
                                  rounded(h->delay_ms)));
    bool both = s->delay_ms_p50 >= 0 && h->delay_ms >= 0;
    json_object_set_new(out, "lip_sync_ms",
                        both ? json_real(rounded(s->delay_ms_p50 - h->delay_ms)) : json_null());
    json_object_set(out, "srtp_profile", json_object_get(party, "srtp_profile"));
    json_object_set(out, "path", json_object_get(party, "path"));
    json_object_set_new(out, "sent_kbps", sent_kbps(early, status, room->name));
    json_object_set_new(out, "cpu_s", json_real(grown(before, after, "cpu_s")));
    json_object_set_new(out, "cpu_draw_s", json_real(grown(before, after, "cpu_main_s")));
    json_object_set_new(out, "cpu_cores", cores(before, after, "cpu_s"));
    json_object_set_new(out, "cpu_draw_cores", cores(before, after, "cpu_main_s"));
    json_object_set(out, "rss_kb", json_object_get(after, "rss_kb"));
    json_object_set(out, "pss_kb", json_object_get(after, "pss_kb"));
    json_decref(before);
    json_decref(after);
    return out;
}

static json_t *relay_json(const struct kg_report *report, const json_t *status)
{
    json_t *before = load(report->relay_before), *after = load(report->relay_after);
    json_t *idle = load(report->relay_idle);
    json_t *out = json_object();
    json_object_set_new(out, "packets_in", sum_of(status, "packets_in"));
    json_object_set_new(out, "packets_out", sum_of(status, "packets_out"));
    json_object_set_new(out, "cpu_s", json_real(grown(before, after, "cpu_s")));
    json_object_set_new(out, "cpu_cores", cores(before, after, "cpu_s"));
    json_object_set(out, "rss_idle_kb", json_object_get(idle, "rss_kb"));
    json_object_set(out, "rss_kb", json_object_get(after, "rss_kb"));
    json_decref(idle);
    json_decref(before);
    json_decref(after);
    return out;
}

bool kg_report_write(const struct kg_report *report)
{
    json_t *early = load(report->early), *status = load(report->status), *rooms = json_object();
    bool good = true;
    for (int i = 0; i < 2; i++) {
        const struct kg_report_room *me = &report->room[i], *other = &report->room[1 - i];
        struct kg_sight sight;
        struct kg_hearing hearing;
        bool seen = kg_sight_measure(other->tap_dir, me->tap_dir, other->clip, &sight);
        bool heard = kg_hearing_measure(other->tap_dir, me->tap_dir, other->chirp, &hearing);
        good &= seen && heard && judge(me->name, &sight, &hearing, report->seconds);
        json_object_set_new(rooms, me->name, room_json(me, &sight, &hearing, early, status));
    }
    json_t *root = json_pack("{s:f,s:b,s:o,s:o}", "seconds", report->seconds, "met", (int)good, "rooms",
                             rooms, "relay", relay_json(report, status));
    if (json_dump_file(root, report->out, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0) {
        fprintf(stderr, "cannot write %s\n", report->out);
        good = false;
    }
    json_decref(root);
    json_decref(early);
    json_decref(status);
    return good;
}
