/* One folder for each test of a file, and files in it. */
#pragma once

#include "unit/folder.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    return folder_make(folder, "app") ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

static inline void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}
