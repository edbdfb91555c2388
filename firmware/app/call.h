/* One call: the party's media transport to the relay, from offer to goodbye. Sends what the media threads
 * code, hands them what arrives, reports (RTCP) both ways, and chooses UDP or the tunnel.
 * Thread: the net thread. Borrows the media, the loop and the strings of params. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/media.h"
#include "app/terminal_settings.h"
#include "base/attr.h"
#include "net/identity.h"
#include "net/loop.h"
#include "net/ws_client.h"
#include "signal/message.h"

struct kg_call_params {
    struct kg_loop *loop;
    struct kg_media *media;
    const struct kg_identity *identity;
    enum kg_media_path path;
    uint32_t max_bps, max_video_bps;
    struct kg_ws_client_params tunnel; /* path, alpn and limits are filled in by the call */
    bool microphone_muted, camera_muted;
    void (*report)(void *user, const struct kg_media_report *report);
    void *user;
};

struct kg_call;

/* NULL (logged): memory. */
KG_MUST_CHECK struct kg_call *kg_call_create(const struct kg_call_params *params);
void kg_call_destroy(struct kg_call *call);

/* For `join`: borrowed, as long as the call lives. */
const char *kg_call_offer(const struct kg_call *call);
const struct kg_message_line *kg_call_lines(const struct kg_call *call);

/* The relay's answer: connecting starts. false (logged): it does not answer our offer, or memory is short;
 * the call is over and can only be destroyed. Once. */
KG_MUST_CHECK bool kg_call_answer(struct kg_call *call, const char *answer);
/* Says goodbye to the relay's transport; destroy follows. */
void kg_call_close(struct kg_call *call);
/* The camera's part of max_bps: at once. */
void kg_call_limit_video(struct kg_call *call, uint32_t max_video_bps);
void kg_call_mute(struct kg_call *call, bool microphone_muted, bool camera_muted);
/* Of `joined`: which of the participants we are. Before they are told. */
void kg_call_set_party(struct kg_call *call, uint32_t party);
/* A `watched` message: those of our own pictures that anybody watches. */
void kg_call_watched(struct kg_call *call, const uint32_t *sources, uint32_t count);
/* Nobody can tell us who watches: the control connection is lost. */
void kg_call_assume_watched(struct kg_call *call);
/* Who sends what: for lip sync. */
void kg_call_participants(struct kg_call *call, const struct kg_participant *participants, uint32_t count);
/* A `slots` message: which source is in which slot. */
void kg_call_slots(struct kg_call *call, const struct kg_message_slot *slots, uint32_t count);
