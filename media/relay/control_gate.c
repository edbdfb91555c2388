/* Control: tells the tunnels' threads whose certificate still opens one, and ends the tunnels of the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/control_internal.h"
#include "relay/gate.h"
#include "relay/tls_server.h"
#include "relay/tunnel.h"

void kg_control_set_gate(struct kg_control *c)
{
    size_t count, used = 0;
    const struct kg_store_room **rooms = kg_directory_rooms(c->directory, &count);
    struct kg_gate_key *keys = count ? malloc(count * sizeof *keys) : NULL;
    if (count > 0 && (!rooms || !keys)) {
        kg_log(KG_LOG_ERROR, "relay", "relay.memory", "no memory: who may open a tunnel is not updated");
        free(rooms);
        free(keys);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (rooms[i]->revoked_s == 0)
            memcpy(keys[used++].fingerprint, rooms[i]->fingerprint, sizeof keys->fingerprint);
    }
    free(rooms);
    if (kg_gate_replace(c->params.gate, keys, used))
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
