/* kaigi-ctl room. */
#include <stdio.h>

#include "relay/ctl.h"

static int show_added(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                      bool quiet)
{
    return kg_ctl_keep_certificate(ctl, values, reply, "room", quiet);
}

static int show_set(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                    bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("room %s is changed\n", kg_ctl_text_of(reply, "id"));
    return KG_CTL_DONE;
}

static int show_rooms(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                      bool quiet)
{
    static const struct kg_ctl_column columns[] = {{"ID", "id", KG_CTL_COLUMN_TEXT},
                                                   {"ORGANIZATION", "organization", KG_CTL_COLUMN_TEXT},
                                                   {"団体名", "organization_name", KG_CTL_COLUMN_TEXT},
                                                   {"所属", "department", KG_CTL_COLUMN_TEXT},
                                                   {"会議室名", "name", KG_CTL_COLUMN_TEXT},
                                                   {"CONNECTED", "connected", KG_CTL_COLUMN_YES},
                                                   {"UNTIL", "not_after", KG_CTL_COLUMN_DAY},
                                                   {"REVOKED", "revoked_at", KG_CTL_COLUMN_DAY}};
    (void)ctl;
    (void)values;
    if (!quiet)
        kg_ctl_print_table(json_object_get(reply, "rooms"), columns, KG_ARRAY_LEN(columns));
    return KG_CTL_DONE;
}

static int show_revoked(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                        bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("room %s is shut out\n", kg_ctl_text_of(reply, "id"));
    return KG_CTL_DONE;
}

const struct kg_ctl_command kg_ctl_rooms[] = {
    {"room", "add", "write a room down and sign its certificate request", .verb = "room-add",
     .summary = "Signs the room's certificate request (or takes, from an operator, a certificate of an\n"
                "authority in relay.conf's client-ca) and writes the room (NAME: 会議室名) into the\n"
                "directory. With neither, the room is written down and enrolled later.",
     .words = {{"NAME", "name"}},
     .options =
         {{"id", "id", KG_CTL_TEXT, true, "ID", "Room id as agendas name it: a-z, 0-9 and \"-\""},
          {"organization", "organization", KG_CTL_TEXT, false, "ID",
           "Whose room it is; may be left out when there is one organization"},
          {"department", "department", KG_CTL_TEXT, false, "TEXT", "Department on its name plate (所属)"},
          {"department-reading", "department_reading", KG_CTL_TEXT, false, "KANA", "How that is read (かな)"},
          {"name-reading", "name_reading", KG_CTL_TEXT, false, "KANA", "How NAME is read (かな)"},
          {"csr", "csr", KG_CTL_FILE, false, "FILE", "The certificate request made on the terminal"},
          {"certificate", "certificate", KG_CTL_FILE, false, "FILE", "A certificate signed elsewhere"},
          {"cert-out", NULL, KG_CTL_TEXT, false, "FILE", "Where to write the certificate that is signed"},
          {"replace", "replace", KG_CTL_FLAG, false, NULL,
           "The room exists: give it this new certificate and names"}},
     .show = show_added},
    {"room", "set", "change a room's names", .verb = "room-set",
     .summary = "Changes what is given; the rest stays.", .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, false, "TEXT", "会議室名"},
                 {"name-reading", "name_reading", KG_CTL_TEXT, false, "KANA", "How that is read (かな)"},
                 {"department", "department", KG_CTL_TEXT, false, "TEXT", "所属"},
                 {"department-reading", "department_reading", KG_CTL_TEXT, false, "KANA",
                  "How that is read (かな)"},
                 {"if-revision", "if_revision", KG_CTL_NUMBER, false, "N",
                  "Only if it is still as listed then"}},
     .show = show_set},
    {"room", "list", "show the rooms", .verb = "room-list",
     .summary = "Shows every room with its certificate's last day.",
     .options = {{"organization", "organization", KG_CTL_TEXT, false, "ID", "Of this organization only"}},
     .show = show_rooms},
    {"room", "revoke", "shut a room out, at once", .verb = "room-revoke",
     .summary =
         "Revokes the room's certificates and ends its connections. \"room add --replace\" enrols it again.",
     .words = {{"ID", "id"}}, .show = show_revoked},
    {0},
};
