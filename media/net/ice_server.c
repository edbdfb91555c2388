#include "net/ice_server.h"

#include <stdio.h>
#include <string.h>

enum { MIN_UFRAG = 4, MIN_PASSWORD = 22, SECOND_US = 1000000 };
enum { BAD_REQUEST = 400, UNAUTHENTICATED = 401, UNKNOWN_ATTRIBUTE = 420 };

/* RFC 8839 §5.4: ice-char = ALPHA / DIGIT / "+" / "/". Other software has been seen to send "-", "_" and "=".
 */
static bool ice_chars(const char *text, size_t min, size_t max)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=";
    size_t size = text ? strnlen(text, max + 1) : 0;
    return size >= min && size <= max && strspn(text, allowed) == size;
}

bool kg_ice_params_valid(const struct kg_ice_params *p)
{
    return ice_chars(p->local_ufrag, MIN_UFRAG, KG_ICE_MAX_UFRAG) &&
           ice_chars(p->remote_ufrag, MIN_UFRAG, KG_ICE_MAX_UFRAG) &&
           ice_chars(p->local_password, MIN_PASSWORD, KG_ICE_MAX_PASSWORD) &&
           ice_chars(p->remote_password, MIN_PASSWORD, KG_ICE_MAX_PASSWORD);
}

bool kg_ice_receiver_ufrag(const struct kg_stun *request, char *ufrag, size_t size)
{
    const char *colon = strchr(request->username, ':');
    if (!colon || (size_t)(colon - request->username) >= size)
        return false;
    size_t length = (size_t)(colon - request->username);
    memcpy(ufrag, request->username, length);
    ufrag[length] = '\0';
    return true;
}

void kg_ice_credentials_set(struct kg_ice_credentials *c, const struct kg_ice_params *p)
{
    snprintf(c->local_ufrag, sizeof c->local_ufrag, "%s", p->local_ufrag);
    snprintf(c->local_password, sizeof c->local_password, "%s", p->local_password);
    snprintf(c->remote_ufrag, sizeof c->remote_ufrag, "%s", p->remote_ufrag);
    snprintf(c->remote_password, sizeof c->remote_password, "%s", p->remote_password);
    snprintf(c->incoming, sizeof c->incoming, "%s:%s", p->local_ufrag, p->remote_ufrag);
    snprintf(c->outgoing, sizeof c->outgoing, "%s:%s", p->remote_ufrag, p->local_ufrag);
}

/* true: one more is allowed now. */
static bool take_credit(struct kg_ice_limit *limit, int rate, int burst, int64_t now_us)
{
    int64_t cost_us = SECOND_US / rate;
    if (limit->filled_us == 0)
        limit->credit_us = cost_us * burst;
    else
        limit->credit_us = KG_MIN(limit->credit_us + KG_MAX(now_us - limit->filled_us, 0), cost_us * burst);
    limit->filled_us = KG_MAX(now_us, 1);
    if (limit->credit_us < cost_us)
        return false;
    limit->credit_us -= cost_us;
    return true;
}

/* Without integrity: whoever asks has not shown that he knows the password, so he gets few answers, and none
 * longer than his question (he may have forged the address it came from). */
static void refuse(struct kg_ice_server *s, const struct kg_path *path, size_t request_size,
                   const struct kg_stun *request, uint16_t code, int64_t now_us)
{
    struct kg_stun m = {.class_ = KG_STUN_ERROR, .method = KG_STUN_BINDING, .error_code = code};
    uint8_t bytes[KG_STUN_MAX_BYTES];
    memcpy(m.id, request->id, sizeof m.id);
    size_t size = kg_stun_write(&m, NULL, bytes, sizeof bytes);
    if (size > 0 && size <= request_size &&
        take_credit(&s->errors, KG_ICE_LITE_ERROR_RATE, KG_ICE_LITE_ERROR_RATE, now_us))
        s->ops.send(s->user, path, bytes, size);
}

bool kg_ice_server_accept(struct kg_ice_server *s, const struct kg_path *path, const void *data, size_t size,
                          const struct kg_stun *request, int64_t now_us)
{
    if (request->class_ != KG_STUN_REQUEST || request->method != KG_STUN_BINDING || !request->has_fingerprint)
        return false; /* RFC 8445 §7.1.2 requires FINGERPRINT; other methods are not ours */
    if (!request->has_integrity || !request->username[0]) {
        refuse(s, path, size, request, BAD_REQUEST, now_us);
        return false;
    }
    if (strcmp(request->username, s->credentials.incoming) != 0 ||
        !kg_stun_check(data, size, request, s->credentials.local_password)) {
        refuse(s, path, size, request, UNAUTHENTICATED, now_us);
        return false;
    }
    if (!take_credit(&s->answers, KG_ICE_LITE_RATE, KG_ICE_LITE_BURST, now_us))
        return false;
    if (request->unknown) {
        kg_ice_server_answer(s, path, request, UNKNOWN_ATTRIBUTE);
        return false;
    }
    return true;
}

void kg_ice_server_answer(struct kg_ice_server *s, const struct kg_path *path, const struct kg_stun *request,
                          uint16_t error_code)
{
    struct kg_stun m = {.class_ = error_code ? KG_STUN_ERROR : KG_STUN_SUCCESS, .method = KG_STUN_BINDING};
    uint8_t bytes[KG_STUN_MAX_BYTES];
    memcpy(m.id, request->id, sizeof m.id);
    m.error_code = error_code;
    if (error_code == UNKNOWN_ATTRIBUTE)
        m.unknown = request->unknown;
    if (!error_code) {
        /* Through a tunnel there is no address to mirror; 0.0.0.0:0 says so. */
        m.has_mapped = true;
        m.mapped = path->remote;
        if (path->kind != KG_PATH_UDP) {
            memset(&m.mapped, 0, sizeof m.mapped);
            m.mapped.ss_family = AF_INET;
        }
    }
    size_t size = kg_stun_write(&m, s->credentials.local_password, bytes, sizeof bytes);
    if (size > 0)
        s->ops.send(s->user, path, bytes, size);
}
