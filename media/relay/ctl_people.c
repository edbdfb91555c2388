/* kaigi-ctl org and admin. */
#include <stdio.h>

#include "relay/ctl.h"

static int show_done(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                     bool quiet)
{
    (void)ctl;
    (void)values;
    if (!quiet)
        printf("%s: done\n", kg_ctl_text_of(reply, "id"));
    return KG_CTL_DONE;
}

static int show_organizations(const struct kg_ctl *ctl, const struct kg_ctl_values *values,
                              const json_t *reply, bool quiet)
{
    static const struct kg_ctl_column columns[] = {{"ID", "id", KG_CTL_COLUMN_TEXT},
                                                   {"NAME", "name", KG_CTL_COLUMN_TEXT},
                                                   {"READING", "reading", KG_CTL_COLUMN_TEXT}};
    (void)ctl;
    (void)values;
    if (!quiet)
        kg_ctl_print_table(json_object_get(reply, "organizations"), columns, KG_ARRAY_LEN(columns));
    return KG_CTL_DONE;
}

static int show_administrators(const struct kg_ctl *ctl, const struct kg_ctl_values *values,
                               const json_t *reply, bool quiet)
{
    static const struct kg_ctl_column columns[] = {{"ID", "id", KG_CTL_COLUMN_TEXT},
                                                   {"ROLE", "role", KG_CTL_COLUMN_TEXT},
                                                   {"ORGANIZATION", "organization", KG_CTL_COLUMN_TEXT},
                                                   {"NAME", "name", KG_CTL_COLUMN_TEXT},
                                                   {"UNTIL", "not_after", KG_CTL_COLUMN_DAY},
                                                   {"REVOKED", "revoked_at", KG_CTL_COLUMN_DAY}};
    (void)ctl;
    (void)values;
    if (!quiet)
        kg_ctl_print_table(json_object_get(reply, "administrators"), columns, KG_ARRAY_LEN(columns));
    return KG_CTL_DONE;
}

static int show_added(const struct kg_ctl *ctl, const struct kg_ctl_values *values, const json_t *reply,
                      bool quiet)
{
    return kg_ctl_keep_certificate(ctl, values, reply, "administrator", quiet);
}

const struct kg_ctl_command kg_ctl_people[] = {
    {"org", "add", "add an organization (団体)", .verb = "org-add",
     .summary = "Adds an organization. Rooms, administrators and meetings belong to one. New ids its "
                "administrators\n"
                "give begin with \"ID-\".",
     .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, true, "TEXT", "Its name on screens (団体名)"},
                 {"reading", "reading", KG_CTL_TEXT, false, "KANA", "How the name is read (かな)"}},
     .show = show_done},
    {"org", "set", "change an organization's names", .verb = "org-set",
     .summary = "Changes what is given; the rest stays.", .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, false, "TEXT", "Its name on screens (団体名)"},
                 {"reading", "reading", KG_CTL_TEXT, false, "KANA", "How the name is read (かな)"},
                 {"if-revision", "if_revision", KG_CTL_NUMBER, false, "N",
                  "Only if it is still as listed then"}},
     .show = show_done},
    {"org", "list", "show the organizations", .verb = "org-list", .summary = "Shows the organizations.",
     .show = show_organizations},
    {"org", "remove", "remove an organization that has nothing", .verb = "org-remove",
     .summary = "Removes an organization without rooms and administrators, and its meetings.",
     .words = {{"ID", "id"}}, .show = show_done},
    {"admin", "add", "let somebody administer from afar", .verb = "admin-add",
     .summary =
         "Signs an administrator's certificate request. With it, kaigi-ctl --relay works from another\n"
         "machine: an operator's for the whole relay, an administrator's for one organization, an\n"
         "auditor's for looking (at one organization, or at all without --organization).",
     .words = {{"ID", "id"}},
     .options = {{"name", "name", KG_CTL_TEXT, true, "TEXT", "Who it is"},
                 {"role", "role", KG_CTL_TEXT, true, "ROLE", "operator, administrator or auditor"},
                 {"organization", "organization", KG_CTL_TEXT, false, "ID", "The organization it is for"},
                 {"csr", "csr", KG_CTL_FILE, true, "FILE", "The certificate request"},
                 {"cert-out", NULL, KG_CTL_TEXT, true, "FILE", "Where to write the certificate"},
                 {"replace", "replace", KG_CTL_FLAG, false, NULL, "It exists: give it this new certificate"}},
     .show = show_added},
    {"admin", "list", "show the administrators", .verb = "admin-list",
     .summary = "Shows administrators, auditors and operators.",
     .options = {{"organization", "organization", KG_CTL_TEXT, false, "ID", "Of this organization only"}},
     .show = show_administrators},
    {"admin", "revoke", "shut an administrator out, at once", .verb = "admin-revoke",
     .summary = "Revokes the administrator's certificate and ends its connections.", .words = {{"ID", "id"}},
     .show = show_done},
    {0},
};
