#include "gst/raw_clip.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/frame_pool.h"

#define MAGIC       "YUV4MPEG2 "
#define FRAME_MAGIC "FRAME"

enum { HEADER_MAX = 256 };

struct kg_raw_clip {
    int fd;
    uint32_t width, height;
    off_t first, at; /* of the first and the next picture's own header */
    struct kg_frame_pool *pool;
};

/* The line at `at`, without its end, and where the next begins; 0: there is none. */
static off_t read_line(int fd, off_t at, char line[HEADER_MAX])
{
    ssize_t got = pread(fd, line, HEADER_MAX, at);
    char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;
    if (!end)
        return 0;
    *end = '\0';
    return at + (end - line) + 1;
}

/* Parameters begin with their letter: W, H, F (rate), I (interlacing), C (chroma); others do not matter. */
static bool fits(char *line, uint32_t width, uint32_t height, uint32_t fps)
{
    unsigned w = 0, h = 0, rate = 0, per = 0;
    bool usable = strncmp(line, MAGIC, strlen(MAGIC)) == 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word && usable; word = strtok_r(NULL, " ", &rest)) {
        if (word[0] == 'W')
            usable = sscanf(word, "W%8u", &w) == 1;
        else if (word[0] == 'H')
            usable = sscanf(word, "H%8u", &h) == 1;
        else if (word[0] == 'F')
            usable = sscanf(word, "F%8u:%8u", &rate, &per) == 2;
        else if (word[0] == 'I')
            usable = word[1] == 'p' || word[1] == '?';
        else if (word[0] == 'C')
            usable =
                strcmp(word, "C420") == 0 || strcmp(word, "C420jpeg") == 0 || strcmp(word, "C420mpeg2") == 0;
    }
    return usable && w == width && h == height && per > 0 && (uint64_t)fps * per == rate;
}

struct kg_raw_clip *kg_raw_clip_open(const char *path, uint32_t width, uint32_t height, uint32_t fps)
{
    char line[HEADER_MAX];
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) /* to open a pipe might wait for its writer */
        return NULL;
    struct kg_raw_clip *clip = calloc(1, sizeof *clip);
    if (!clip)
        return NULL;
    clip->width = width;
    clip->height = height;
    clip->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (clip->fd >= 0)
        clip->first = clip->at = read_line(clip->fd, 0, line);
    if (clip->first > 0 && fits(line, width, height, fps))
        clip->pool = kg_frame_pool_create();
    if (clip->pool)
        return clip;
    kg_raw_clip_close(clip);
    return NULL;
}

void kg_raw_clip_close(struct kg_raw_clip *clip)
{
    if (!clip)
        return;
    if (clip->fd >= 0)
        close(clip->fd);
    kg_frame_pool_destroy(clip->pool);
    free(clip);
}

/* Rows without padding in the file, in one piece when the frame has none either. Where the next plane begins;
 * 0: it is not whole. */
static off_t read_plane(int fd, off_t at, uint8_t *to, size_t stride, size_t width, size_t rows)
{
    size_t piece = stride == width ? width * rows : width;
    for (size_t done = 0; done < width * rows; done += piece, to += stride == width ? 0 : stride) {
        if (pread(fd, to, piece, at) != (ssize_t)piece)
            return 0;
        at += (off_t)piece;
    }
    return at;
}

static off_t read_picture(const struct kg_raw_clip *clip, struct kg_frame *frame)
{
    char line[HEADER_MAX];
    off_t at = read_line(clip->fd, clip->at, line);
    if (at == 0 || strncmp(line, FRAME_MAGIC, strlen(FRAME_MAGIC)) != 0)
        return 0;
    for (int i = 0; i < 3 && at > 0; i++) {
        uint8_t *to = (uint8_t *)frame->plane[i]; /* ours alone until it is returned */
        at = read_plane(clip->fd, at, to, (size_t)frame->stride[i], i ? clip->width / 2 : clip->width,
                        i ? clip->height / 2 : clip->height);
    }
    return at;
}

struct kg_frame *kg_raw_clip_read(struct kg_raw_clip *clip)
{
    struct kg_frame *frame = kg_frame_pool_take(clip->pool, clip->width, clip->height);
    if (!frame)
        return NULL;
    off_t next = read_picture(clip, frame);
    if (next == 0 && clip->at != clip->first) {
        clip->at = clip->first;
        next = read_picture(clip, frame);
    }
    if (next == 0) {
        kg_frame_unref(frame);
        return NULL;
    }
    clip->at = next;
    return frame;
}
