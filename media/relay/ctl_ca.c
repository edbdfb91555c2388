/* kaigi-ctl ca: the authorities. "init" and "issue" work on the root's medium and the folders themselves, and
 * are for the person who has the passphrase; "server" asks the signer; "show" only reads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/clock_floor.h"
#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/ctl.h"
#include "relay/signer_protocol.h"
#include "relay/signing.h"

struct options {
    char *root, *signer, *socket, *name, *passphrase_file, **addresses;
};

static void finish_options(struct options *o)
{
    g_free(o->root);
    g_free(o->signer);
    g_free(o->socket);
    g_free(o->name);
    g_free(o->passphrase_file);
    g_strfreev(o->addresses);
}

/* The passphrase. */

/* One line from the terminal without echo. false: no terminal, or it ended. */
static bool ask_terminal(const char *question, char text[KG_CA_PASSPHRASE_MAX + 2])
{
    FILE *terminal = fopen("/dev/tty", "r+e");
    struct termios before, silent;
    if (!terminal)
        return false;
    int fd = fileno(terminal);
    if (tcgetattr(fd, &before) != 0) {
        fclose(terminal);
        return false;
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* Silent before it asks: nothing typed to the question is shown or thrown away. */
    tcsetattr(fd, TCSAFLUSH, &silent);
    fputs(question, terminal);
    fflush(terminal);
    bool ok = fgets(text, KG_CA_PASSPHRASE_MAX + 2, terminal) != NULL;
    tcsetattr(fd, TCSAFLUSH, &before);
    fputs("\n", terminal);
    fclose(terminal);
    if (ok)
        text[strcspn(text, "\n")] = '\0';
    return ok;
}

/* The file's first line. */
static bool read_passphrase_file(const struct kg_ctl *ctl, const char *path,
                                 char text[KG_CA_PASSPHRASE_MAX + 2])
{
    FILE *in = fopen(path, "re");
    bool ok = in && fgets(text, KG_CA_PASSPHRASE_MAX + 2, in);
    if (!ok)
        kg_ctl_fail(ctl, "cannot read the passphrase from %s: %s", path,
                    in ? "it is empty" : strerror(errno));
    if (in)
        fclose(in);
    if (ok)
        text[strcspn(text, "\r\n")] = '\0';
    return ok;
}

static bool ask_passphrase(const struct kg_ctl *ctl, bool fresh, char text[KG_CA_PASSPHRASE_MAX + 2])
{
    static const char none[] = "there is no terminal to ask for the passphrase; give --passphrase-file";
    char again[KG_CA_PASSPHRASE_MAX + 2] = "";
    struct kg_problem problem;
    if (!ask_terminal(fresh ? "New passphrase for the root's key: " : "Passphrase of the root's key: ",
                      text)) {
        kg_ctl_fail(ctl, "%s", none);
        return false;
    }
    if (!fresh)
        return true;
    if (!kg_ca_passphrase_check(text, &problem)) {
        kg_ctl_fail(ctl, "%s", problem.text);
        return false;
    }
    bool same = ask_terminal("The same again: ", again) && strcmp(text, again) == 0;
    OPENSSL_cleanse(again, sizeof again);
    if (!same)
        kg_ctl_fail(ctl, "the two passphrases differ; nothing was made");
    return same;
}

static bool get_passphrase(const struct kg_ctl *ctl, const struct options *o, bool fresh,
                           char text[KG_CA_PASSPHRASE_MAX + 2])
{
    return o->passphrase_file ? read_passphrase_file(ctl, o->passphrase_file, text)
                              : ask_passphrase(ctl, fresh, text);
}

/* What is there. */

struct shown {
    char path[KG_CA_PATH_BYTES];
    char fingerprint[KG_CA_FINGERPRINT_TEXT];
    char until[32];
    int64_t not_after_s;
};

static bool look(const char *folder, const char *file, struct shown *shown, struct kg_problem *problem)
{
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    if (!kg_ca_path(shown->path, folder, file, problem) ||
        !kg_ca_file_fingerprint(shown->path, fingerprint, &shown->not_after_s, problem))
        return false;
    kg_ca_fingerprint_text(fingerprint, shown->fingerprint);
    time_t when = (time_t)shown->not_after_s;
    struct tm tm;
    localtime_r(&when, &tm);
    strftime(shown->until, sizeof shown->until, "%Y-%m-%d", &tm);
    return true;
}

static json_t *to_json(const struct shown *shown)
{
    return json_pack("{s:s, s:s, s:I}", "file", shown->path, "fingerprint", shown->fingerprint, "not_after",
                     (json_int_t)shown->not_after_s);
}

/* done: what has just been made, NULL: nothing. */
static int report(const struct kg_ctl *ctl, const char *done)
{
    static const struct {
        const char *name, *file, *title;
    } files[] = {{"root", KG_CA_CERT_FILE, "root (devices pin it)"},
                 {"issuing", KG_CA_ISSUERS, "issuing authority"},
                 {"relay", KG_CA_RELAY_CERT, "relay"}};
    struct kg_problem problem;
    struct shown shown[KG_ARRAY_LEN(files)];
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++) {
        if (!look(ctl->state, files[i].file, &shown[i], &problem))
            return kg_ctl_fail(ctl, "%s", problem.text);
    }
    json_t *object = json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "state", ctl->state, "ca", shown[0].path,
                               "fingerprint", shown[0].fingerprint);
    for (size_t i = 0; i < KG_ARRAY_LEN(files); i++)
        json_object_set_new(object, files[i].name, to_json(&shown[i]));
    if (!kg_ctl_print_json(ctl, object)) {
        if (done)
            puts(done);
        for (size_t i = 0; i < KG_ARRAY_LEN(files); i++)
            printf("%s, until %s: %s\n  SHA-256 %s\n", files[i].title, shown[i].until, shown[i].path,
                   shown[i].fingerprint);
    }
    json_decref(object);
    return KG_CTL_DONE;
}

/* Commands. */

static struct kg_ca_making making(const struct kg_ctl *ctl, const struct options *o, const char *passphrase)
{
    return (struct kg_ca_making){
        .root = o->root,
        .state = ctl->state,
        .signer = o->signer ? o->signer : "/var/lib/kaigi-signer",
        .name = o->name ? o->name : "Kaigi CA",
        .passphrase = passphrase,
        .addresses = (const char *const *)o->addresses,
        .address_count = o->addresses ? g_strv_length(o->addresses) : 0,
        .now_s = kg_clock_wall_us() / 1000000,
    };
}

static int make(const struct kg_ctl *ctl, const struct options *o, bool fresh)
{
    struct kg_problem problem;
    char passphrase[KG_CA_PASSPHRASE_MAX + 2] = "";
    if (!o->root)
        return kg_ctl_fail(ctl,
                           "give --root: a folder on a medium that will be locked away with the root's key");
    if (fresh && !o->addresses)
        return kg_ctl_fail(ctl,
                           "give at least one --address: the name or address at which rooms reach the relay");
    if (kg_clock_wall_us() / 1000000 < kg_clock_floor_build_s())
        return kg_ctl_fail(ctl,
                           "this machine's clock is behind the day this program was built; set it first");
    bool ok = get_passphrase(ctl, o, fresh, passphrase);
    int code = KG_CTL_FAILED;
    if (ok) {
        struct kg_ca_making m = making(ctl, o, passphrase);
        ok = fresh ? kg_ca_init(&m, &problem) : kg_ca_issue(&m, &problem);
        if (!ok)
            kg_ctl_fail(ctl, "%s", problem.text);
    }
    OPENSSL_cleanse(passphrase, sizeof passphrase);
    if (ok && fresh)
        code = report(
            ctl, "The authorities and the relay's certificate are made. Compare the root's fingerprint on "
                 "each device.\nTake the root's medium out and lock it away, the passphrase apart from it. "
                 "Then start kaigi-signer.");
    else if (ok)
        code = report(ctl, "A new issuing authority is made. Start kaigi-signer again and reload the relay "
                           "(SIGHUP), then lock the root's medium away.");
    return code;
}

static const char root_help[] = "Folder for the root's key and certificate: a medium that is locked away";
static const char signer_help[] = "kaigi-signer's folder (default /var/lib/kaigi-signer)";
static const char passphrase_help[] = "The root's passphrase is this file's first line (default: ask)";

int kg_ctl_ca_init(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct options o = {0};
    const GOptionEntry entries[] = {
        {"root", 'r', 0, G_OPTION_ARG_FILENAME, &o.root, root_help, "DIR"},
        {"signer", 0, 0, G_OPTION_ARG_FILENAME, &o.signer, signer_help, "DIR"},
        {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &o.passphrase_file, passphrase_help, "FILE"},
        {"address", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &o.addresses,
         "A name or address at which rooms reach the relay (may be repeated)", "ADDRESS"},
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &o.name, "The authority's name (default: Kaigi CA)", "NAME"},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "- make the authorities and the relay's certificate",
            "Makes an offline root, an issuing authority for kaigi-signer and the relay's\n"
            "certificate. Neither the relay nor the signer need run. Devices trust ca.crt: compare\n"
            "its fingerprint when you copy it to them.",
            entries, 0, NULL))
        code = make(&ctl, &o, true);
    finish_options(&o);
    kg_ctl_finish(&ctl);
    return code;
}

int kg_ctl_ca_issue(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct options o = {0};
    const GOptionEntry entries[] = {
        {"root", 'r', 0, G_OPTION_ARG_FILENAME, &o.root, root_help, "DIR"},
        {"signer", 0, 0, G_OPTION_ARG_FILENAME, &o.signer, signer_help, "DIR"},
        {"passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &o.passphrase_file, passphrase_help, "FILE"},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "- make a new issuing authority from the offline root",
            "For when the issuing authority is about to end, or its key may have been seen. Certificates\n"
            "of the old one stay good until they end; kaigi-signer is started again, the relay reloaded.",
            entries, 0, NULL))
        code = make(&ctl, &o, false);
    finish_options(&o);
    kg_ctl_finish(&ctl);
    return code;
}

/* In the state folder where no packages are installed. */
static const char *find_socket(const struct kg_ctl *ctl, const struct options *o, char path[KG_CA_PATH_BYTES])
{
    if (o->socket)
        return o->socket;
    if (kg_ca_path(path, ctl->state, KG_SIGNER_SOCKET, NULL) && access(path, F_OK) == 0)
        return path;
    return KG_SIGNER_SYSTEM_SOCKET;
}

static int renew_relay(const struct kg_ctl *ctl, const struct options *o)
{
    struct kg_problem problem;
    struct kg_ca_certificate certificate = {0};
    char path[KG_CA_PATH_BYTES];
    EVP_PKEY *key = NULL;
    char *csr = NULL;
    const struct kg_ca_subject subject = {.kind = KG_CA_SERVER,
                                          .addresses = (const char *const *)o->addresses,
                                          .address_count = o->addresses ? g_strv_length(o->addresses) : 0};
    bool ok = kg_ca_subject_check(&subject, &problem) && kg_ca_relay_request(&key, &csr, &problem) &&
              kg_signing_now(find_socket(ctl, o, path), &subject, csr, strlen(csr), &certificate, &problem) &&
              kg_ca_relay_install(ctl->state, key, &certificate, &problem);
    kg_ca_certificate_finish(&certificate);
    EVP_PKEY_free(key);
    free(csr);
    return ok ? report(ctl, "The relay has a new certificate; reload the relay (SIGHUP) to use it.")
              : kg_ctl_fail(ctl, "%s", problem.text);
}

int kg_ctl_ca_server(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    struct options o = {0};
    const GOptionEntry entries[] = {
        {"address", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &o.addresses,
         "A name or address at which rooms reach the relay (may be repeated)", "ADDRESS"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &o.socket,
         "kaigi-signer's socket (default: in the state folder, else " KG_SIGNER_SYSTEM_SOCKET ")", "PATH"},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "- have a new certificate for the relay signed",
            "Replaces the relay's key and certificate, for new addresses or before the old one ends.\n"
            "kaigi-signer must run. The relay takes it over on SIGHUP (systemctl reload kaigi-relay).",
            entries, 0, NULL))
        code = renew_relay(&ctl, &o);
    finish_options(&o);
    kg_ctl_finish(&ctl);
    return code;
}

int kg_ctl_ca_show(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(&ctl, argc, argv, "- show the authorities' fingerprints and last days",
                       "Compare the root's with what a device shows before its code is approved.", NULL, 0,
                       NULL))
        code = report(&ctl, NULL);
    kg_ctl_finish(&ctl);
    return code;
}
