/* Picture slots, by table. */
#include "relay/slot_layout.h"
#include "unit/cmocka_all.h"

enum { N = 4, AUTO = -1, NONE = -2 };

struct row {
    const char *what;
    uint32_t sources[6];
    size_t count;
    uint32_t first;
    int wish[N]; /* a source, AUTO or NONE */
    uint32_t before[N], after[N];
};

static const struct row table[] = {
    {"in joining order", {1, 2, 3}, 3, 0, {AUTO, AUTO, AUTO, AUTO}, {0}, {1, 2, 3, 0}},
    {"the speaker leads", {1, 2, 3}, 3, 3, {AUTO, AUTO, AUTO, AUTO}, {0}, {3, 1, 2, 0}},
    {"two slots change, no more", {1, 2, 3}, 3, 3, {AUTO, AUTO, AUTO, AUTO}, {1, 2, 3, 0}, {3, 2, 1, 0}},
    {"who leaves leaves a hole", {1, 3}, 2, 1, {AUTO, AUTO, AUTO, AUTO}, {1, 2, 3, 0}, {1, 0, 3, 0}},
    {"who comes fills it", {1, 3, 4}, 3, 1, {AUTO, AUTO, AUTO, AUTO}, {1, 0, 3, 0}, {1, 4, 3, 0}},
    {"a wish holds", {1, 2, 3}, 3, 3, {2, AUTO, AUTO, AUTO}, {1, 2, 3, 0}, {2, 3, 1, 0}},
    {"a wish for one not there", {1, 2}, 2, 1, {9, AUTO, AUTO, AUTO}, {0}, {0, 1, 2, 0}},
    {"none is none", {1, 2, 3}, 3, 1, {AUTO, NONE, AUTO, AUTO}, {1, 2, 3, 0}, {1, 0, 3, 2}},
    {"the wished speaker is not doubled", {1, 2, 3}, 3, 2, {AUTO, 2, AUTO, AUTO}, {1, 2, 3, 0}, {1, 2, 3, 0}},
    {"a wish takes from a free slot", {1, 2}, 2, 1, {AUTO, AUTO, 1, AUTO}, {1, 2, 0, 0}, {2, 0, 1, 0}},
    {"more sources than slots",
     {1, 2, 3, 4, 5, 6},
     6,
     6,
     {AUTO, AUTO, AUTO, AUTO},
     {1, 2, 3, 4},
     {6, 2, 3, 4}},
    {"nobody", {0}, 0, 7, {AUTO, AUTO, AUTO, AUTO}, {1, 2, 3, 4}, {0, 0, 0, 0}},
};

static void slots_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < KG_ARRAY_LEN(table); i++) {
        const struct row *row = &table[i];
        struct kg_layout layout = {.sources = row->sources, .source_count = row->count, .first = row->first};
        struct kg_layout_wish wishes[N] = {0};
        uint32_t want[N];
        memcpy(want, row->before, sizeof(want));
        for (int k = 0; k < N; k++) {
            wishes[k].wish = row->wish[k] == AUTO   ? KG_WISH_AUTO
                             : row->wish[k] == NONE ? KG_WISH_NONE
                                                    : KG_WISH_SOURCE;
            wishes[k].source = row->wish[k] > 0 ? (uint32_t)row->wish[k] : 0;
        }
        kg_layout_assign(&layout, wishes, want, N);
        if (memcmp(want, row->after, sizeof(want)) != 0)
            fail_msg("%s: got %u %u %u %u", row->what, want[0], want[1], want[2], want[3]);
        uint32_t again[N];
        memcpy(again, want, sizeof(again));
        kg_layout_assign(&layout, wishes, again, N);
        if (memcmp(want, again, sizeof(want)) != 0)
            fail_msg("%s: not stable", row->what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(slots_follow_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
