#include "unit/cmocka_all.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/unix_socket.h"

static const int64_t soon_us = 20000, late_us = 10000000;
static char folder[64], path[96];
static int ends[2];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kaigi-unix-XXXXXX");
    if (!mkdtemp(folder) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/test.sock", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    unlink(path);
    return rmdir(folder);
}

static int64_t at(int64_t in_us)
{
    return kg_clock_now_us() + in_us;
}

static void test_who_listens(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char longest[sizeof address.sun_path + 1];
    memset(longest, 'x', sizeof longest);
    longest[sizeof address.sun_path] = '\0';
    assert_false(kg_unix_address(&address, longest));
    longest[sizeof address.sun_path - 1] = '\0';
    assert_true(kg_unix_address(&address, longest));
    assert_true(kg_unix_address(&address, path));
    assert_false(kg_unix_is_served(&address));
    int server = socket(AF_UNIX, SOCK_STREAM, 0), waiting[64], count = 0;
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    assert_false(kg_unix_is_served(&address));
    assert_int_equal(listen(server, 1), 0);
    assert_true(kg_unix_is_served(&address));
    /* So busy that a connection would have to wait: it is alive all the same, and nobody waits. */
    do {
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(waiting[count++], (struct sockaddr *)&address, sizeof address) == 0 && count < 64);
    assert_true(count < 64);
    assert_true(kg_unix_is_served(&address));
    while (count-- > 0)
        close(waiting[count]);
    close(server);
    assert_false(kg_unix_is_served(&address));
}

static void test_lines(void **state)
{
    (void)state;
    char line[16];
    size_t size;
    assert_true(kg_unix_send(ends[0], "one", at(late_us)));
    assert_false(kg_unix_receive(ends[1], line, sizeof line, &size, at(soon_us)));
    assert_true(kg_unix_send(ends[0], "two\n", at(late_us)));
    assert_true(kg_unix_receive(ends[1], line, sizeof line, &size, at(late_us)));
    assert_int_equal(size, 3);
    assert_memory_equal(line, "two", 3);
    assert_true(kg_unix_send(ends[0], "more than sixteen bytes\n", at(late_us)));
    assert_false(kg_unix_receive(ends[1], line, sizeof line, &size, at(late_us)));
    assert_true(kg_unix_receive(ends[1], line, sizeof line, &size, at(late_us)));
    close(ends[0]);
    assert_false(kg_unix_receive(ends[1], line, sizeof line, &size, at(late_us)));
    assert_false(kg_unix_send(ends[1], "three\n", at(late_us)));
}

static void test_nobody_reads(void **state)
{
    (void)state;
    static char large[4000001];
    memset(large, 'x', sizeof large - 1);
    assert_false(kg_unix_send(ends[0], large, at(soon_us)));
    assert_false(kg_unix_wait(ends[0], POLLOUT, at(0)));
}

/* It gets the reason whether it has asked already or not, and the end. */
static void test_turned_away(void **state)
{
    (void)state;
    char line[16], question[3000] = {0};
    size_t size;
    assert_int_equal(send(ends[1], question, sizeof question, 0), sizeof question);
    kg_unix_turn_away(ends[0], "no\n");
    ends[0] = -1;
    assert_true(kg_unix_receive(ends[1], line, sizeof line, &size, at(late_us)));
    assert_int_equal(size, 2);
    assert_int_equal(recv(ends[1], line, sizeof line, 0), 0);
}

/* Without waiting, even for one whose socket takes nothing. */
static void test_turned_away_without_waiting(void **state)
{
    (void)state;
    char block[4096] = {0};
    fcntl(ends[0], F_SETFL, 0);
    while (send(ends[0], block, sizeof block, MSG_DONTWAIT) > 0) {
    }
    kg_unix_turn_away(ends[0], "no\n");
    ends[0] = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_turned_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_turned_away_without_waiting, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
