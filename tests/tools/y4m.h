/* Random access to the luma of an I420 .y4m clip. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct kg_y4m {
    FILE *file;
    uint32_t width, height;
    long first; /* offset of the first frame's header */
    uint32_t frames;
};
/* false (said on stderr): not such a clip. */
bool kg_y4m_open(struct kg_y4m *clip, const char *path);
/* Reads frame n's luma, width × height bytes. false: no such frame. */
bool kg_y4m_luma(struct kg_y4m *clip, uint32_t n, uint8_t *luma);
void kg_y4m_close(struct kg_y4m *clip);
