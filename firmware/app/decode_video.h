/* Encoded frames of the picture slots → pictures on their way to the screen: one thread, one decoder a slot.
 * Thread: created and destroyed by one owner; frame and clear from the net thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/picture_slots.h"
#include "base/attr.h"
#include "base/queue.h"
#include "rtp/vp8_assembler.h"

struct kg_decode_video;

/* broken: of unsigned (the place): a keyframe is needed. first: called once in the thread, at the first
 * picture. NULL (logged): memory or thread. */
KG_MUST_CHECK struct kg_decode_video *kg_decode_video_create(struct kg_picture_slots *screen,
                                                             struct kg_queue *broken,
                                                             void (*first)(void *user), void *user);
void kg_decode_video_destroy(struct kg_decode_video *decode);

/* Takes the frame of this place, due on screen at due_us. false: the decoder is behind and the frame was let
 * go: ask for a keyframe. */
KG_MUST_CHECK bool kg_decode_video_frame(struct kg_decode_video *decode, unsigned place,
                                         struct kg_vp8_frame *frame, int64_t due_us);
/* The place is empty now: show nothing there, nor any frame given before. Never lost, however many frames
 * wait.
 */
void kg_decode_video_clear(struct kg_decode_video *decode, unsigned place);
/* Pictures decoded so far; any thread. */
uint64_t kg_decode_video_count(const struct kg_decode_video *decode);
