/* What a request is to write: copies of its own, for what they are made from may change before its turn. */
#include <stdlib.h>
#include <string.h>

#include "relay/verb_internal.h"

#define COPY_OF(kind, type)                                                                                  \
    static void *copy_##kind(const void *from)                                                               \
    {                                                                                                        \
        void *copy = malloc(sizeof(type));                                                                   \
        if (copy && kg_store_##kind##_copy(copy, from))                                                      \
            return copy;                                                                                     \
        free(copy);                                                                                          \
        return NULL;                                                                                         \
    }
COPY_OF(organization, struct kg_store_organization)
COPY_OF(room, struct kg_store_room)
COPY_OF(administrator, struct kg_store_administrator)
COPY_OF(certificate, struct kg_store_certificate)
COPY_OF(community, struct kg_store_community)
COPY_OF(setting, struct kg_store_setting)
COPY_OF(meeting, struct kg_meeting)

static void *copy_row(const struct kg_store_change *change)
{
    switch (change->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        return copy_organization(change->organization);
    case KG_STORE_PUT_ROOM:
        return copy_room(change->room);
    case KG_STORE_PUT_ADMINISTRATOR:
        return copy_administrator(change->administrator);
    case KG_STORE_PUT_CERTIFICATE:
    case KG_STORE_TAKE_CERTIFICATE:
        return copy_certificate(change->certificate);
    case KG_STORE_PUT_COMMUNITY:
        return copy_community(change->community);
    case KG_STORE_PUT_SETTING:
    case KG_STORE_REMOVE_SETTING:
        return copy_setting(change->setting);
    case KG_STORE_PUT_MEETING:
        return copy_meeting(change->meeting);
    default:
        return strdup(change->id);
    }
}

void kg_call_put(struct kg_call *call, const struct kg_store_change *change)
{
    if (call->change_count == call->change_capacity) {
        size_t capacity = call->change_capacity ? call->change_capacity * 2 : 4;
        struct kg_store_change *changes = realloc(call->changes, capacity * sizeof *changes);
        if (!changes) {
            call->short_of_memory = true;
            return;
        }
        call->changes = changes;
        call->change_capacity = capacity;
    }
    struct kg_store_change copy = {.kind = change->kind, .id = copy_row(change)};
    if (change->member)
        copy.member = strdup(change->member);
    if (!copy.id || (change->member && !copy.member)) {
        call->short_of_memory = true;
        kg_call_free_change(&copy);
        return;
    }
    call->changes[call->change_count++] = copy;
}

void kg_call_free_change(struct kg_store_change *change)
{
    /* Every member of the union is a pointer to const, ours to free. */
    void *row = (void *)(uintptr_t)change->id;
    switch (change->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        kg_store_organization_finish(row);
        break;
    case KG_STORE_PUT_ROOM:
        kg_store_room_finish(row);
        break;
    case KG_STORE_PUT_ADMINISTRATOR:
        kg_store_administrator_finish(row);
        break;
    case KG_STORE_PUT_CERTIFICATE:
    case KG_STORE_TAKE_CERTIFICATE:
        kg_store_certificate_finish(row);
        break;
    case KG_STORE_PUT_COMMUNITY:
        kg_store_community_finish(row);
        break;
    case KG_STORE_PUT_SETTING:
    case KG_STORE_REMOVE_SETTING:
        kg_store_setting_finish(row);
        break;
    case KG_STORE_PUT_MEETING:
        kg_store_meeting_finish(row);
        break;
    default:
        break;
    }
    free(row);
    free((void *)(uintptr_t)change->member);
}
