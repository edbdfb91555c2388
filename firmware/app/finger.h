/* A hand for the measuring tools in tests/: touches, and looks at, the screen of a terminal that was started
 * with --tap. One line asks and one line answers over DIR/finger.sock (mode 0600): "touch X Y", "targets",
 * "screenshot FILE.png", "quit". Without KAIGI_TAPS it does nothing. Thread: created, run and destroyed by
 * the main thread; listens on its own. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"

struct kg_finger;
struct kg_ui;

/* NULL: folder is NULL, not compiled in, or the socket cannot be made (logged). Others take a NULL finger. */
KG_MUST_CHECK struct kg_finger *kg_finger_create(const char *folder, void (*wake)(void));
void kg_finger_destroy(struct kg_finger *finger);
/* Does what was asked since the last time. false: "quit". */
KG_MUST_CHECK bool kg_finger_run(struct kg_finger *finger, struct kg_ui *ui);
