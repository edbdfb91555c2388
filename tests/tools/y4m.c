#include "tools/y4m.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_HEADER = 6 }; /* "FRAME\n" */

static long frame_bytes(const struct kg_y4m *c)
{
    return FRAME_HEADER + (long)c->width * c->height * 3 / 2;
}

bool kg_y4m_open(struct kg_y4m *clip, const char *path)
{
    char line[256] = "";
    *clip = (struct kg_y4m){.file = fopen(path, "rb")};
    if (!clip->file || !fgets(line, sizeof line, clip->file) || strncmp(line, "YUV4MPEG2 ", 10) != 0) {
        fprintf(stderr, "%s is not a .y4m clip\n", path);
        kg_y4m_close(clip);
        return false;
    }
    for (char *save, *word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        if (word[0] == 'W')
            clip->width = (uint32_t)strtoul(word + 1, NULL, 10);
        else if (word[0] == 'H')
            clip->height = (uint32_t)strtoul(word + 1, NULL, 10);
    }
    clip->first = ftell(clip->file);
    fseek(clip->file, 0, SEEK_END);
    clip->frames = (uint32_t)((ftell(clip->file) - clip->first) / frame_bytes(clip));
    return clip->width > 0 && clip->height > 0;
}

bool kg_y4m_luma(struct kg_y4m *clip, uint32_t n, uint8_t *luma)
{
    size_t size = (size_t)clip->width * clip->height;
    return n < clip->frames &&
           fseek(clip->file, clip->first + (long)n * frame_bytes(clip) + FRAME_HEADER, SEEK_SET) == 0 &&
           fread(luma, 1, size, clip->file) == size;
}

void kg_y4m_close(struct kg_y4m *clip)
{
    if (clip->file)
        fclose(clip->file);
    clip->file = NULL;
}
