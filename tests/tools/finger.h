/* A finger on a terminal's glass from outside: waits for a target to be drawn, touches its middle, takes a
 * picture of the screen. Speaks to DIR/finger.sock of `kaigi-terminal --tap DIR`: one line asks, one line
 * answers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Waits until target `id` is visible (at most wait_ms), touches it, and gives when. false: said on stderr. */
bool kg_finger_touch(const char *dir, const char *id, uint32_t wait_ms, int64_t *touched_us);
/* Waits until the target is visible. */
bool kg_finger_wait(const char *dir, const char *id, uint32_t wait_ms);
bool kg_finger_screenshot(const char *dir, const char *png);
