/* What one room saw of the other: the marks on its screen held against the marks the other's camera gave. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kg_sight {
    uint32_t frames;        /* different pictures drawn */
    double fps;             /* from the first to the last of them */
    uint32_t width, height; /* as drawn, pixels */
    double freeze_ms;       /* sum of what gaps between drawn pictures last beyond 150 ms over the usual */
    double ssim;            /* mean over pictures read back 5 s after the first; -1: none could be compared */
    double worst_ssim;
    double delay_ms_p50, delay_ms_p95; /* camera → screen; -1: nothing seen */
    int64_t first_us;                  /* when the first was on the screen; 0: never */
};

/* sender_dir, receiver_dir: tap folders. clip: the sender's marked .y4m. false (said): a tap is missing. */
bool kg_sight_measure(const char *sender_dir, const char *receiver_dir, const char *clip,
                      struct kg_sight *out);
