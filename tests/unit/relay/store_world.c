#include "unit/relay/store_world.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/folder.h"

char folder[64], path[128];
struct kg_queue *results;

int store_set_up(void **state)
{
    (void)state;
    if (!folder_make(folder, "store"))
        return -1;
    snprintf(path, sizeof path, "%s/kaigi.db", folder);
    results = kg_queue_create(16, sizeof(struct kg_store_result));
    return results ? 0 : -1;
}

int store_tear_down(void **state)
{
    (void)state;
    kg_queue_destroy(results);
    return folder_remove(folder) ? 0 : -1;
}

struct kg_store *open_store(struct kg_store_snapshot *snapshot)
{
    struct kg_problem problem;
    struct kg_store_params params = {.path = path, .results = results};
    struct kg_store *store = kg_store_open(&params, snapshot, &problem);
    if (!store)
        fail_msg("%s", problem.text);
    return store;
}

enum kg_store_status result_of(uint64_t request)
{
    struct kg_store_result result;
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_int_equal(result.request, request);
    return result.status;
}

struct kg_store_answer *answer_of(uint64_t request, enum kg_store_status status)
{
    struct kg_store_result result;
    assert_true(kg_queue_pop_wait(results, &result, kg_clock_now_us() + 10000000));
    assert_int_equal(result.request, request);
    assert_int_equal(result.status, status);
    assert_non_null(result.answer);
    return result.answer;
}

struct kg_store_room room_of(char *id, uint8_t mark)
{
    struct kg_store_room room = {
        .id = id, .organization_id = "kaku", .department = "総務課", .name = "大会議室", .not_after_s = 7};
    memset(room.fingerprint, mark, sizeof room.fingerprint);
    snprintf(room.serial, sizeof room.serial, "%02X", mark);
    return room;
}

struct kg_meeting meeting_of(char *uid, char **rooms, uint16_t count)
{
    return (struct kg_meeting){.uid = uid,
                               .title = "定例会",
                               .description = "",
                               .organizer = "",
                               .location = "本庁",
                               .start_us = 1000,
                               .end_us = 2000,
                               .sequence = 3,
                               .rooms = rooms,
                               .room_count = count};
}

const struct kg_audit_entry entry = {
    .event_id = "test.changed", .actor = "local:0", .role = "operator", .organization = "kaku"};

bool put(struct kg_store *store, uint64_t request, struct kg_store_change change)
{
    return kg_store_write(store, request, &change, 1, &entry);
}

void put_organization(struct kg_store *store, char *id, char *name)
{
    struct kg_store_organization organization = {.id = id, .name = name, .reading = ""};
    PUT(store, 99, PUT_ORGANIZATION, .organization = &organization);
    assert_int_equal(result_of(99), KG_STORE_OK);
}

void make_organization(sqlite3 *db)
{
    struct kg_store_organization organization = {.id = "kaku", .name = "架空市"};
    struct kg_store_change change = {.kind = KG_STORE_PUT_ORGANIZATION, .organization = &organization};
    struct kg_store_job *job = kg_store_job_create(0, &change, 1, &entry);
    assert_non_null(job);
    assert_int_equal(kg_store_db_run(db, job, NULL), KG_STORE_OK);
    kg_store_job_destroy(job);
}

enum kg_store_status run_room(sqlite3 *db, const struct kg_store_room *room)
{
    struct kg_store_change change = {.kind = KG_STORE_PUT_ROOM, .room = room};
    struct kg_store_job *job = kg_store_job_create(0, &change, 1, &entry);
    assert_non_null(job);
    enum kg_store_status status = kg_store_db_run(db, job, NULL);
    kg_store_job_destroy(job);
    return status;
}

void overwrite(const char *name, const char *bytes, off_t at)
{
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0);
    for (int i = 0; i < 64; i++)
        assert_int_equal(pwrite(fd, bytes, strlen(bytes), at + i * (off_t)strlen(bytes)), strlen(bytes));
    close(fd);
}

size_t count_files(const char *pattern)
{
    char full[200];
    glob_t found;
    snprintf(full, sizeof full, "%s/%s", folder, pattern);
    size_t count = glob(full, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}
