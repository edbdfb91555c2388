/* What the files of the forwarding core share. Not for others. */
#pragma once

#include "relay/forward.h"

/* Writes the transport-wide number into a finished packet, and hands it over. */
void kg_forward_emit(struct kg_slot *slot, uint8_t *packet, size_t size, size_t capacity, int64_t now_us);
/* Sends one RTCP message (after a SDES when it is a sender report). */
void kg_forward_send_report(struct kg_party *party, const struct kg_rtcp *report, int64_t now_us);
/* The source's keyframe request, if one is wanted and the throttle lets it pass. */
void kg_forward_ask_keyframe(struct kg_source *source, int64_t now_us);
/* The source fell silent, was muted or goes: off every slot at once. */
void kg_forward_stop_source(struct kg_source *source, int64_t now_us);
struct kg_source *kg_forward_find_source(struct kg_forward *forward, uint32_t id);

/* forward_watch.c: tells the party, if it has changed, which of its pictures stand in a slot or are awaited.
 */
void kg_forward_tick_watch(struct kg_party *party, int64_t now_us);

/* forward_assign.c: brings slots in line with speakers, wishes and who is there. */
void kg_forward_assign_audio(struct kg_forward *forward);
void kg_forward_assign_pictures(struct kg_forward *forward);
void kg_forward_assign_party(struct kg_party *party);
/* The loudest voice beside its picture, when a pause allows. */
void kg_forward_lead_audio(struct kg_party *party);
