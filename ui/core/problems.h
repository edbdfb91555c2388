/* What each problem is called, why it happens, what the room can do and what to tell the IT staff: Japanese
 * source texts for kg_tr. Thread: any (constants). */
#pragma once

#include "core/room_state.h"

enum { KG_PROBLEM_REMEDIES = 3 };

struct kg_problem_text {
    const char *code; /* stable; the IT guide lists them */
    const char *headline;
    const char *cause;
    const char *remedies[KG_PROBLEM_REMEDIES]; /* NULL after the last */
};

/* Never NULL; KG_PROBLEM_NONE and unknown values read as KG_PROBLEM_INTERNAL. */
const struct kg_problem_text *kg_problem_text(enum kg_problem problem);
