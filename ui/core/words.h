/* Names, dates and durations as people read them, in the chosen language. Thread: main. Each writes at most
 * size bytes, NUL-terminated, cut at a character. Times are wall microseconds, shown in local time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/room_state.h"

void kg_words_clock(char *text, size_t size, int64_t wall_us); /* 14:05 */
/* 14:05, with the day before it when it is not today's: 11月20日 14:05 */
void kg_words_moment(char *text, size_t size, int64_t wall_us, int64_t now_us);
void kg_words_range(char *text, size_t size, int64_t start_us, int64_t end_us); /* 14:00 – 15:30 */
void kg_words_date(char *text, size_t size, int64_t wall_us);         /* 令和8年11月21日(土) */
void kg_words_day(char *text, size_t size, int64_t wall_us);          /* 11月24日(火) */
void kg_words_duration(char *text, size_t size, int64_t duration_us); /* 1時間5分; under a minute 1分未満 */
void kg_words_remaining(char *text, size_t size, int64_t now_us, int64_t end_us); /* 残り 32分 */
void kg_words_office(char *text, size_t size, const struct kg_room_name *name);   /* 架空市 企画課 */
void kg_words_place(char *text, size_t size, const struct kg_room_name *name); /* 架空市 企画課 第1会議室 */
void kg_words_site(char *text, size_t size, const struct kg_room_name *name); /* 架空市 第1会議室 */
void kg_words_more(char *text, size_t size, uint32_t rooms);                  /* ほか3会議室 */
/* At most `most` of the other sites of a meeting, and how many more there are. */
void kg_words_sites(char *text, size_t size, const struct kg_room_meeting *meeting, uint32_t most);
