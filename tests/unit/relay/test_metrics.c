#include "unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "relay/metrics.h"

static char text[KG_METRICS_MAX_BYTES];

static bool has_line(const char *line)
{
    size_t size = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at += size)
        if ((at == text || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

static void tells_what_was_counted(void **state)
{
    (void)state;
    struct kg_metrics metrics = {0};
    kg_metrics_set(&metrics, KG_METRIC_ROOMS_CONNECTED, 1999);
    kg_metrics_set(&metrics, KG_METRIC_STORE_OK, 1);
    kg_metrics_set_worker(&metrics, 1, KG_WORKER_METRIC_PACKETS_IN, INT64_C(123456789012));
    kg_metrics_set_worker(&metrics, KG_METRICS_WORKERS, KG_WORKER_METRIC_PACKETS_IN, 5);
    size_t size = kg_metrics_format(&metrics, text, sizeof text);
    assert_int_equal(size, strlen(text));
    assert_int_equal(text[size - 1], '\n');
    assert_true(has_line("# TYPE kaigi_rooms_connected gauge"));
    assert_true(has_line("kaigi_rooms_connected 1999"));
    assert_true(has_line("kaigi_store_ok 1"));
    assert_true(has_line("# TYPE kaigi_worker_packets_in_total counter"));
    assert_true(has_line("kaigi_worker_packets_in_total{worker=\"0\"} 0"));
    assert_true(has_line("kaigi_worker_packets_in_total{worker=\"1\"} 123456789012"));
    assert_null(strstr(text, "worker=\"2\""));
    assert_non_null(strstr(text, "process_resident_memory_bytes "));
}

/* Every family has its HELP and TYPE directly before its samples, once (exposition format 0.0.4). */
static void every_family_is_described_once(void **state)
{
    (void)state;
    struct kg_metrics metrics = {0};
    for (unsigned worker = 0; worker < KG_METRICS_WORKERS; worker++)
        for (unsigned i = 0; i < KG_WORKER_METRIC_COUNT; i++)
            kg_metrics_set_worker(&metrics, worker, i, INT64_MAX);
    assert_true(kg_metrics_format(&metrics, text, sizeof text) > 0);
    char family[100] = "", line[300];
    unsigned families = 0;
    for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
        snprintf(line, sizeof line, "%.*s", (int)(strchr(at, '\n') - at), at);
        char name[100];
        if (sscanf(line, "# HELP %99s", name) == 1) {
            strcpy(family, name);
            families++;
            assert_null(strstr(at + 1, strcat(strcpy(line, "# HELP "), strcat(name, " "))));
        } else if (sscanf(line, "# TYPE %99s", name) == 1 || sscanf(line, "%99[a-z_]", name) == 1) {
            assert_string_equal(name, family);
        } else {
            fail_msg("what is \"%s\"?", line);
        }
    }
    assert_int_equal(families, KG_METRIC_COUNT + KG_WORKER_METRIC_COUNT + 2);
}

static void says_when_it_does_not_fit(void **state)
{
    (void)state;
    struct kg_metrics metrics = {0};
    assert_int_equal(kg_metrics_format(&metrics, text, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_was_counted),
        cmocka_unit_test(every_family_is_described_once),
        cmocka_unit_test(says_when_it_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
