/* Who asks for something: found out by whoever accepted the connection (the socket's peer, or a certificate
 * looked up in the directory by its fingerprint), never taken from what is asked.
 * Thread: any; plain values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum {
    KG_PRINCIPAL_ID_BYTES = 64, /* an id and its NUL */
    KG_PRINCIPAL_FINGERPRINT_BYTES = 32,
};

enum kg_role_kind {
    KG_ROLE_OPERATOR,      /* runs the relay: everything */
    KG_ROLE_ADMINISTRATOR, /* one organization's rooms, meetings and people */
    KG_ROLE_AUDITOR,       /* looks, of one organization or of all */
    KG_ROLE_KINDS
};
#define KG_ROLE_BIT(role) (1u << (role))
/* "operator", "administrator", "auditor". role < KG_ROLE_KINDS. */
const char *kg_role_kind_name(enum kg_role_kind role);
/* false: there is no such role; *role is left alone. */
KG_MUST_CHECK bool kg_role_kind_find(const char *name, enum kg_role_kind *role);

struct kg_principal {
    enum kg_role_kind role;
    char id[KG_PRINCIPAL_ID_BYTES];           /* the administrator's, or "local:<uid>" */
    char organization[KG_PRINCIPAL_ID_BYTES]; /* "": the whole relay */
    char source[64];                          /* "local", or the numeric address and port */
    /* Of the certificate he came with, by which he is looked up again before anything is done for him; a
     * local one has none. */
    uint8_t fingerprint[KG_PRINCIPAL_FINGERPRINT_BYTES];
};
