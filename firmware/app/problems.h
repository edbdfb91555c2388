/* Which page of the touchscreen each failure leads to. Pure; thread: any. */
#pragma once

#include <stdbool.h>

#include "app/media_report.h"
#include "core/room_state.h"
#include "net/ws_client.h"
#include "signal/codes.h"

/* KG_PROBLEM_NONE for KG_WS_CLOSED: a line that was cut is taken up again without a page. */
enum kg_problem kg_problem_of_close(enum kg_ws_failure failure);
/* The relay's answer to a join. KG_PROBLEM_NONE: not final, the machine tries again by itself. */
enum kg_problem kg_problem_of_error(enum kg_error_code code);
enum kg_problem kg_problem_of_loss(enum kg_media_loss loss);
/* Also says whether 「もう一度試す」 can help without anybody changing something first. */
void kg_problem_fill(struct kg_room_error *error, enum kg_problem problem, const char *detail);
