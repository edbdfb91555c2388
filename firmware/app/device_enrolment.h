/* A device without a certificate, until it has one: makes keys, asks the relay, stores what it gets. What to
 * do when is room_enrolment's. Thread: main. Owns the key that is not yet in use. Borrows the settings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/terminal_settings.h"
#include "base/attr.h"
#include "core/room_state.h"

/* At start: ends what a power cut interrupted in the identity's files; true: there is no certificate. */
KG_MUST_CHECK bool kg_device_enrolment_is_needed(const struct kg_terminal_settings *settings);

struct kg_device_enrolment;

/* wake: see est_exchange.h. NULL (logged): the system refuses. */
KG_MUST_CHECK struct kg_device_enrolment *
kg_device_enrolment_create(const struct kg_terminal_settings *settings, void (*wake)(void), int64_t now_us);
/* Gives up what is under way. */
void kg_device_enrolment_destroy(struct kg_device_enrolment *enrolment);
/* Does what is due. true: key and certificate are on disk; it is over. Also when somebody has put a
 * certificate there by hand. */
KG_MUST_CHECK bool kg_device_enrolment_tick(struct kg_device_enrolment *enrolment, int64_t now_us,
                                            int64_t wall_us);
/* The page's button. */
void kg_device_enrolment_again(struct kg_device_enrolment *enrolment, int64_t now_us);
/* When to tick again, at the latest. */
int64_t kg_device_enrolment_next_us(const struct kg_device_enrolment *enrolment);
/* For kg_ui_update. Borrowed. */
const struct kg_room_state *kg_device_enrolment_state(const struct kg_device_enrolment *enrolment);
