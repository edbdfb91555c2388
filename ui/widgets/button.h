/* A touch target with words and an icon. At least KG_TOUCH_MIN both ways. Thread: main. */
#pragma once

#include "core/canvas.h"

enum kg_button_kind {
    KG_BUTTON_PRIMARY,
    KG_BUTTON_SECONDARY,
    KG_BUTTON_STAGE,      /* on the dark bar */
    KG_BUTTON_STAGE_OFF,  /* on the dark bar, something is switched off */
    KG_BUTTON_STAGE_NONE, /* on the dark bar, there is nothing to switch */
    KG_BUTTON_DANGER,
};

struct kg_button {
    const char *id;
    const char *label;
    const char *icon;  /* NULL: none */
    const char *value; /* NULL: "" */
    enum kg_button_kind kind;
    enum kg_text_size size; /* 0: KG_TEXT_BODY */
    bool stacked;           /* icon above words */
};

void kg_button(struct kg_canvas *c, struct kg_rect rect, const struct kg_button *button);
