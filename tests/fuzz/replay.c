/* Runs one fuzz target without libFuzzer: over every file named (folders are walked), and over a bounded
 * number of mutations of each, always the same ones. So corpora stay plain tests under any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 256 * 1024, MUTATIONS = 60 };
static unsigned files, runs;
static uint64_t seed = 88172645463325252u;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

/* The exact size is allocated each time so that the sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void mutate_and_run(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size + 64);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(copy, data, size);
        size_t n = size;
        for (unsigned edits = 1 + next_random() % 4; edits > 0 && n > 0; edits--) {
            size_t at = next_random() % n;
            switch (next_random() % 5) {
            case 0:
                copy[at] ^= (uint8_t)(1u << next_random() % 8);
                break;
            case 1:
                copy[at] = (uint8_t)next_random();
                break;
            case 2:
                copy[at] = next_random() % 2 ? 0xff : 0;
                break;
            case 3:
                n = at;
                break;
            default:
                memmove(copy + at, data + size / 2, size - size / 2 < n - at ? size - size / 2 : n - at);
                break;
            }
        }
        run(copy, n);
    }
    free(copy);
}

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return;
    uint8_t *data = malloc(MAX_BYTES);
    size_t n = fread(data, 1, MAX_BYTES, f);
    fclose(f);
    files++;
    run(data, n);
    if (n <= 16384)
        mutate_and_run(data, n);
    free(data);
}

static void replay(const char *path, int depth)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    if (S_ISREG(st.st_mode)) {
        replay_file(path);
        return;
    }
    DIR *dir = depth > 0 ? opendir(path) : NULL;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char child[4096];
        if (e->d_name[0] == '.' ||
            snprintf(child, sizeof child, "%s/%s", path, e->d_name) >= (int)sizeof child)
            continue;
        replay(child, depth - 1);
    }
    if (dir)
        closedir(dir);
}

int main(int argc, char **argv)
{
    run((const uint8_t *)"", 0);
    uint8_t noise[2048];
    for (int i = 0; i < 2000; i++) {
        size_t n = next_random() % sizeof noise;
        for (size_t k = 0; k < n; k++)
            noise[k] = (uint8_t)next_random();
        run(noise, n);
    }
    for (int i = 1; i < argc; i++)
        replay(argv[i], 6);
    printf("%u files, %u runs\n", files, runs);
    return 0;
}
