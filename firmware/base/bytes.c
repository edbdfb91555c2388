#include "base/bytes.h"

#include <assert.h>
#include <string.h>

struct kg_reader kg_reader_of(const void *data, size_t size)
{
    return (struct kg_reader){.data = data, .size = size};
}

size_t kg_reader_left(const struct kg_reader *r)
{
    return r->failed ? 0 : r->size - r->pos;
}

const uint8_t *kg_read_view(struct kg_reader *r, size_t n)
{
    if (r->failed || n > r->size - r->pos) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->pos;
    r->pos += n;
    return p;
}

void kg_read_skip(struct kg_reader *r, size_t n)
{
    (void)kg_read_view(r, n);
}

static uint64_t read_be(struct kg_reader *r, size_t n)
{
    const uint8_t *p = kg_read_view(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t kg_read_u8(struct kg_reader *r)
{
    return (uint8_t)read_be(r, 1);
}

uint16_t kg_read_u16(struct kg_reader *r)
{
    return (uint16_t)read_be(r, 2);
}

uint32_t kg_read_u24(struct kg_reader *r)
{
    return (uint32_t)read_be(r, 3);
}

uint32_t kg_read_u32(struct kg_reader *r)
{
    return (uint32_t)read_be(r, 4);
}

uint64_t kg_read_u64(struct kg_reader *r)
{
    return read_be(r, 8);
}

struct kg_writer kg_writer_of(void *data, size_t size)
{
    return (struct kg_writer){.data = data, .size = size};
}

static uint8_t *reserve(struct kg_writer *w, size_t n)
{
    if (w->failed || n > w->size - w->pos) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->data + w->pos;
    w->pos += n;
    return p;
}

static void write_be(struct kg_writer *w, uint64_t v, size_t n)
{
    uint8_t *p = reserve(w, n);
    for (size_t i = 0; p && i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

void kg_write_u8(struct kg_writer *w, uint8_t v)
{
    write_be(w, v, 1);
}

void kg_write_u16(struct kg_writer *w, uint16_t v)
{
    write_be(w, v, 2);
}

void kg_write_u24(struct kg_writer *w, uint32_t v)
{
    write_be(w, v, 3);
}

void kg_write_u32(struct kg_writer *w, uint32_t v)
{
    write_be(w, v, 4);
}

void kg_write_u64(struct kg_writer *w, uint64_t v)
{
    write_be(w, v, 8);
}

void kg_write_bytes(struct kg_writer *w, const void *src, size_t n)
{
    uint8_t *p = reserve(w, n);
    if (p && n)
        memcpy(p, src, n);
}

void kg_write_zeros(struct kg_writer *w, size_t n)
{
    uint8_t *p = reserve(w, n);
    if (p && n)
        memset(p, 0, n);
}

void kg_write_u16_at(struct kg_writer *w, size_t at, uint16_t v)
{
    if (w->failed)
        return;
    assert(at + 2 <= w->pos);
    kg_put_u16(w->data + at, v);
}
