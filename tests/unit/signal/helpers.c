#include "unit/signal/helpers.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "unit/cmocka_all.h"

char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long length = ftell(f);
    rewind(f);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text) {
        *size = fread(text, 1, (size_t)length, f);
        text[*size] = '\0';
    }
    fclose(f);
    return text;
}

unsigned each_file(const char *folder, void (*visit)(const char *path, const char *text, size_t size))
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char path[4096];
        struct stat st;
        if (e->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path ||
            stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            count += each_file(path, visit);
            continue;
        }
        size_t size = 0;
        char *text = read_file(path, &size);
        if (text) {
            visit(path, text, size);
            count++;
        }
        free(text);
    }
    if (dir)
        closedir(dir);
    return count;
}

char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("\"%s\" is not in the text", from);
    size_t size = strlen(text) - strlen(from) + strlen(to) + 1;
    char *out = malloc(size);
    assert_non_null(out);
    snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}
