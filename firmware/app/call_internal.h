/* The parts of a call, for call*.c only. Thread: the net thread. */
#pragma once

#include <assert.h>

#include "app/call.h"
#include "base/log.h"
#include "net/transport.h"
#include "net/udp.h"
#include "rtp/estimator.h"
#include "rtp/fec_policy.h"
#include "rtp/nack.h"
#include "rtp/pacer.h"
#include "rtp/packet.h"
#include "rtp/playout.h"
#include "rtp/receive_stats.h"
#include "rtp/sender_stats.h"
#include "rtp/sent_cache.h"
#include "rtp/time_map.h"
#include "rtp/twcc_receiver.h"
#include "rtp/twcc_sender.h"
#include "rtp/vp8_assembler.h"
#include "rtp/vp8_packetiser.h"
#include "signal/offer.h"
#include "signal/wire.h"

enum {
    KG_CALL_TICK_US = 20000,      /* while connected: reports, estimates, gaps that became final */
    KG_CALL_REPORT_US = 1000000,  /* sender and receiver reports */
    KG_CALL_STATUS_US = 500000,   /* line quality and speaker, to the screen */
    KG_CALL_PLI_US = 300000,      /* between keyframe requests for one slot */
    KG_CALL_KEYFRAME_US = 200000, /* between keyframes made on request */
    KG_CALL_ASSEMBLER_WAIT_US = 500000,
    KG_CALL_MIN_VIDEO_BPS = 80000,
    KG_CALL_POOL = 2048,
    KG_CALL_VOICE_LEVEL = 50, /* −dBov */
};

/* What arrives in one slot. */
struct kg_call_slot {
    const struct kg_wire_line *line; /* NULL: not negotiated */
    unsigned place;                  /* KG_PICTURE_*; of video and presentation slots */
    uint32_t source;                 /* as the relay says; 0: empty */
    struct kg_receive_stats stats;
    struct kg_time_map time;
    int64_t last_packet_us;
    /* video and presentation */
    struct kg_nack nack;
    struct kg_vp8_assembler *assembler;
    struct kg_playout playout;
    int64_t asked_us; /* keyframe */
    bool broken;      /* the decoder, or a frame dropped before it */
    uint64_t frames;
};

struct kg_call_party {
    uint32_t microphone, camera;
};

struct kg_call {
    struct kg_call_params params;
    char ufrag[9], password[25], cname[17];
    struct kg_offer_ssrc microphone_ssrc, camera_ssrc, presentation_ssrc;
    char *offer;
    struct kg_message_line lines[KG_OFFER_LINES];
    struct kg_wire *wire; /* NULL until answered */
    bool muted_microphone, muted_camera;
    uint32_t own_party, own_camera; /* ids in the meeting; 0: not told yet */
    bool watched;                   /* our camera's picture, as far as we know */

    struct kg_transport *transport;
    bool connected, over;
    struct kg_loop_timer timer;
    int64_t connected_us, created_us;

    /* paths */
    struct {
        struct kg_udp *udp;
        struct kg_path path;
        struct kg_loop_watch *watch;
        bool dirty; /* something waits for a flush */
    } udp[KG_TRANSPORT_MAX_REMOTES];
    size_t udp_count;
    struct kg_ws_client *tunnel;
    uint32_t tunnel_id;
    bool tunnel_dead;    /* to be destroyed outside its own callback */
    bool tunnel_refused; /* could not even be tried: to be said to the transport outside its own callback */
    bool tunnel_missed;  /* said in the log */

    /* sending */
    struct kg_packet_pool *pool;
    struct kg_loop_watch *pictures_watch, *sounds_watch, *broken_watch, *heard_watch;
    const struct kg_wire_line *microphone, *camera;
    struct kg_vp8_packetiser packetiser;
    uint32_t audio_timestamp, video_timestamp; /* of position 0, of video_epoch_us */
    int64_t video_epoch_us;
    uint16_t audio_sequence, rtx_sequence;
    bool audio_started;
    struct kg_pacer *pacer;
    struct kg_sent_cache *cache;
    struct kg_twcc_sender twcc_sender;
    struct kg_estimator estimator;
    struct kg_sender_stats audio_sent, video_sent;
    struct kg_fec_policy fec;
    uint32_t video_bps;
    int64_t keyframe_us;

    /* receiving */
    struct kg_twcc_receiver twcc_receiver;
    struct kg_call_slot slots[KG_AUDIO_SLOTS + KG_VIDEO_SLOTS + KG_PRESENTATION_SLOTS];
    struct kg_wall_offset wall; /* one for all: the relay's clock */
    struct kg_call_party parties[KG_MAX_PARTICIPANTS];
    uint32_t party_count;
    uint32_t speaking;
    int64_t speaking_us;

    int64_t report_us, status_us, tick_us;
};

enum { KG_CALL_SLOTS = KG_AUDIO_SLOTS + KG_VIDEO_SLOTS + KG_PRESENTATION_SLOTS };

/* The players and the screen know nothing of signalling, and count for themselves. */
static_assert((int)KG_RECEIVE_AUDIO_SLOTS == (int)KG_AUDIO_SLOTS, "a player for each audio slot");
static_assert((int)KG_PICTURE_PLACES - (int)KG_PICTURE_VIDEO == (int)KG_VIDEO_SLOTS,
              "a place for each video slot");
static_assert(KG_PRESENTATION_SLOTS == 1, "KG_PICTURE_PRESENTATION is one place");

/* call.c */
void kg_call_schedule(struct kg_call *call, int64_t now_us);

/* call_path.c: datagrams in and out. */
bool kg_call_open_paths(struct kg_call *call, struct kg_transport_params *transport);
void kg_call_close_paths(struct kg_call *call);
void kg_call_send_datagram(void *user, const struct kg_path *path, const void *data, size_t size);
void kg_call_flush(struct kg_call *call);
void kg_call_need_tunnel(void *user);

/* call_send.c */
bool kg_call_start_sending(struct kg_call *call);
void kg_call_stop_sending(struct kg_call *call);
void kg_call_pump(struct kg_call *call, int64_t now_us); /* what the pacer lets go */
void kg_call_adapt(struct kg_call *call, int64_t now_us);
void kg_call_resend(struct kg_call *call, const struct kg_rtcp *nack, int64_t now_us);
void kg_call_make_keyframe(struct kg_call *call, int64_t now_us);

/* call_receive.c */
bool kg_call_start_receiving(struct kg_call *call);
void kg_call_stop_receiving(struct kg_call *call);
void kg_call_on_rtp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us);
void kg_call_receive_tick(struct kg_call *call, int64_t now_us);
int64_t kg_call_receive_next_us(const struct kg_call *call);
struct kg_call_slot *kg_call_slot_of(struct kg_call *call, uint32_t ssrc, bool *rtx);

/* call_rtcp.c */
void kg_call_on_rtcp(void *user, uint8_t *packet, size_t size, int64_t arrival_us, int64_t now_us);
void kg_call_send_reports(struct kg_call *call, int64_t now_us);
/* One feedback message, behind an empty receiver report (RFC 4585 §3.1). */
void kg_call_send_feedback(struct kg_call *call, struct kg_rtcp *feedback, int64_t now_us);
