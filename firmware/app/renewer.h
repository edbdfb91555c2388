/* Keeps the room's certificate from ending: asks the relay for the next one with a new key, swaps the files,
 * and goes back to the old ones if the relay does not take the new. What to do when is renewal's. Thread:
 * main. Borrows the settings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/terminal_settings.h"
#include "base/attr.h"
#include "net/ws_client.h"

struct kg_renewer;

/* Reads the certificate. NULL (logged): the system refuses. */
KG_MUST_CHECK struct kg_renewer *kg_renewer_create(const struct kg_terminal_settings *settings,
                                                   void (*wake)(void));
void kg_renewer_destroy(struct kg_renewer *renewer);
/* Does what is due. true, again and again: the connection to the relay is to be made anew, with the files as
 * they are now; kg_renewer_connecting says that it is. */
KG_MUST_CHECK bool kg_renewer_tick(struct kg_renewer *renewer, int64_t now_us, int64_t wall_us);
void kg_renewer_connecting(struct kg_renewer *renewer);
/* The relay has welcomed this room. */
void kg_renewer_welcomed(struct kg_renewer *renewer);
void kg_renewer_closed(struct kg_renewer *renewer, enum kg_ws_failure failure, int64_t now_us);
/* For the room's state: see kg_renewal_end_us. */
int64_t kg_renewer_end_us(const struct kg_renewer *renewer, int64_t wall_us);
