/* Control: tells the tunnels' threads whose certificate still opens one, and ends the tunnels of the others.
 */
#include <stdio.h>

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

void kg_control_tls_refusal(struct kg_control *c, const struct kg_tls_refusal *refusal)
{
    uint32_t suppressed;
    char text[400];
    if (!kg_log_allow(&c->refusals, kg_clock_now_us(), &suppressed))
        return;
    snprintf(text, sizeof text,
             "%s: its certificate (\"%s\", SHA-256 %s) is refused: %s (%u more not logged)", refusal->peer,
             refusal->name, refusal->fingerprint, refusal->reason, suppressed);
    kg_log(KG_LOG_WARN, "relay", "tls.refused", "%s", text);
    kg_control_note(c, "tls.refused", KG_AUDIT_REFUSED, NULL, refusal->peer, "", text);
}
