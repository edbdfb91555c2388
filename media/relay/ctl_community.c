/* kaigi-ctl community. */
#include <stdio.h>

#include "relay/ctl.h"

static int show_done(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                     bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet && *kg_ctl_text_of(reply, "room"))
        printf("room %s, community %s: done\n", kg_ctl_text_of(reply, "room"),
               kg_ctl_text_of(reply, "community"));
    else if (!quiet)
        printf("community %s: done\n", kg_ctl_text_of(reply, "id"));
    return KG_CTL_DONE;
}

static int show_communities(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                            bool quiet)
{
    static const struct kg_ctl_column columns[] = {{"ID", "id", KG_CTL_COLUMN_TEXT},
                                                   {"NAME", "name", KG_CTL_COLUMN_TEXT},
                                                   {"THEME", "theme", KG_CTL_COLUMN_TEXT},
                                                   {"ORGANIZATIONS", "organizations", KG_CTL_COLUMN_TEXT},
                                                   {"ROOMS", "rooms", KG_CTL_COLUMN_TEXT}};
    (void)ctl;
    (void)values;
    if (!quiet)
        kg_ctl_print_table(json_object_get(reply, "communities"), columns, KG_ARRAY_LEN(columns));
    return KG_CTL_DONE;
}

#define ORGANIZATIONS                                                                                        \
    {                                                                                                        \
        "organization", "organizations", KG_CTL_LIST, false, "ID",                                           \
            "One that belongs to it (may be repeated)"                                                       \
    }

const struct kg_ctl_command kg_ctl_communities[] = {
    {"community", "add", "let rooms of several organizations invite each other", .verb = "community-add",
     .summary =
         "Makes a community: a group of organizations round a theme. Each then says which of its rooms\n"
         "join; those may be invited by all of them.",
     .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, true, "TEXT", "Its name"},
                 {"theme", "theme", KG_CTL_TEXT, false, "TEXT", "What it is about"},
                 ORGANIZATIONS},
     .show = show_done},
    {"community", "set", "change a community", .verb = "community-set",
     .summary =
         "Changes what is given; the rest stays. Organizations are given all together; rooms of those no\n"
         "longer named leave.",
     .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, false, "TEXT", "Its name"},
                 {"theme", "theme", KG_CTL_TEXT, false, "TEXT", "What it is about"},
                 ORGANIZATIONS,
                 {"if-revision", "if_revision", KG_CTL_NUMBER, false, "N",
                  "Only if it is still as listed then"}},
     .show = show_done},
    {"community", "remove", "end a community", .verb = "community-remove",
     .summary = "Ends a community. Rooms it alone let into meetings are not invited any more.",
     .words = {{"ID", "id"}}, .show = show_done},
    {"community", "list", "show the communities", .verb = "community-list",
     .summary = "Shows the communities, their organizations and rooms.", .show = show_communities},
    {"community", "join", "put a room into a community", .verb = "community-join",
     .summary = "Lets every organization of the community invite this room.",
     .words = {{"COMMUNITY", "community"}, {"ROOM", "room"}}, .show = show_done},
    {"community", "leave", "take a room out of a community", .verb = "community-leave",
     .summary =
         "Ends invitations that only this community permitted, at once; a room in such a meeting leaves it.",
     .words = {{"COMMUNITY", "community"}, {"ROOM", "room"}}, .show = show_done},
    {0},
};
