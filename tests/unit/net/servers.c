#include "servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SERVERS_MAX = 20 };

static char folder[64];
static int server_in = -1;
static pid_t server_pid;
static struct {
    char name[16];
    unsigned port;
} listeners[SERVERS_MAX];
static size_t listener_count;

uint16_t servers_port(const char *name)
{
    for (size_t i = 0; i < listener_count; i++) {
        if (strcmp(listeners[i].name, name) == 0)
            return (uint16_t)listeners[i].port;
    }
    fail_msg("no listener %s", name);
    return 0;
}

const char *servers_file(const char *name)
{
    static char paths[16][128];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

int servers_start(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kg-ws-test-XXXXXX");
    int in[2], out[2];
    if (!mkdtemp(folder) || pipe(in) != 0 || pipe(out) != 0)
        return -1;
    server_pid = fork();
    if (server_pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl("/usr/bin/python3", "python3", SERVER, folder, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server_in = in[1];
    FILE *lines = fdopen(out[0], "r");
    for (listener_count = 0; lines && listener_count < SERVERS_MAX; listener_count++) {
        if (fscanf(lines, "%15s %u", listeners[listener_count].name, &listeners[listener_count].port) != 2)
            return -1;
        if (strcmp(listeners[listener_count].name, "ready") == 0)
            return fclose(lines);
    }
    return -1;
}

int servers_stop(void **state)
{
    (void)state;
    close(server_in);
    waitpid(server_pid, NULL, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}
