#include "app/tap.h"

#ifdef KAIGI_TAPS

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/thread.h"
#include "core/ui.h"

enum {
    FULL_EVERY_US = 1000000,
    STRIP_ROWS = 32,
    HEADER_BYTES = 32,
    WAITING = 2048,
    WAITING_BYTES = 48 * 1024 * 1024,
    GATHER_US = 50000,
    NICENESS = 10
};

/* A record on its way to its file. */
struct record {
    enum kg_tap_file file;
    size_t size;
    uint8_t data[]; /* header, payload */
};

struct kg_tap {
    int fd[KG_TAP_FILES];
    int64_t full_us[KG_TAP_FILES]; /* when a whole picture was last taken */
    struct kg_queue *records;      /* of struct record * */
    struct kg_thread thread;
    bool running;
    atomic_size_t waiting_bytes;
    atomic_uint lost;
    atomic_bool failed;
};

static bool write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n <= 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* A disk may stop its writer for as long as it likes: what is measured must not wait with it, nor wake it for
 * each record. */
static void run(void *arg)
{
    struct kg_tap *tap = arg;
    struct record *record;
    sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    setpriority(PRIO_PROCESS, 0, NICENESS); /* of this thread; refused: it was lower still */
    while (kg_queue_pop_wait(tap->records, &record, INT64_MAX)) {
        if (!write_all(tap->fd[record->file], record->data, record->size) &&
            !atomic_exchange(&tap->failed, true))
            kg_log(KG_LOG_ERROR, "app", NULL, "a tap cannot be written: %m");
        atomic_fetch_sub(&tap->waiting_bytes, record->size);
        free(record);
        if (kg_queue_count(tap->records) == 0)
            usleep(GATHER_US);
    }
}

static bool open_files(struct kg_tap *tap, const char *folder)
{
    static const char *const names[KG_TAP_FILES] = {
        [KG_TAP_CAMERA] = "camera.tap",
        [KG_TAP_SCREEN] = "screen.tap",
        [KG_TAP_MICROPHONE] = "microphone.tap",
        [KG_TAP_SPEAKER] = "speaker.tap",
    };
    for (unsigned i = 0; i < KG_TAP_FILES; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        tap->fd[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (tap->fd[i] < 0) {
            kg_log(KG_LOG_ERROR, "app", NULL, "%s: %m", path);
            return false;
        }
    }
    return true;
}

struct kg_tap *kg_tap_create(const char *folder)
{
    struct kg_tap *tap = folder ? calloc(1, sizeof *tap) : NULL;
    if (!tap)
        return NULL;
    for (unsigned i = 0; i < KG_TAP_FILES; i++)
        tap->fd[i] = -1;
    tap->records = kg_queue_create(WAITING, sizeof(struct record *));
    tap->running = tap->records && open_files(tap, folder) && kg_thread_start(&tap->thread, "tap", run, tap);
    if (tap->running)
        return tap;
    kg_tap_destroy(tap);
    return NULL;
}

void kg_tap_destroy(struct kg_tap *tap)
{
    if (!tap)
        return;
    if (tap->running) {
        kg_queue_close(tap->records); /* what waits is still written */
        kg_thread_join(&tap->thread);
    }
    if (atomic_load(&tap->lost) > 0)
        kg_log(KG_LOG_WARN, "app", NULL, "the taps lack %u records: the disk is too slow",
               atomic_load(&tap->lost));
    for (unsigned i = 0; i < KG_TAP_FILES; i++) {
        if (tap->fd[i] >= 0)
            close(tap->fd[i]);
    }
    kg_queue_destroy(tap->records);
    free(tap);
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

struct header {
    enum kg_tap_kind kind;
    int64_t time_us;
    uint32_t width, height, rate_hz, size;
};

/* NULL: no memory, or too much waits already. */
static struct record *begin_record(struct kg_tap *tap, enum kg_tap_file file, const struct header *header)
{
    size_t size = HEADER_BYTES + (size_t)header->size;
    struct record *record = NULL;
    if (atomic_load(&tap->waiting_bytes) + size <= WAITING_BYTES)
        record = malloc(sizeof *record + size);
    if (!record) {
        atomic_fetch_add(&tap->lost, 1);
        return NULL;
    }
    record->file = file;
    record->size = size;
    memcpy(record->data, "KGT1", 4);
    put(record->data + 4, header->kind, 4);
    put(record->data + 8, (uint64_t)header->time_us, 8);
    put(record->data + 16, header->width, 4);
    put(record->data + 20, header->height, 4);
    put(record->data + 24, header->rate_hz, 4);
    put(record->data + 28, header->size, 4);
    return record;
}

static void end_record(struct kg_tap *tap, struct record *record)
{
    atomic_fetch_add(&tap->waiting_bytes, record->size);
    if (kg_queue_push(tap->records, &record))
        return;
    atomic_fetch_sub(&tap->waiting_bytes, record->size);
    atomic_fetch_add(&tap->lost, 1);
    free(record);
}

static bool is_whole(struct kg_tap *tap, enum kg_tap_file file, int64_t time_us, uint32_t height)
{
    if (time_us - tap->full_us[file] < FULL_EVERY_US && height > STRIP_ROWS)
        return false;
    tap->full_us[file] = time_us;
    return true;
}

static uint8_t *copy_plane(uint8_t *to, const struct kg_frame *frame, unsigned plane, uint32_t from,
                           uint32_t rows)
{
    uint32_t width = plane == 0 ? frame->width : frame->width / 2;
    for (uint32_t y = from; y < from + rows; y++, to += width)
        memcpy(to, frame->plane[plane] + (size_t)y * (size_t)frame->stride[plane], width);
    return to;
}

void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame)
{
    if (!tap)
        return;
    bool full = is_whole(tap, file, frame->capture_us, frame->height);
    uint32_t rows = full ? frame->height : STRIP_ROWS;
    const struct header header = {.kind = full ? KG_TAP_I420 : KG_TAP_I420_STRIP,
                                  .time_us = frame->capture_us,
                                  .width = frame->width,
                                  .height = rows,
                                  .size = frame->width * rows + 2 * (frame->width / 2) * (rows / 2)};
    struct record *record = begin_record(tap, file, &header);
    if (!record)
        return;
    uint8_t *to = copy_plane(record->data + HEADER_BYTES, frame, 0, frame->height - rows, rows);
    for (unsigned plane = 1; plane < 3; plane++)
        to = copy_plane(to, frame, plane, (frame->height - rows) / 2, rows / 2);
    end_record(tap, record);
}

void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us)
{
    if (!tap)
        return;
    const struct header header = {.kind = KG_TAP_PCM,
                                  .time_us = time_us,
                                  .width = count,
                                  .height = 1,
                                  .rate_hz = 48000,
                                  .size = count * 2};
    struct record *record = begin_record(tap, file, &header);
    if (!record)
        return;
    for (uint32_t i = 0; i < count; i++)
        put(record->data + HEADER_BYTES + (size_t)i * 2, (uint16_t)samples[i], 2);
    end_record(tap, record);
}

void kg_tap_screen(struct kg_tap *tap, struct kg_ui *ui, int64_t now_us)
{
    struct kg_rect rect = tap ? kg_ui_main_picture_rect(ui) : (struct kg_rect){0};
    if (rect.w <= 0 || rect.h <= 0)
        return;
    bool full = is_whole(tap, KG_TAP_SCREEN, now_us, (uint32_t)rect.h);
    if (!full) {
        rect.y += rect.h - STRIP_ROWS;
        rect.h = STRIP_ROWS;
    }
    const struct header header = {.kind = full ? KG_TAP_RGBA : KG_TAP_RGBA_STRIP,
                                  .time_us = now_us,
                                  .width = (uint32_t)rect.w,
                                  .height = (uint32_t)rect.h,
                                  .size = (uint32_t)rect.w * (uint32_t)rect.h * 4};
    struct record *record = begin_record(tap, KG_TAP_SCREEN, &header);
    if (!record)
        return;
    if (kg_ui_read_pixels(ui, rect, record->data + HEADER_BYTES))
        end_record(tap, record);
    else
        free(record);
}

#else

struct kg_tap *kg_tap_create(const char *folder)
{
    (void)folder;
    return NULL;
}

void kg_tap_destroy(struct kg_tap *tap)
{
    (void)tap;
}

void kg_tap_picture(struct kg_tap *tap, enum kg_tap_file file, const struct kg_frame *frame)
{
    (void)tap;
    (void)file;
    (void)frame;
}

void kg_tap_sound(struct kg_tap *tap, enum kg_tap_file file, const int16_t *samples, uint32_t count,
                  int64_t time_us)
{
    (void)tap;
    (void)file;
    (void)samples;
    (void)count;
    (void)time_us;
}

void kg_tap_screen(struct kg_tap *tap, struct kg_ui *ui, int64_t now_us)
{
    (void)tap;
    (void)ui;
    (void)now_us;
}

#endif
