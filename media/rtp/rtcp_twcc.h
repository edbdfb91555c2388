/* The body of a transport-wide congestion control feedback
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1), after the two SSRCs. Used by rtcp.c only. Pure;
 * thread: any. */
#pragma once

#include "base/bytes.h"
#include "rtp/rtcp.h"

/* Fills out->twcc, or sets r->failed. */
void kg_rtcp_read_twcc(struct kg_reader *r, struct kg_rtcp *out);
/* Sets w->failed when a delta does not fit its 16 bits (±8.191 s) or count is out of range. */
void kg_rtcp_write_twcc(struct kg_writer *w, const struct kg_rtcp *message);
