/* kaigi-ctl agenda, meeting and status. */
#include <stdio.h>
#include <string.h>

#include "relay/ctl.h"
#include "signal/agenda.h"

/* A line of the file that was left out is said with its reason; then the import is done in part. */
static int report_import(const json_t *reply, const char *file, bool quiet)
{
    size_t i;
    json_t *report;
    bool bad = false;
    json_array_foreach(json_object_get(reply, "reports"), i, report)
    {
        bool left_out = strcmp(kg_ctl_text_of(report, "severity"), "bad") == 0;
        bad = bad || left_out;
        if (quiet)
            continue;
        char line[24] = "";
        if (kg_ctl_number_of(report, "line") > 0)
            snprintf(line, sizeof line, ":%lld", kg_ctl_number_of(report, "line"));
        fprintf(stderr, "%s%s: %s%s%s%s\n", file, line,
                left_out ? "left out: " : "note: ", kg_ctl_text_of(report, "reason"),
                *kg_ctl_text_of(report, "uid") ? ", UID " : "", kg_ctl_text_of(report, "uid"));
    }
    long long imported = kg_ctl_number_of(reply, "imported");
    if (!quiet)
        printf("%lld meetings imported\n", imported);
    return !bad ? KG_CTL_DONE : imported > 0 ? KG_CTL_PARTLY : KG_CTL_FAILED;
}

static void show_parties(const json_t *meeting)
{
    size_t i;
    json_t *party;
    json_array_foreach(json_object_get(meeting, "parties"), i, party)
    {
        printf("  %-20s %-7s %-18s in %lld out %lld packets, loss %.1f%%, rtt %.1f ms%s%s%s\n",
               kg_ctl_text_of(party, "room"), kg_ctl_text_of(party, "path"),
               kg_ctl_text_of(party, "srtp_profile"), kg_ctl_number_of(party, "packets_in"),
               kg_ctl_number_of(party, "packets_out"),
               json_number_value(json_object_get(party, "loss_out_percent")),
               json_number_value(json_object_get(party, "rtt_ms")),
               json_is_true(json_object_get(party, "microphone_muted")) ? ", microphone off" : "",
               json_is_true(json_object_get(party, "camera_muted")) ? ", camera off" : "",
               json_is_true(json_object_get(party, "away")) ? ", AWAY" : "");
    }
}

static void warn_of_ends(const json_t *reply)
{
    static const char *const names[][2] = {
        {"relay", "the relay's certificate: run \"kaigi-ctl ca server\""},
        {"issuing", "the issuing authority: run \"kaigi-ctl ca issue\""},
        {"root", "the root: make a new authority"},
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(names); i++) {
        const json_t *one = json_object_get(json_object_get(reply, "certificates"), names[i][0]);
        if (json_is_true(json_object_get(one, "ends_soon")))
            printf("WARNING: less than 30 days are left of %s\n", names[i][1]);
    }
}

/* How busy the relay is: for those who may see all of it. */
static void show_load(const json_t *reply)
{
    size_t i;
    json_t *item;
    warn_of_ends(reply);
    const json_t *tunnel = json_object_get(reply, "tunnel");
    printf("port %lld, %lld KiB, %.2f s of CPU\n", kg_ctl_number_of(reply, "port"),
           kg_ctl_number_of(reply, "rss_kb"), json_number_value(json_object_get(reply, "cpu_s")));
    printf("tunnel: %lld connections, in %lld out %lld messages, %lld dropped\n",
           kg_ctl_number_of(tunnel, "connections"), kg_ctl_number_of(tunnel, "messages_in"),
           kg_ctl_number_of(tunnel, "messages_out"), kg_ctl_number_of(tunnel, "dropped"));
    json_array_foreach(json_object_get(reply, "workers"), i, item)
    {
        printf("worker %lld: %lld parties, in %lld out %lld packets, %lld dropped, %lld crossed\n",
               kg_ctl_number_of(item, "worker"), kg_ctl_number_of(item, "parties"),
               kg_ctl_number_of(item, "packets_in"), kg_ctl_number_of(item, "packets_out"),
               kg_ctl_number_of(item, "dropped"), kg_ctl_number_of(item, "crossed"));
    }
}

static int show_status(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                       bool quiet)
{
    size_t i;
    json_t *item;
    const json_t *store = json_object_get(reply, "store");
    (void)ctl;
    (void)values;
    if (quiet)
        return KG_CTL_DONE;
    printf("%s, up %.0f s\nstore: %s", kg_ctl_text_of(reply, "software"),
           json_number_value(json_object_get(reply, "uptime_s")), kg_ctl_text_of(store, "text"));
    if (json_object_get(store, "lost"))
        printf(" (%lld records lost)", kg_ctl_number_of(store, "lost"));
    putchar('\n');
    if (json_object_get(reply, "workers"))
        show_load(reply);
    printf("rooms connected: %zu of %lld\n", json_array_size(json_object_get(reply, "rooms")),
           kg_ctl_number_of(reply, "rooms_known"));
    json_array_foreach(json_object_get(reply, "rooms"), i, item)
        printf("  %-20s %-24s %s\n", kg_ctl_text_of(item, "room"), kg_ctl_text_of(item, "peer"),
               kg_ctl_text_of(item, "software"));
    json_array_foreach(json_object_get(reply, "meetings"), i, item)
    {
        printf("meeting %s \"%s\"", kg_ctl_text_of(item, "uid"), kg_ctl_text_of(item, "title"));
        if (json_object_get(item, "worker"))
            printf(", worker %lld", kg_ctl_number_of(item, "worker"));
        putchar('\n');
        show_parties(item);
        if (kg_ctl_number_of(item, "others"))
            printf("  and %lld of other organizations\n", kg_ctl_number_of(item, "others"));
    }
    return KG_CTL_DONE;
}

static int import(const struct kg_ctl *ctl, const struct kg_ctl_values *values, json_t *request)
{
    const char *file = kg_ctl_value(values, "calendar");
    char *text = kg_ctl_read_file(ctl, file, KG_AGENDA_MAX_BYTES);
    json_t *calendar = text && *text ? json_string(text) : NULL, *reply = NULL;
    if (text && !*text)
        kg_ctl_fail(ctl, "%s is empty", file);
    else if (text && !calendar)
        kg_ctl_fail(ctl, "%s is not UTF-8 text; save it as UTF-8", file);
    g_free(text);
    if (calendar) {
        json_object_set_new(request, "calendar", calendar);
        reply = kg_ctl_ask(ctl, request);
    } else {
        json_decref(request);
    }
    int code = reply ? report_import(reply, file, kg_ctl_print_json(ctl, reply)) : KG_CTL_FAILED;
    json_decref(reply);
    return code;
}

static int show_meetings(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                         bool quiet)
{
    static const struct kg_ctl_column columns[] = {
        {"MEETING", "meeting", KG_CTL_COLUMN_TEXT}, {"START", "start", KG_CTL_COLUMN_TIME},
        {"END", "end", KG_CTL_COLUMN_TIME},         {"STATUS", "status", KG_CTL_COLUMN_TEXT},
        {"TITLE", "title", KG_CTL_COLUMN_TEXT},     {"ROOMS", "rooms", KG_CTL_COLUMN_TEXT}};
    (void)ctl;
    (void)values;
    if (!quiet)
        kg_ctl_print_table(json_object_get(reply, "meetings"), columns, KG_ARRAY_LEN(columns));
    return KG_CTL_DONE;
}

static int show_cancelled(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                          bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("meeting %s is called off\n", kg_ctl_text_of(reply, "meeting"));
    return KG_CTL_DONE;
}

const struct kg_ctl_command kg_ctl_meetings[] = {
    {"agenda", "import", "take over meetings from an iCalendar file", .verb = "agenda-import",
     .summary =
         "Rooms are attendees: ATTENDEE;CUTYPE=ROOM:mailto:<room id>@... Bad events are reported with\n"
         "line and reason, the good ones imported. A meeting known by its UID is replaced, and with\n"
         "STATUS:CANCELLED called off.",
     .words = {{"FILE", "calendar"}},
     .options = {{"organization", "organization", KG_CTL_TEXT, false, "ID",
                  "Whose meetings they are; may be left out when there is one organization"}},
     .ask = import},
    {"meeting", "list", "show the meetings", .verb = "meeting-list", .summary = "Shows what is planned.",
     .options = {{"organization", "organization", KG_CTL_TEXT, false, "ID", "Of this organization only"},
                 {"from", "from", KG_CTL_TIME, false, "DAY", "That end then or later"},
                 {"to", "to", KG_CTL_TIME, false, "DAY", "That begin before"}},
     .show = show_meetings},
    {"meeting", "cancel", "call a meeting off", .verb = "meeting-cancel",
     .summary = "Calls a meeting off; whoever sits in it leaves.", .words = {{"MEETING", "meeting"}},
     .show = show_cancelled},
    {"status", NULL, "show who is connected and what is forwarded", .verb = "status",
     .summary = "Shows rooms, meetings, paths and the workers' counters.", .show = show_status},
    {0},
};
