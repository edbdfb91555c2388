/* Calendars wait on a thread of their own, one for each organization; scripts stand in for the reader. */
#include "unit/cmocka_all.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/agenda_read.h"
#include "relay/calendars.h"
#include "unit/folder.h"

enum { SOON_US = 1000000, LONG_US = 20000000 };

static char folder[64], script[96], witness[96];
static struct kg_queue *commands;

/* what: the script's last line. */
static struct kg_calendars *begin(const char *what)
{
    assert_true(folder_make(folder, "calendars"));
    snprintf(script, sizeof script, "%s/reader", folder);
    snprintf(witness, sizeof witness, "%s/witness", folder);
    FILE *file = fopen(script, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n: >%s\n%s\n", witness, what);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(script, 0755), 0);
    commands = kg_queue_create(8, sizeof(struct kg_control_command));
    assert_non_null(commands);
    struct kg_calendars *calendars = kg_calendars_create(commands, script);
    assert_non_null(calendars);
    return calendars;
}

static void end(struct kg_calendars *calendars)
{
    int64_t from_us = kg_clock_now_us();
    kg_calendars_destroy(calendars);
    assert_true(kg_clock_now_us() - from_us < 2 * SOON_US);
    assert_int_equal(kg_queue_count(commands), 0);
    kg_queue_destroy(commands);
    assert_true(folder_remove(folder));
}

/* NULL: taken. */
static const char *offer(struct kg_calendars *calendars, const char *organization, const char *named)
{
    struct kg_control_command command = {.kind = KG_CONTROL_REQUEST, .by = {.id = "someone"}};
    snprintf(command.by.organization, sizeof command.by.organization, "%s", organization);
    command.request =
        json_pack("{s:s, s:s, s:s*}", "command", "agenda-import", "calendar", "x", "organization", named);
    assert_non_null(command.request);
    int64_t from_us = kg_clock_now_us();
    const char *why = kg_calendars_offer(calendars, &command);
    assert_true(kg_clock_now_us() - from_us < SOON_US);
    if (why)
        json_decref(command.request);
    return why;
}

static void wait_for_reader(void)
{
    for (int i = 0; i < 1000 && access(witness, F_OK) != 0; i++)
        usleep(10000);
    assert_int_equal(access(witness, F_OK), 0);
}

static void expect_read(const char *organization)
{
    struct kg_control_command command;
    assert_true(kg_queue_pop_wait(commands, &command, kg_clock_now_us() + LONG_US));
    assert_string_equal(command.by.organization, organization);
    assert_non_null(command.calendar);
    kg_agenda_reading_destroy(command.calendar);
    json_decref(command.request);
}

static void test_one_of_each_organization_waits(void **state)
{
    (void)state;
    struct kg_calendars *calendars = begin("exec sleep 60");
    assert_null(offer(calendars, "a-shi", NULL));
    wait_for_reader();
    const char *why = offer(calendars, "a-shi", NULL);
    assert_non_null(why);
    assert_non_null(strstr(why, "another calendar of this organization"));
    assert_non_null(offer(calendars, "", "a-shi"));
    assert_null(offer(calendars, "", "b-cho"));
    assert_non_null(offer(calendars, "b-cho", NULL));
    assert_null(offer(calendars, "", NULL));
    assert_non_null(offer(calendars, "", NULL));
    assert_null(offer(calendars, "c-mura", NULL));
    assert_non_null(strstr(offer(calendars, "d-ku", NULL), "too many"));
    end(calendars);
}

static void test_they_are_read_in_turn(void **state)
{
    (void)state;
    struct kg_calendars *calendars = begin("exit 127");
    for (int i = 0; i < 2; i++) {
        assert_null(offer(calendars, "a-shi", NULL));
        assert_null(offer(calendars, "b-cho", NULL));
        expect_read("a-shi");
        expect_read("b-cho");
    }
    end(calendars);
}

static void test_nothing_to_read(void **state)
{
    (void)state;
    end(begin(""));
    kg_calendars_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_each_organization_waits),
        cmocka_unit_test(test_they_are_read_in_turn),
        cmocka_unit_test(test_nothing_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
