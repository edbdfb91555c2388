/* kaigi-ctl room enrol, pending, reject: devices that ask over EST. Whoever approves sees first who asks, and
 * approves exactly that key. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "relay/ctl.h"

static void show_device(FILE *out, const json_t *device)
{
    const char *serial = kg_ctl_text_of(device, "serial");
    fprintf(out,
            "code:     %s (登録コード)\nserial:   %s (製造番号, as the device tells it)\nsource:   %s\n"
            "key:      %s (端末の鍵, SHA-256)\nasked:    %lld s ago\n",
            kg_ctl_text_of(device, "code"), *serial ? serial : "-", kg_ctl_text_of(device, "source"),
            kg_ctl_text_of(device, "fingerprint"), kg_ctl_number_of(device, "since_seconds"));
}

struct enrol_options {
    char *room, *organization, *department, *department_reading, *name, *name_reading;
    gboolean replace, yes;
};

/* Asked on the terminal, so that --json leaves standard output alone. */
static bool confirm(const struct kg_ctl *ctl, const json_t *device, const struct enrol_options *o)
{
    char answer[16] = "";
    if (o->yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        kg_ctl_fail(ctl, "nobody can be asked here; compare the device's code and key, and give --yes");
        return false;
    }
    show_device(stderr, device);
    fprintf(stderr, "Does the device's screen show this code and this key (端末の鍵), and is it %s? [y/N] ",
            o->room);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    kg_ctl_fail(ctl, "not approved; \"room reject\" refuses it");
    return false;
}

static bool set(json_t *request, const char *key, const char *value)
{
    return !value || json_object_set_new(request, key, json_string(value)) == 0;
}

static json_t *approval(const char *code, const json_t *device, const struct enrol_options *o)
{
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "command", "room-enrol", "room", o->room, "code",
                                code, "fingerprint", kg_ctl_text_of(device, "fingerprint"));
    if (request && set(request, "organization", o->organization) &&
        set(request, "department", o->department) &&
        set(request, "department_reading", o->department_reading) && set(request, "name", o->name) &&
        set(request, "name_reading", o->name_reading) &&
        (!o->replace || json_object_set_new(request, "replace", json_true()) == 0))
        return request;
    json_decref(request);
    return NULL;
}

static json_t *ask(const struct kg_ctl *ctl, json_t *request)
{
    if (!request)
        kg_ctl_fail(ctl, "an argument is not UTF-8 text");
    return request ? kg_ctl_ask(ctl, request) : NULL;
}

static int enrol(const struct kg_ctl *ctl, const char *code, const struct enrol_options *o)
{
    json_t *shown = ask(ctl, json_pack("{s:s, s:s}", "command", "room-pending", "code", code));
    const json_t *device = json_array_get(json_object_get(shown, "devices"), 0);
    json_t *reply = device && confirm(ctl, device, o) ? ask(ctl, approval(code, device, o)) : NULL;
    if (reply && !kg_ctl_print_json(ctl, reply)) {
        if (o->yes)
            show_device(stdout, device);
        printf("room %s is enrolled; the device fetches its certificate within seconds\ncertificate SHA-256: "
               "%s\n",
               o->room, kg_ctl_text_of(reply, "fingerprint"));
    }
    json_decref(shown);
    json_decref(reply);
    return reply ? KG_CTL_DONE : KG_CTL_FAILED;
}

int kg_ctl_room_enrol(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct enrol_options o = {0};
    const char *code;
    const GOptionEntry entries[] = {
        {"room", 0, 0, G_OPTION_ARG_FILENAME, &o.room, "Room id as agendas name it: a-z, 0-9 and \"-\"",
         "ID"},
        {"organization", 0, 0, G_OPTION_ARG_FILENAME, &o.organization, "Id of the room's organization (団体)",
         "ID"},
        {"name", 0, 0, G_OPTION_ARG_FILENAME, &o.name, "The room's name (会議室名)", "TEXT"},
        {"name-reading", 0, 0, G_OPTION_ARG_FILENAME, &o.name_reading, "… and its reading (かな)", "TEXT"},
        {"department", 0, 0, G_OPTION_ARG_FILENAME, &o.department, "The room's department (所属)", "TEXT"},
        {"department-reading", 0, 0, G_OPTION_ARG_FILENAME, &o.department_reading, "… and its reading (かな)",
         "TEXT"},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &o.replace, "The room has a device: this one takes its place",
         NULL},
        {"yes", 'y', 0, G_OPTION_ARG_NONE, &o.yes, "Do not ask: code and key have been compared", NULL},
        {0},
    };
    int result = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "CODE - let a device in that shows this code",
            "Shows the device's serial number, where it asks from and its key's fingerprint, asks, and\n"
            "signs its certificate. A room that does not exist yet is made; --name is needed for it.",
            entries, 1, &code)) {
        if (!o.room)
            kg_ctl_fail(&ctl, "--room is needed: which room is this device?");
        else
            result = enrol(&ctl, code, &o);
    }
    g_free(o.room);
    g_free(o.organization);
    g_free(o.department);
    g_free(o.department_reading);
    g_free(o.name);
    g_free(o.name_reading);
    kg_ctl_finish(&ctl);
    return result;
}

int kg_ctl_room_pending(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    char *code = NULL;
    const GOptionEntry entries[] = {
        {"code", 0, 0, G_OPTION_ARG_FILENAME, &code, "Only the device that shows this code", "CODE"},
        {0},
    };
    int result = KG_CTL_USAGE;
    if (kg_ctl_options(&ctl, argc, argv, "- show the devices that ask to be let in",
                       "Without --code all of them, which only the operator may see.", entries, 0, NULL)) {
        size_t i;
        json_t *device, *request = json_pack("{s:s}", "command", "room-pending");
        if (request && !set(request, "code", code)) {
            json_decref(request);
            request = NULL;
        }
        json_t *reply = ask(&ctl, request);
        result = reply ? KG_CTL_DONE : KG_CTL_FAILED;
        if (reply && !kg_ctl_print_json(&ctl, reply)) {
            json_array_foreach(json_object_get(reply, "devices"), i, device)
            {
                printf("%-12s %-9s %-24s from %-24s %4lld s left  %s\n", kg_ctl_text_of(device, "code"),
                       kg_ctl_text_of(device, "state"),
                       *kg_ctl_text_of(device, "serial") ? kg_ctl_text_of(device, "serial") : "-",
                       kg_ctl_text_of(device, "source"), kg_ctl_number_of(device, "seconds_left"),
                       kg_ctl_text_of(device, "fingerprint"));
            }
        }
        json_decref(reply);
    }
    g_free(code);
    kg_ctl_finish(&ctl);
    return result;
}

int kg_ctl_room_reject(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    const char *code;
    int result = KG_CTL_USAGE;
    if (kg_ctl_options(&ctl, argc, argv, "CODE - refuse the device that shows this code",
                       "It is told so. With a new key it may ask again.", NULL, 1, &code)) {
        json_t *reply = ask(&ctl, json_pack("{s:s, s:s}", "command", "room-reject", "code", code));
        result = reply ? KG_CTL_DONE : KG_CTL_FAILED;
        if (reply && !kg_ctl_print_json(&ctl, reply))
            printf("%lld devices with the code %s are refused\n", kg_ctl_number_of(reply, "rejected"), code);
        json_decref(reply);
    }
    kg_ctl_finish(&ctl);
    return result;
}
