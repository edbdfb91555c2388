/* kaigi-ctl: the administrator's command line. "ca" works on the state folder, all else asks the running
 * relay; nothing edits the store under it. */
#include "relay/ctl.h"

#include <stdio.h>
#include <string.h>

static const struct kg_ctl_command own[] = {
    {"ca", "init", "make the authorities and the relay's certificate", .run = kg_ctl_ca_init},
    {"ca", "issue", "make a new issuing authority from the offline root", .run = kg_ctl_ca_issue},
    {"ca", "server", "have a new certificate for the relay signed", .run = kg_ctl_ca_server},
    {"ca", "show", "show the authorities' fingerprints and last days", .run = kg_ctl_ca_show},
    {"room", "enrol", "let in a device that shows a code", .run = kg_ctl_room_enrol},
    {"room", "pending", "show the devices that ask to be let in", .run = kg_ctl_room_pending},
    {"room", "reject", "refuse a device that asks", .run = kg_ctl_room_reject},
    {"restore", NULL, "put a backup in the store's place, while no relay runs", .run = kg_ctl_restore},
    {0},
};
static const struct kg_ctl_command *const groups[] = {
    own, kg_ctl_people, kg_ctl_rooms, kg_ctl_communities, kg_ctl_settings, kg_ctl_meetings, kg_ctl_trail,
};

static void print_help(FILE *out)
{
    fputs("Usage: kaigi-ctl COMMAND [OPTIONS]\n\nCommands:\n", out);
    for (size_t i = 0; i < KG_ARRAY_LEN(groups); i++) {
        for (const struct kg_ctl_command *c = groups[i]; c->group; c++)
            fprintf(out, "  %-10s%-8s %s\n", c->group, c->name ? c->name : "", c->help);
    }
    fputs("\nEach command explains itself with --help. Common options: --state DIR, --json.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part.\n",
          out);
}

/* NULL: there is none. *words: how many of argv are its name. */
static const struct kg_ctl_command *find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < KG_ARRAY_LEN(groups); i++) {
        for (const struct kg_ctl_command *c = groups[i]; c->group; c++) {
            *words = c->name ? 2 : 1;
            if (argc > *words && strcmp(argv[1], c->group) == 0 && c->name && strcmp(argv[2], c->name) == 0)
                return c;
            if (argc > *words && strcmp(argv[1], c->group) == 0 && !c->name)
                return c;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc >= 2 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help(stdout);
        return KG_CTL_DONE;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("kaigi-ctl " KAIGI_VERSION);
        return KG_CTL_DONE;
    }
    int words;
    const struct kg_ctl_command *command = find(argc, argv, &words);
    /* The word before a command's own arguments stands for the program's name there. */
    if (command && command->run)
        return command->run(argc - words, argv + words);
    if (command)
        return kg_ctl_run(command, argc - words, argv + words);
    if (argc >= 2)
        fprintf(stderr, "kaigi-ctl: unknown command \"%s%s%s\"\n\n", argv[1], argc >= 3 ? " " : "",
                argc >= 3 ? argv[2] : "");
    print_help(stderr);
    return KG_CTL_USAGE;
}
