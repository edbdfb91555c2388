/* What a running call tells the room's state machine. Plain values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum kg_media_event {
    KG_MEDIA_CONNECTED, /* encrypted both ways */
    KG_MEDIA_LOST,      /* the association is over: text says why */
    KG_MEDIA_STATUS,    /* line_quality, speaking, main_source changed */
    KG_MEDIA_PICTURE,   /* the first remote picture was decoded */
    KG_MEDIA_DEVICE     /* device and present */
};

enum kg_media_loss {
    KG_MEDIA_LOSS_NO_PATH,
    KG_MEDIA_LOSS_CONSENT,
    KG_MEDIA_LOSS_HANDSHAKE,
    KG_MEDIA_LOSS_OTHER
};
enum kg_media_device { KG_MEDIA_CAMERA, KG_MEDIA_MICROPHONE, KG_MEDIA_SPEAKER };

struct kg_media_report {
    enum kg_media_event event;
    enum kg_media_loss loss;
    enum kg_media_device device;
    bool device_present;
    uint8_t line_quality; /* 0 … 4 */
    uint32_t speaking, main_source;
    char text[160]; /* English */
};
