/* kaigi-ctl: the administrator's command line. "ca" works on the state folder, all else asks the running
 * relay; nothing edits the store under it. */
#include "relay/ctl.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *group, *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"ca", "init", kg_ctl_ca_init, "make the authorities and the relay's certificate"},
    {"ca", "issue", kg_ctl_ca_issue, "make a new issuing authority from the offline root"},
    {"ca", "server", kg_ctl_ca_server, "have a new certificate for the relay signed"},
    {"ca", "show", kg_ctl_ca_show, "show the authorities' fingerprints and last days"},
    {"room", "add", kg_ctl_room_add, "enrol a room: sign its certificate request"},
    {"room", "list", kg_ctl_room_list, "show the rooms"},
    {"room", "revoke", kg_ctl_room_revoke, "shut a room out, at once"},
    {"agenda", "import", kg_ctl_agenda_import, "take over meetings from an iCalendar file"},
    {"status", NULL, kg_ctl_status, "show who is connected and what is forwarded"},
};

static void print_help(FILE *out)
{
    fputs("Usage: kaigi-ctl COMMAND [OPTIONS]\n\nCommands:\n", out);
    for (size_t i = 0; i < KG_ARRAY_LEN(commands); i++)
        fprintf(out, "  %-7s%-8s %s\n", commands[i].group, commands[i].name ? commands[i].name : "",
                commands[i].help);
    fputs("\nEach command explains itself with --help. Common options: --state DIR, --json.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part.\n",
          out);
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
    for (size_t i = 0; i < KG_ARRAY_LEN(commands) && argc >= 2; i++) {
        if (strcmp(argv[1], commands[i].group) != 0)
            continue;
        /* The word before a command's own arguments stands for the program's name there. */
        if (!commands[i].name)
            return commands[i].run(argc - 1, argv + 1);
        if (argc >= 3 && strcmp(argv[2], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    if (argc >= 2)
        fprintf(stderr, "kaigi-ctl: unknown command \"%s%s%s\"\n\n", argv[1], argc >= 3 ? " " : "",
                argc >= 3 ? argv[2] : "");
    print_help(stderr);
    return KG_CTL_USAGE;
}
