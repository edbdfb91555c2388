/* Who sees what. An object of another organization is answered in the very words of one that does not exist.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/verb_internal.h"

bool kg_call_is_local(const struct kg_call *call)
{
    /* No administrator's id has a colon. */
    return strncmp(call->by.id, "local:", 6) == 0;
}

bool kg_call_sees(const struct kg_call *call, const char *organization)
{
    return call->by.organization[0] == '\0' || strcmp(call->by.organization, organization) == 0;
}

static const struct kg_store_organization *find_organization(struct kg_call *call, const char *id)
{
    const struct kg_store_organization *organization =
        kg_directory_organization(call->verbs->params.directory, id);
    if (organization && kg_call_sees(call, id)) {
        kg_call_concerns(call, id);
        return organization;
    }
    kg_call_refuse(call, "there is no organization \"%s\"; \"org list\" shows them", id);
    return NULL;
}

const struct kg_store_organization *kg_call_find_organization(struct kg_call *call, const char *field)
{
    return find_organization(call, kg_call_text(call, field));
}

const struct kg_store_organization *kg_call_organization(struct kg_call *call)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    if (kg_call_has(call, "organization"))
        return kg_call_find_organization(call, "organization");
    if (call->by.organization[0])
        return find_organization(call, call->by.organization);
    size_t count;
    const struct kg_store_organization **all = kg_directory_organizations(directory, &count);
    const struct kg_store_organization *only = count == 1 ? all[0] : NULL;
    free(all);
    if (only)
        kg_call_concerns(call, only->id);
    else if (count == 0)
        kg_call_refuse(call, "there is no organization yet; add one with \"org add\"");
    else
        kg_call_refuse(call, "organization is needed: there are %zu; \"org list\" shows them", count);
    return only;
}

bool kg_call_list_filter(struct kg_call *call, const char **organization)
{
    *organization = call->by.organization[0] ? call->by.organization : NULL;
    if (!kg_call_has(call, "organization"))
        return true;
    const struct kg_store_organization *found = kg_call_find_organization(call, "organization");
    *organization = found ? found->id : NULL;
    return found != NULL;
}

const struct kg_store_room *kg_call_find_room(struct kg_call *call, const char *field)
{
    const char *id = kg_call_text(call, field);
    const struct kg_store_room *room = kg_directory_room(call->verbs->params.directory, id);
    if (room && kg_call_sees(call, room->organization_id)) {
        kg_call_concerns(call, room->organization_id);
        return room;
    }
    kg_call_refuse(call, "there is no room \"%s\"; \"room list\" shows them", id);
    return NULL;
}

const struct kg_store_administrator *kg_call_find_administrator(struct kg_call *call, const char *field)
{
    const char *id = kg_call_text(call, field);
    const struct kg_store_administrator *administrator =
        kg_directory_administrator(call->verbs->params.directory, id);
    if (administrator && kg_call_sees(call, administrator->organization_id)) {
        kg_call_concerns(call, administrator->organization_id);
        return administrator;
    }
    kg_call_refuse(call, "there is no administrator \"%s\"; \"admin list\" shows them", id);
    return NULL;
}

const struct kg_store_community *kg_call_find_community(struct kg_call *call, const char *field)
{
    const char *id = kg_call_text(call, field);
    const struct kg_store_community *community = kg_directory_community(call->verbs->params.directory, id);
    if (community &&
        (!call->by.organization[0] || kg_directory_in_community(community, call->by.organization)))
        return community;
    kg_call_refuse(call, "there is no community \"%s\"; \"community list\" shows them", id);
    return NULL;
}

const struct kg_meeting *kg_call_find_meeting(struct kg_call *call, const char *field)
{
    const char *id = kg_call_text(call, field);
    char owner[KG_CA_ID_BYTES];
    const struct kg_meeting *meeting = kg_directory_meeting(call->verbs->params.directory, id);
    kg_directory_meeting_owner(id, owner);
    if (meeting && kg_call_sees(call, owner)) {
        kg_call_concerns(call, owner);
        return meeting;
    }
    char quoted[KG_CHECK_QUOTE_BYTES];
    kg_check_quote(id, strlen(id), quoted);
    kg_call_refuse(call, "there is no meeting \"%s\"; \"meeting list\" shows them", quoted);
    return NULL;
}

bool kg_call_id_fits(struct kg_call *call, const char *id, const char *organization)
{
    const struct kg_directory *directory = call->verbs->params.directory;
    const struct kg_store_room *room = kg_directory_room(directory, id);
    const struct kg_store_administrator *administrator = kg_directory_administrator(directory, id);
    bool others = (room && strcmp(room->organization_id, organization) != 0) ||
                  (administrator && strcmp(administrator->organization_id, organization) != 0) ||
                  kg_directory_id_owner(directory, id, organization);
    if (call->by.role == KG_ROLE_OPERATOR && !others)
        return true;
    if (call->by.role == KG_ROLE_OPERATOR)
        kg_call_refuse(
            call, "the id %s is, or by its beginning would be, another organization's; choose another", id);
    else if (others || !kg_directory_id_begins(id, organization))
        kg_call_refuse(call, "a new id of organization %s begins with \"%s-\"; \"%s\" cannot be used",
                       organization, organization, id);
    else
        return true;
    return false;
}

bool kg_call_unchanged(struct kg_call *call, int64_t revision)
{
    if (!kg_call_has(call, "if_revision") || kg_call_number(call, "if_revision") == revision)
        return true;
    kg_call_refuse(call,
                   "somebody changed %s meanwhile (its revision is %lld now); look at it again, then repeat",
                   *call->object ? call->object : "this", (long long)revision);
    return false;
}
