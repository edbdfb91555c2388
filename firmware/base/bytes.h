/* Bounded big-endian reading and writing of byte strings: the one way parsers touch memory.
 * Thread: the caller's. Owns nothing: both borrow the caller's buffer.
 * An access past the end sets `failed`, reads zero or writes nothing, and stays failed: check once at the
 * end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct kg_reader {
    const uint8_t *data;
    size_t size;
    size_t pos;
    bool failed;
};

struct kg_reader kg_reader_of(const void *data, size_t size);
size_t kg_reader_left(const struct kg_reader *r);
uint8_t kg_read_u8(struct kg_reader *r);
uint16_t kg_read_u16(struct kg_reader *r);
uint32_t kg_read_u24(struct kg_reader *r);
uint32_t kg_read_u32(struct kg_reader *r);
uint64_t kg_read_u64(struct kg_reader *r);
/* A view of the next n bytes, or NULL (failed). The view lives as long as the buffer. */
const uint8_t *kg_read_view(struct kg_reader *r, size_t n);
void kg_read_skip(struct kg_reader *r, size_t n);

struct kg_writer {
    uint8_t *data;
    size_t size;
    size_t pos;
    bool failed;
};

struct kg_writer kg_writer_of(void *data, size_t size);
void kg_write_u8(struct kg_writer *w, uint8_t v);
void kg_write_u16(struct kg_writer *w, uint16_t v);
void kg_write_u24(struct kg_writer *w, uint32_t v);
void kg_write_u32(struct kg_writer *w, uint32_t v);
void kg_write_u64(struct kg_writer *w, uint64_t v);
void kg_write_bytes(struct kg_writer *w, const void *src, size_t n);
void kg_write_zeros(struct kg_writer *w, size_t n);
/* Overwrites two bytes written before (a length field). `at` must lie below w->pos. */
void kg_write_u16_at(struct kg_writer *w, size_t at, uint16_t v);

/* Unaligned big-endian access for code that has checked its bounds already. */
static inline uint16_t kg_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t kg_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void kg_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void kg_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
