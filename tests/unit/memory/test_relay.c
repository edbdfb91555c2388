/* The relay's books and its forwarding core when memory is short. */
#include "unit/cmocka_all.h"

#include "fakes/failing_alloc.h"
#include "relay/directory.h"
#include "relay/hall.h"
#include "relay/party.h"
#include "relay/worker_routes.h"

static char id[] = "room-a", text[] = "架空市", empty[] = "";
static char *invited[] = {id};

static struct kg_store_room a_room(void)
{
    return (struct kg_store_room){.id = id,
                                  .organization_id = text,
                                  .department = empty,
                                  .department_reading = empty,
                                  .name = text,
                                  .name_reading = empty,
                                  .serial = "01"};
}

static bool seats(void)
{
    struct kg_store_room room = a_room();
    struct kg_hall *hall = kg_hall_create();
    struct kg_gathering *g = hall ? kg_hall_open(hall, "m", 0, 1) : NULL;
    struct kg_hall_seat *seat = g ? kg_hall_seat_add(g, &room, 0) : NULL;
    if (g && !seat) {
        kg_hall_close_if_empty(g);
        assert_null(kg_hall_find(hall, "m"));
    }
    kg_hall_destroy(hall);
    return seat != NULL;
}

/* GLib ends the process when its own part finds no memory; ours must not. */
static bool books(void)
{
    struct kg_store_room room = a_room();
    struct kg_meeting meeting = {.uid = text,
                                 .title = text,
                                 .description = empty,
                                 .organizer = empty,
                                 .location = empty,
                                 .start_us = 1,
                                 .end_us = 2,
                                 .room_count = 1,
                                 .rooms = invited};
    struct kg_directory *directory = kg_directory_create();
    bool done = directory && kg_directory_put_room(directory, &room);
    assert_true(!done || kg_directory_room(directory, id));
    done = done && kg_directory_put_meeting(directory, &meeting);
    char *calendar = done ? kg_directory_calendar(directory, id, 0, 10, 10000) : NULL;
    done = calendar != NULL;
    free(calendar);
    kg_directory_destroy(directory);
    return done;
}

static bool party(void)
{
    static struct kg_wire wire = {.line_count = 3,
                                  .lines = {{.role = KG_ROLE_MICROPHONE, .active = true, .ssrc = 1},
                                            {.role = KG_ROLE_CAMERA, .active = true, .ssrc = 2},
                                            {.role = KG_ROLE_PRESENTATION, .active = true, .ssrc = 3}}};
    static struct kg_party made;
    struct kg_party_params params = {.id = 1, .wire = &wire, .source = {11, 12, 13}};
    if (!kg_party_init(&made, &params))
        return false;
    kg_party_finish(&made);
    return true;
}

static bool routes(void)
{
    struct kg_routes *made = kg_routes_create(16);
    bool done = made != NULL;
    kg_routes_destroy(made);
    return done;
}

static void memory_is_short(void **state)
{
    (void)state;
    assert_true(kg_failing_alloc_each("seats", seats) >= 3);
    assert_true(kg_failing_alloc_each("directory", books) >= 6);
    assert_int_equal(kg_failing_alloc_each("party", party), 2); /* its pictures' caches */
    assert_true(kg_failing_alloc_each("routes", routes) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
