/* A folder of its own for one test, gone afterwards with all that is in it. */
#pragma once

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool folder_make(char folder_path[64], const char *what)
{
    snprintf(folder_path, 64, "/tmp/kaigi-%s-XXXXXX", what);
    return mkdtemp(folder_path) != NULL;
}

static inline int folder_remove_one(const char *name, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(name);
}

static inline bool folder_remove(const char *folder_path)
{
    return nftw(folder_path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0;
}
