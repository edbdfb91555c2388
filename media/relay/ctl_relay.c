/* kaigi-ctl: what the running relay is asked. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "relay/ctl.h"
#include "signal/agenda.h"

enum { CSR_MAX_BYTES = 64 * 1024 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void day_of(long long seconds, char text[32])
{
    time_t when = (time_t)seconds;
    struct tm tm;
    localtime_r(&when, &tm);
    strftime(text, 32, "%Y-%m-%d", &tm);
}

struct room_options {
    char *id, *organization, *department, *csr, *cert_out;
    gboolean replace;
};

static int add_room(const struct kg_ctl *ctl, const char *name, const struct room_options *o)
{
    char *csr = kg_ctl_read_file(ctl, o->csr, CSR_MAX_BYTES);
    if (!csr)
        return KG_CTL_FAILED;
    json_t *request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "command", "room-add", "id", o->id,
                                "name", name, "organization", o->organization, "department", o->department,
                                "csr", csr, "replace", o->replace);
    g_free(csr);
    if (!request)
        return kg_ctl_fail(ctl, "a name or the request file is not UTF-8 text");
    json_t *reply = kg_ctl_ask(ctl, request);
    if (!reply)
        return KG_CTL_FAILED;
    int code = KG_CTL_DONE;
    GError *error = NULL;
    if (!g_file_set_contents(o->cert_out, text_of(reply, "certificate"), -1, &error)) {
        code = kg_ctl_fail(
            ctl, "the room is enrolled, but its certificate cannot be written (%s); repeat with --replace",
            error->message);
        g_error_free(error);
    } else if (!kg_ctl_print_json(ctl, reply)) {
        char day[32];
        day_of(number_of(reply, "not_after"), day);
        printf("room %s is enrolled; its certificate, valid until %s, is %s\nSHA-256: %s\n", o->id, day,
               o->cert_out, text_of(reply, "fingerprint"));
    }
    json_decref(reply);
    return code;
}

int kg_ctl_room_add(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct room_options o = {0};
    const char *name;
    const GOptionEntry entries[] = {
        {"id", 0, 0, G_OPTION_ARG_FILENAME, &o.id, "Room id as agendas name it: a-z, 0-9 and \"-\"", "ID"},
        {"organization", 0, 0, G_OPTION_ARG_FILENAME, &o.organization,
         "Organization shown on its name plate (団体名)", "TEXT"},
        {"department", 0, 0, G_OPTION_ARG_FILENAME, &o.department,
         "Department shown on its name plate (所属)", "TEXT"},
        {"csr", 0, 0, G_OPTION_ARG_FILENAME, &o.csr, "The certificate request made on the terminal", "FILE"},
        {"cert-out", 0, 0, G_OPTION_ARG_FILENAME, &o.cert_out, "Where to write its certificate", "FILE"},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &o.replace,
         "The room exists: give it this new certificate and names", NULL},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "NAME - enrol a room",
            "Signs the room's certificate request and writes the room (NAME: 会議室名) into the directory.",
            entries, 1, &name)) {
        if (!o.id || !o.organization || !o.department || !o.csr || !o.cert_out)
            kg_ctl_fail(&ctl, "--id, --organization, --department, --csr and --cert-out are needed");
        else
            code = add_room(&ctl, name, &o);
    }
    g_free(o.id);
    g_free(o.organization);
    g_free(o.department);
    g_free(o.csr);
    g_free(o.cert_out);
    kg_ctl_finish(&ctl);
    return code;
}

/* Sends {"command": ...} and, without --json, shows the reply. */
static int ask_and_show(const struct kg_ctl *ctl, json_t *request, int (*show)(const json_t *reply))
{
    json_t *reply = request ? kg_ctl_ask(ctl, request) : NULL;
    if (!reply)
        return request ? KG_CTL_FAILED : kg_ctl_fail(ctl, "an argument is not UTF-8 text");
    bool json = kg_ctl_print_json(ctl, reply);
    int code = show(json ? NULL : reply);
    json_decref(reply);
    return code;
}

static int show_rooms(const json_t *reply)
{
    size_t i;
    json_t *room;
    json_array_foreach(json_object_get(reply, "rooms"), i, room)
    {
        char until[32], revoked[32] = "";
        day_of(number_of(room, "not_after"), until);
        day_of(number_of(room, "revoked_at"), revoked);
        printf("%-20s %-12s until %s  %s %s %s%s%s\n", text_of(room, "id"),
               json_is_true(json_object_get(room, "connected")) ? "connected" : "-", until,
               text_of(room, "organization"), text_of(room, "department"), text_of(room, "name"),
               number_of(room, "revoked_at") ? "  REVOKED " : "",
               number_of(room, "revoked_at") ? revoked : "");
    }
    return KG_CTL_DONE;
}

int kg_ctl_room_list(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(&ctl, argc, argv, "- show the rooms",
                       "Shows every room with its certificate's last day.", NULL, 0, NULL))
        code = ask_and_show(&ctl, json_pack("{s:s}", "command", "room-list"), show_rooms);
    kg_ctl_finish(&ctl);
    return code;
}

static int show_revoked(const json_t *reply)
{
    if (reply)
        printf("room %s is shut out\n", text_of(reply, "id"));
    return KG_CTL_DONE;
}

int kg_ctl_room_revoke(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    const char *id;
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "ID - shut a room out, at once",
            "Revokes the room's certificate and ends its connection. \"room add --replace\" enrols it again.",
            NULL, 1, &id))
        code = ask_and_show(&ctl, json_pack("{s:s, s:s}", "command", "room-revoke", "id", id), show_revoked);
    kg_ctl_finish(&ctl);
    return code;
}

/* A line of the file that was left out is said with its reason; then the import is done in part. */
static int report_import(const json_t *reply, const char *file, bool quiet)
{
    size_t i;
    json_t *report;
    bool bad = false;
    json_array_foreach(json_object_get(reply, "reports"), i, report)
    {
        bool left_out = strcmp(text_of(report, "severity"), "bad") == 0;
        bad = bad || left_out;
        if (quiet)
            continue;
        char line[24] = "";
        if (number_of(report, "line") > 0)
            snprintf(line, sizeof line, ":%lld", number_of(report, "line"));
        fprintf(stderr, "%s%s: %s%s%s%s\n", file, line,
                left_out ? "left out: " : "note: ", text_of(report, "reason"),
                *text_of(report, "uid") ? ", UID " : "", text_of(report, "uid"));
    }
    long long imported = number_of(reply, "imported");
    if (!quiet)
        printf("%lld meetings imported\n", imported);
    return !bad ? KG_CTL_DONE : imported > 0 ? KG_CTL_PARTLY : KG_CTL_FAILED;
}

int kg_ctl_agenda_import(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    const char *file;
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "FILE - take over meetings from an iCalendar file",
            "Rooms are attendees: ATTENDEE;CUTYPE=ROOM:mailto:<room id>@... Bad events are reported with\n"
            "line and reason, the good ones imported. A meeting known by its UID is replaced, and with\n"
            "STATUS:CANCELLED called off.",
            NULL, 1, &file)) {
        char *text = kg_ctl_read_file(&ctl, file, KG_AGENDA_MAX_BYTES);
        json_t *request = text ? json_pack("{s:s, s:s}", "command", "agenda-import", "calendar", text) : NULL;
        json_t *reply = request ? kg_ctl_ask(&ctl, request) : NULL;
        code = KG_CTL_FAILED;
        if (text && !request)
            kg_ctl_fail(&ctl, "%s is not UTF-8 text; save it as UTF-8", file);
        if (reply)
            code = report_import(reply, file, kg_ctl_print_json(&ctl, reply));
        json_decref(reply);
        g_free(text);
    }
    kg_ctl_finish(&ctl);
    return code;
}

static void show_parties(const json_t *meeting)
{
    size_t i;
    json_t *party;
    json_array_foreach(json_object_get(meeting, "parties"), i, party)
    {
        printf("  %-20s %-7s %-18s in %lld out %lld packets, loss %.1f%%, rtt %.1f ms%s%s%s\n",
               text_of(party, "room"), text_of(party, "path"), text_of(party, "srtp_profile"),
               number_of(party, "packets_in"), number_of(party, "packets_out"),
               json_number_value(json_object_get(party, "loss_out_percent")),
               json_number_value(json_object_get(party, "rtt_ms")),
               json_is_true(json_object_get(party, "microphone_muted")) ? ", microphone off" : "",
               json_is_true(json_object_get(party, "camera_muted")) ? ", camera off" : "",
               json_is_true(json_object_get(party, "away")) ? ", AWAY" : "");
    }
}

static int show_status(const json_t *reply)
{
    size_t i;
    json_t *item;
    if (!reply)
        return KG_CTL_DONE;
    printf("%s, port %lld, up %.0f s, %lld KiB, %.2f s of CPU\n", text_of(reply, "software"),
           number_of(reply, "port"), json_number_value(json_object_get(reply, "uptime_s")),
           number_of(reply, "rss_kb"), json_number_value(json_object_get(reply, "cpu_s")));
    const json_t *store = json_object_get(reply, "store"), *tunnel = json_object_get(reply, "tunnel");
    printf("store: %s (%lld records lost)\n", text_of(store, "text"), number_of(store, "lost"));
    printf("tunnel: %lld connections, in %lld out %lld messages, %lld dropped\n",
           number_of(tunnel, "connections"), number_of(tunnel, "messages_in"),
           number_of(tunnel, "messages_out"), number_of(tunnel, "dropped"));
    json_array_foreach(json_object_get(reply, "workers"), i, item)
    {
        printf("worker %lld: %lld parties, in %lld out %lld packets, %lld dropped, %lld crossed\n",
               number_of(item, "worker"), number_of(item, "parties"), number_of(item, "packets_in"),
               number_of(item, "packets_out"), number_of(item, "dropped"), number_of(item, "crossed"));
    }
    printf("rooms connected: %zu of %lld\n", json_array_size(json_object_get(reply, "rooms")),
           number_of(reply, "rooms_known"));
    json_array_foreach(json_object_get(reply, "rooms"), i, item)
        printf("  %-20s %-24s %s\n", text_of(item, "room"), text_of(item, "peer"), text_of(item, "software"));
    json_array_foreach(json_object_get(reply, "meetings"), i, item)
    {
        printf("meeting %s \"%s\", worker %lld\n", text_of(item, "uid"), text_of(item, "title"),
               number_of(item, "worker"));
        show_parties(item);
    }
    return KG_CTL_DONE;
}

int kg_ctl_status(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(&ctl, argc, argv, "- show who is connected and what is forwarded",
                       "Shows rooms, meetings, paths and the workers' counters.", NULL, 0, NULL))
        code = ask_and_show(&ctl, json_pack("{s:s}", "command", "status"), show_status);
    kg_ctl_finish(&ctl);
    return code;
}
