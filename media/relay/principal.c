#include "relay/principal.h"

#include <string.h>

static const char *const role_names[KG_ROLE_KINDS] = {
    [KG_ROLE_OPERATOR] = "operator",
    [KG_ROLE_ADMINISTRATOR] = "administrator",
    [KG_ROLE_AUDITOR] = "auditor",
};

const char *kg_role_kind_name(enum kg_role_kind role)
{
    return role_names[role];
}

bool kg_role_kind_find(const char *name, enum kg_role_kind *role)
{
    for (unsigned i = 0; i < KG_ROLE_KINDS; i++) {
        if (strcmp(role_names[i], name) == 0) {
            *role = (enum kg_role_kind)i;
            return true;
        }
    }
    return false;
}
