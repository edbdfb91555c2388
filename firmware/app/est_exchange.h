/* Asks the relay for certificates, one request at a time, without holding up the thread that wants them.
 * Thread: the owner's (main), which alone calls these; each request runs on a thread of its own. Borrows the
 * settings. */
#pragma once

#include <stdbool.h>

#include "app/est_reply.h"
#include "app/terminal_settings.h"
#include "base/attr.h"

struct kg_est_exchange;

/* wake: called from the request's thread when there is something to take. NULL (logged): the system refuses.
 */
KG_MUST_CHECK struct kg_est_exchange *kg_est_exchange_create(const struct kg_terminal_settings *settings,
                                                             void (*wake)(void));
/* Gives up what is under way. */
void kg_est_exchange_destroy(struct kg_est_exchange *exchange);

enum kg_est_operation { KG_EST_ENROLL, KG_EST_REENROLL /* shows the present certificate */ };
/* request is copied. false: one is under way, or the system refuses (logged). */
KG_MUST_CHECK bool kg_est_exchange_ask(struct kg_est_exchange *exchange, enum kg_est_operation operation,
                                       X509_REQ *request);
/* false: nothing has come. *reply is the caller's: kg_est_reply_finish. */
KG_MUST_CHECK bool kg_est_exchange_take(struct kg_est_exchange *exchange, struct kg_est_reply *reply);
