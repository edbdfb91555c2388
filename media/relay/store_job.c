/* What the control thread wants written, as a copy the writing thread may take its time with. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "relay/store_db.h"

/* The trail holds readable text whatever a stranger sent: never half a character, never without bound. */
static bool copy_audit_text(const char **text)
{
    char *valid = g_utf8_make_valid(*text ? *text : "", -1);
    size_t size = strlen(valid);
    if (size > KG_AUDIT_MAX_TEXT_BYTES) {
        size = KG_AUDIT_MAX_TEXT_BYTES;
        while (((unsigned char)valid[size] & 0xc0) == 0x80)
            size--;
        valid[size] = '\0';
    }
    *text = strdup(valid);
    g_free(valid);
    return *text != NULL;
}

static bool copy_audit(struct kg_audit_entry *out, const struct kg_audit_entry *entry)
{
    const char **texts[] = {&out->event_id,     &out->actor,  &out->role,  &out->source,
                            &out->organization, &out->object, &out->detail};
    bool ok = true;
    *out = *entry;
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++)
        ok = copy_audit_text(texts[i]) && ok;
    return ok;
}

static void free_audit(struct kg_audit_entry *entry)
{
    const char *texts[] = {entry->event_id,     entry->actor,  entry->role,  entry->source,
                           entry->organization, entry->object, entry->detail};
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++)
        free((char *)texts[i]);
}

static bool copy_text(char **out, const char *text)
{
    *out = strdup(text ? text : "");
    return *out != NULL;
}

static bool copy_item(struct kg_store_item *item, const struct kg_store_change *change)
{
    item->kind = change->kind;
    switch (change->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        return kg_store_organization_copy(&item->organization, change->organization);
    case KG_STORE_PUT_ROOM:
        return kg_store_room_copy(&item->room, change->room);
    case KG_STORE_PUT_ADMINISTRATOR:
        return kg_store_administrator_copy(&item->administrator, change->administrator);
    case KG_STORE_PUT_CERTIFICATE:
    case KG_STORE_TAKE_CERTIFICATE:
        return kg_store_certificate_copy(&item->certificate, change->certificate);
    case KG_STORE_PUT_COMMUNITY:
        return kg_store_community_copy(&item->community, change->community);
    case KG_STORE_PUT_SETTING:
    case KG_STORE_REMOVE_SETTING:
        return kg_store_setting_copy(&item->setting, change->setting);
    case KG_STORE_PUT_MEETING:
        return kg_store_meeting_copy(&item->meeting, change->meeting);
    case KG_STORE_PUT_SEAT:
    case KG_STORE_REMOVE_SEAT:
        return kg_store_seat_copy(&item->seat, change->seat);
    case KG_STORE_REMOVE_ORGANIZATION:
    case KG_STORE_REMOVE_COMMUNITY:
    case KG_STORE_JOIN_COMMUNITY:
    case KG_STORE_LEAVE_COMMUNITY:
        break;
    }
    return copy_text(&item->id, change->id) && copy_text(&item->member, change->member);
}

static void free_item(struct kg_store_item *item)
{
    switch (item->kind) {
    case KG_STORE_PUT_ORGANIZATION:
        kg_store_organization_finish(&item->organization);
        break;
    case KG_STORE_PUT_ROOM:
        kg_store_room_finish(&item->room);
        break;
    case KG_STORE_PUT_ADMINISTRATOR:
        kg_store_administrator_finish(&item->administrator);
        break;
    case KG_STORE_PUT_CERTIFICATE:
    case KG_STORE_TAKE_CERTIFICATE:
        kg_store_certificate_finish(&item->certificate);
        break;
    case KG_STORE_PUT_COMMUNITY:
        kg_store_community_finish(&item->community);
        break;
    case KG_STORE_PUT_SETTING:
    case KG_STORE_REMOVE_SETTING:
        kg_store_setting_finish(&item->setting);
        break;
    case KG_STORE_PUT_MEETING:
        kg_store_meeting_finish(&item->meeting);
        break;
    case KG_STORE_PUT_SEAT:
    case KG_STORE_REMOVE_SEAT:
        kg_store_seat_finish(&item->seat);
        break;
    case KG_STORE_REMOVE_ORGANIZATION:
    case KG_STORE_REMOVE_COMMUNITY:
    case KG_STORE_JOIN_COMMUNITY:
    case KG_STORE_LEAVE_COMMUNITY:
        break;
    }
    free(item->id);
    free(item->member);
}

struct kg_store_job *kg_store_job_create(uint64_t request, const struct kg_store_change *changes,
                                         size_t count, const struct kg_audit_entry *audit)
{
    struct kg_store_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->request = request;
    job->items = calloc(count + 1, sizeof *job->items);
    bool ok = job->items != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        ok = copy_item(&job->items[i], &changes[i]);
        job->count++;
    }
    job->audited = audit != NULL;
    if (audit)
        ok = copy_audit(&job->audit, audit) && ok;
    if (ok)
        return job;
    kg_store_job_destroy(job);
    return NULL;
}

void kg_store_job_destroy(struct kg_store_job *job)
{
    if (!job)
        return;
    for (size_t i = 0; i < job->count; i++)
        free_item(&job->items[i]);
    free(job->items);
    free_audit(&job->audit);
    free(job);
}
