#include "relay/calendars.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/agenda_read.h"

/* What of an imported calendar is kept. */
#define IMPORT_BEFORE_US (INT64_C(86400) * 1000000)
#define IMPORT_AFTER_US  (INT64_C(400) * 86400 * 1000000)

struct place {
    char whose[KG_PRINCIPAL_ID_BYTES];
    struct kg_control_command command;
};

struct kg_calendars {
    struct kg_queue *commands;
    const char *reader;
    int stop_fd; /* readable: the reader is given up */
    bool started;
    struct kg_thread thread;
    struct kg_mutex mutex; /* for what follows */
    struct kg_cond changed;
    bool stopping;
    size_t count;
    struct place places[KG_CALENDARS_MAX]; /* the first is being read */
};

static void drop(struct kg_control_command *command)
{
    kg_agenda_reading_destroy(command->calendar);
    json_decref(command->request);
}

static void read_one(struct kg_calendars *k, struct kg_control_command *command)
{
    const json_t *text = json_object_get(command->request, "calendar");
    int64_t now_us = kg_clock_wall_us();
    const struct kg_agenda_read_params params = {.program = k->reader,
                                                 .from_us = now_us - IMPORT_BEFORE_US,
                                                 .to_us = now_us + IMPORT_AFTER_US,
                                                 .stop_fd = &k->stop_fd};
    command->calendar = kg_agenda_read(json_string_value(text), json_string_length(text), &params);
}

static void hand_over(struct kg_calendars *k, struct kg_control_command *command)
{
    struct kg_queue *replies = command->replies;
    if (kg_queue_push(k->commands, command))
        return;
    drop(command);
    json_t *reply = json_pack("{s:b, s:s}", "ok", 0, "error", "the relay is too busy; try again");
    if (!reply || !kg_queue_push(replies, &reply))
        json_decref(reply);
}

static void run(void *arg)
{
    struct kg_calendars *k = arg;
    kg_mutex_lock(&k->mutex);
    for (;;) {
        while (k->count == 0 && !k->stopping)
            kg_cond_wait(&k->changed, &k->mutex);
        if (k->stopping)
            break;
        struct kg_control_command command = k->places[0].command;
        kg_mutex_unlock(&k->mutex);
        read_one(k, &command);
        kg_mutex_lock(&k->mutex);
        if (k->stopping) {
            k->places[0].command = command; /* dropped with the others */
            break;
        }
        k->count--;
        memmove(k->places, k->places + 1, k->count * sizeof k->places[0]);
        hand_over(k, &command);
    }
    kg_mutex_unlock(&k->mutex);
}

const char *kg_calendars_offer(struct kg_calendars *k, const struct kg_control_command *command)
{
    struct place place = {.command = *command};
    const char *why = NULL, *organization = command->by.organization;
    if (!*organization)
        organization = json_string_value(json_object_get(command->request, "organization"));
    snprintf(place.whose, sizeof place.whose, "%s", organization ? organization : command->by.id);
    kg_mutex_lock(&k->mutex);
    for (size_t i = 0; i < k->count && !why; i++) {
        if (strcmp(k->places[i].whose, place.whose) == 0)
            why = "another calendar of this organization is being read; try again";
    }
    if (!why && k->count == KG_CALENDARS_MAX)
        why = "too many calendars wait to be read; try again";
    if (!why) {
        k->places[k->count++] = place;
        kg_cond_signal(&k->changed);
    }
    kg_mutex_unlock(&k->mutex);
    return why;
}

struct kg_calendars *kg_calendars_create(struct kg_queue *commands, const char *reader)
{
    struct kg_calendars *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->commands = commands;
    k->reader = reader;
    kg_mutex_init(&k->mutex);
    kg_cond_init(&k->changed);
    k->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (k->stop_fd < 0)
        kg_log(KG_LOG_ERROR, "relay", NULL, "cannot make an eventfd: %s", strerror(errno));
    else
        k->started = kg_thread_start(&k->thread, "calendars", run, k);
    if (k->started)
        return k;
    kg_calendars_destroy(k);
    return NULL;
}

void kg_calendars_destroy(struct kg_calendars *k)
{
    uint64_t one = 1;
    if (!k)
        return;
    if (k->started) {
        kg_mutex_lock(&k->mutex);
        k->stopping = true;
        kg_cond_signal(&k->changed);
        kg_mutex_unlock(&k->mutex);
        while (write(k->stop_fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
        kg_thread_join(&k->thread);
    }
    for (size_t i = 0; i < k->count; i++)
        drop(&k->places[i].command);
    if (k->stop_fd >= 0)
        close(k->stop_fd);
    kg_cond_finish(&k->changed);
    kg_mutex_finish(&k->mutex);
    free(k);
}
