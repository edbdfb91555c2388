/* kaigi-ctl setting. */
#include <stdio.h>

#include "relay/ctl.h"

static int show_done(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                     bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("%s, %s%s%s: done\n", kg_ctl_text_of(reply, "key"), kg_ctl_text_of(reply, "scope"),
               *kg_ctl_text_of(reply, "id") ? " " : "", kg_ctl_text_of(reply, "id"));
    return KG_CTL_DONE;
}

static int show_settings(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                         bool quiet)
{
    size_t i;
    json_t *layer, *value;
    const char *key;
    (void)ctl;
    (void)values;
    if (quiet)
        return KG_CTL_DONE;
    json_array_foreach(json_object_get(reply, "layers"), i, layer)
    {
        printf("%s%s%s\n", kg_ctl_text_of(layer, "scope"), *kg_ctl_text_of(layer, "id") ? " " : "",
               kg_ctl_text_of(layer, "id"));
        json_object_foreach(json_object_get(layer, "values"), key, value)
            printf("  %-28s %s\n", key, json_string_value(value));
    }
    puts("what counts");
    json_object_foreach(json_object_get(reply, "effective"), key, value)
        printf("  %-28s %-8s (%s)\n", key, kg_ctl_text_of(value, "value"), kg_ctl_text_of(value, "from"));
    return KG_CTL_DONE;
}

#define SCOPE                                                                                                \
    {"scope", "scope", KG_CTL_TEXT,                                                                          \
     false,   "SCOPE", "relay, organization or room (default: the widest you may)"},                         \
        {"id", "id", KG_CTL_TEXT, false, "ID", "The organization's or room's"},                              \
    {                                                                                                        \
        "if-revision", "if_revision", KG_CTL_NUMBER, false, "N", "Only if the layer is still as listed then" \
    }

const struct kg_ctl_command kg_ctl_settings[] = {
    {"setting", "set", "set something for the relay, an organization or a room", .verb = "setting-set",
     .summary = "A room's setting counts over its organization's, that over the relay's. Keys:\n"
                "  meeting.open-before-minutes 0 to 1440    meeting.seat-seconds 1 to 3600\n"
                "  media.video-kbps 100 to 8000             media.udp auto or never\n"
                "  join.microphone-muted, join.camera-muted true or false",
     .words = {{"KEY", "key"}, {"VALUE", "value"}}, .options = {SCOPE}, .show = show_done},
    {"setting", "unset", "leave something to the wider layers again", .verb = "setting-unset",
     .summary = "Removes the setting from one layer.", .words = {{"KEY", "key"}}, .options = {SCOPE},
     .show = show_done},
    {"setting", "list", "show what is set, and what counts", .verb = "setting-list",
     .summary = "Shows every layer, and what counts for the whole relay, an organization or a room.",
     .options = {{"room", "room", KG_CTL_TEXT, false, "ID", "What counts for this room"},
                 {"organization", "organization", KG_CTL_TEXT, false, "ID",
                  "What counts for this organization"}},
     .show = show_settings},
    {0},
};
