/* Which relay kaigi-ctl speaks to: the one on this machine by its state folder, or one elsewhere by its
 * address and an administrator's certificate, from options or from the file ctl.conf. Single-threaded. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "relay/problem.h"

struct kg_ctl_target {
    /* From options; then, where those say nothing, from the file. g_free() them by kg_ctl_target_finish. */
    char *relay; /* https://HOST[:PORT]; NULL: the relay on this machine */
    char *certificate, *key, *ca;
    char *proxy;  /* [USER:PASSWORD@]HOST:PORT; NULL: none */
    char *config; /* NULL: ~/.config/kaigi/ctl.conf, if it is there */
    /* Read out of the above when relay is set. */
    char *host, *proxy_host, *proxy_user, *proxy_password;
    uint16_t port, proxy_port;
};

/* Call after the options are read. local: --state was given, so the file's relay is not meant. false:
 * *problem. */
KG_MUST_CHECK bool kg_ctl_target_resolve(struct kg_ctl_target *target, bool local,
                                         struct kg_problem *problem);
void kg_ctl_target_finish(struct kg_ctl_target *target);
