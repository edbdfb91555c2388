/* Control: tells the tunnels' threads whose certificate still opens one, and ends the tunnels of the others;
 * writes down who is turned away, here or there. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control_internal.h"
#include "relay/gate.h"
#include "relay/tls_server.h"
#include "relay/tunnel.h"

void kg_control_set_gate(struct kg_control *c)
{
    struct kg_gate_key *keys;
    size_t count;
    uint64_t changes = kg_directory_changes(c->directory);
    if (changes == c->gate_changes)
        return;
    if (!kg_directory_admitted(c->directory, &keys, &count)) {
        kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory: who may open a tunnel is not updated");
        return;
    }
    c->gate_changes = changes;
    if (kg_gate_replace(c->params.gate, keys, count))
        kg_tunnels_recheck(c->params.tunnels);
}

/* Whose certificate it is or was. */
static void name_actor(const struct kg_control *c, const uint8_t *fingerprint, struct kg_audit_entry *entry)
{
    const struct kg_store_certificate *certificate = kg_directory_certificate(c->directory, fingerprint);
    if (!certificate)
        return;
    entry->actor = certificate->owner;
    entry->role = certificate->kind;
    const struct kg_store_room *room = kg_directory_room(c->directory, certificate->owner);
    const struct kg_store_administrator *administrator =
        kg_directory_administrator(c->directory, certificate->owner);
    if (strcmp(certificate->kind, "room") == 0)
        entry->organization = room ? room->organization_id : "";
    else
        entry->organization = administrator ? administrator->organization_id : "";
}

void kg_control_refusal(struct kg_control *c, const struct kg_enrolment_source *source,
                        const uint8_t *fingerprint, const struct kg_audit_entry *entry)
{
    struct kg_audit_entry row = *entry;
    if (!kg_refusals_allow(c->refusals, source, fingerprint != NULL, kg_clock_now_us()))
        return;
    if (fingerprint)
        name_actor(c, fingerprint, &row);
    row.result = KG_AUDIT_REFUSED;
    kg_log(KG_LOG_WARN, "relay", row.event_id, "%s (%s)%s%s: %s", row.source ? row.source : source->text,
           row.actor && *row.actor ? row.actor : "unknown", row.object && *row.object ? " at " : "",
           row.object ? row.object : "", row.detail);
    kg_control_audit(c, &row);
}

void kg_control_check_refusals(struct kg_control *c, int64_t now_us)
{
    char source[46], detail[100];
    uint64_t count;
    while (kg_refusals_left_out(c->refusals, now_us, source, &count)) {
        snprintf(detail, sizeof detail, "%llu more refusals are not written down", (unsigned long long)count);
        const struct kg_audit_entry row = {.event_id = "refusals.left-out",
                                           .role = "relay",
                                           .source = *source ? source : "several addresses",
                                           .detail = detail,
                                           .result = KG_AUDIT_REFUSED};
        kg_log(KG_LOG_WARN, "relay", row.event_id, "%s: %s", row.source, detail);
        kg_control_audit(c, &row);
    }
}

void kg_control_tls_refusal(struct kg_control *c, const struct kg_tls_refusal *refusal)
{
    char text[400];
    snprintf(text, sizeof text, "its certificate (\"%s\", SHA-256 %s) is refused: %s", refusal->name,
             refusal->fingerprint, refusal->reason);
    const struct kg_audit_entry row = {.event_id = refusal->passed ? "tunnel.refused" : "tls.refused",
                                       .source = refusal->peer,
                                       .detail = text};
    kg_control_refusal(c, &refusal->source, refusal->passed ? refusal->digest : NULL, &row);
}
