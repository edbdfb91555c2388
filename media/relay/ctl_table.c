/* kaigi-ctl: tables for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "relay/ctl.h"

enum { CELL_BYTES = 300, COLUMNS = 12 };

const char *kg_ctl_text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

long long kg_ctl_number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void clean_lines(json_t *text)
{
    size_t left = json_string_length(text), used = 0;
    const char *from = json_string_value(text);
    if (kg_utf8_is_clean(from, left))
        return;
    char *clean = malloc(left + 1);
    while (clean && left > 0) {
        const char *feed = memchr(from, '\n', left);
        size_t size = feed ? (size_t)(feed - from) : left;
        used += kg_utf8_clean(from, size, "?", clean + used, left + 1);
        if (feed)
            clean[used++] = '\n';
        size += feed ? 1 : 0;
        from += size;
        left -= size;
    }
    json_string_setn(text, clean ? clean : "", used);
    free(clean);
}

static void clean(json_t *reply)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_string(reply))
        clean_lines(reply);
    json_array_foreach(reply, i, value)
    {
        clean(value);
    }
    json_object_foreach(reply, key, value)
    {
        clean(value);
    }
}

void kg_ctl_make_printable(json_t *reply, bool is_export)
{
    json_t *text = is_export ? json_incref(json_object_get(reply, "text")) : NULL;
    if (text)
        json_object_del(reply, "text");
    clean(reply);
    if (text)
        json_object_set_new(reply, "text", text);
}

/* Cells on a terminal. */
static int width_of(const char *text)
{
    int width = 0;
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

static void add_text(char cell[CELL_BYTES], const char *text)
{
    size_t used = strlen(cell);
    kg_utf8_clean(text, strlen(text), "?", cell + used, CELL_BYTES - used);
}

/* What would steer the terminal becomes "?"; what is no text (a list) its parts. */
static void write_text(const json_t *value, char cell[CELL_BYTES])
{
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const char *text = json_is_object(entry) ? kg_ctl_text_of(entry, "id") : json_string_value(entry);
        add_text(cell, i ? " " : "");
        add_text(cell, text ? text : "");
    }
    if (json_is_string(value))
        add_text(cell, json_string_value(value));
    else if (json_is_integer(value))
        snprintf(cell, CELL_BYTES, "%lld", (long long)json_integer_value(value));
}

static void write_cell(const json_t *row, const struct kg_ctl_column *column, char cell[CELL_BYTES])
{
    const json_t *value = json_object_get(row, column->key);
    time_t when = (time_t)json_integer_value(value);
    struct tm tm;
    cell[0] = '\0';
    if (column->kind == KG_CTL_COLUMN_YES) {
        snprintf(cell, CELL_BYTES, "%s", json_is_true(value) ? "yes" : "-");
    } else if (column->kind == KG_CTL_COLUMN_TEXT) {
        write_text(value, cell);
    } else if (when > 0) {
        localtime_r(&when, &tm);
        strftime(cell, CELL_BYTES, column->kind == KG_CTL_COLUMN_DAY ? "%Y-%m-%d" : "%Y-%m-%d %H:%M", &tm);
    }
    if (!*cell)
        snprintf(cell, CELL_BYTES, "-");
}

void kg_ctl_print_table(const json_t *rows, const struct kg_ctl_column *columns, size_t count)
{
    int widths[COLUMNS] = {0};
    char cell[CELL_BYTES];
    size_t r;
    json_t *row;
    for (size_t c = 0; c < count && c < COLUMNS; c++)
        widths[c] = width_of(columns[c].title);
    json_array_foreach((json_t *)(uintptr_t)rows, r, row)
    {
        for (size_t c = 0; c < count && c < COLUMNS; c++) {
            write_cell(row, &columns[c], cell);
            widths[c] = KG_MAX(widths[c], width_of(cell));
        }
    }
    for (r = 0; r <= json_array_size(rows); r++) {
        for (size_t c = 0; c < count && c < COLUMNS; c++) {
            if (r == 0)
                snprintf(cell, sizeof cell, "%s", columns[c].title);
            else
                write_cell(json_array_get(rows, r - 1), &columns[c], cell);
            printf("%s%*s", cell, c + 1 < count ? widths[c] - width_of(cell) + 2 : 0, "");
        }
        putchar('\n');
    }
}
