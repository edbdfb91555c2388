/* kaigi-ctl ca: the authority, worked on in the state folder itself. */
#include <stdio.h>

#include "base/clock.h"
#include "net/identity.h"
#include "relay/ca.h"
#include "relay/ctl.h"

static int report(const struct kg_ctl *ctl, const char *done)
{
    struct kg_problem problem;
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    char text[KG_FINGERPRINT_TEXT_BYTES], path[4096];
    snprintf(path, sizeof path, "%s/%s", ctl->state, KG_CA_CERT_FILE);
    if (!kg_ca_file_fingerprint(path, fingerprint, &problem))
        return kg_ctl_fail(ctl, "%s", problem.text);
    kg_fingerprint_text(fingerprint, text);
    json_t *object =
        json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "state", ctl->state, "ca", path, "fingerprint", text);
    if (!kg_ctl_print_json(ctl, object))
        printf("%s\nauthority: %s\nSHA-256:   %s\n", done, path, text);
    json_decref(object);
    return KG_CTL_DONE;
}

int kg_ctl_ca_init(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    char *name = NULL, **addresses = NULL;
    const GOptionEntry entries[] = {
        {"address", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &addresses,
         "A name or address at which rooms reach the relay (may be repeated)", "ADDRESS"},
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &name, "The authority's name (default: Kaigi CA)", "NAME"},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "- make the authority and the relay's certificate",
            "Makes the state folder, an authority of its own and the relay's certificate. The relay need\n"
            "not run. Rooms trust the file ca.crt: compare its fingerprint when you copy it to them.",
            entries, 0, NULL)) {
        struct kg_problem problem;
        guint count = addresses ? g_strv_length(addresses) : 0;
        if (count == 0) {
            kg_ctl_fail(&ctl,
                        "give at least one --address: the name or address at which rooms reach the relay");
        } else if (kg_ca_init(ctl.state, name ? name : "Kaigi CA", (const char *const *)addresses, count,
                              kg_clock_wall_us() / 1000000, &problem)) {
            code = report(&ctl, "The authority and the relay's certificate are made.");
        } else {
            code = kg_ctl_fail(&ctl, "%s", problem.text);
        }
    }
    g_strfreev(addresses);
    g_free(name);
    kg_ctl_finish(&ctl);
    return code;
}

int kg_ctl_ca_server(int argc, char **argv)
{
    struct kg_ctl ctl = {0};
    char **addresses = NULL;
    const GOptionEntry entries[] = {
        {"address", 'a', 0, G_OPTION_ARG_STRING_ARRAY, &addresses,
         "A name or address at which rooms reach the relay (may be repeated)", "ADDRESS"},
        {0},
    };
    int code = KG_CTL_USAGE;
    if (kg_ctl_options(
            &ctl, argc, argv, "- sign a new certificate for the relay",
            "Replaces the relay's key and certificate, for new addresses or before the old one ends. The\n"
            "running relay takes it over on SIGHUP (systemctl reload kaigi-relay).",
            entries, 0, NULL)) {
        struct kg_problem problem;
        guint count = addresses ? g_strv_length(addresses) : 0;
        struct kg_ca *ca = kg_ca_open(ctl.state, &problem);
        if (ca && kg_ca_renew_relay(ca, ctl.state, (const char *const *)addresses, count,
                                    kg_clock_wall_us() / 1000000, &problem))
            code = report(&ctl, "The relay has a new certificate; reload the relay (SIGHUP) to use it.");
        else
            code = kg_ctl_fail(&ctl, "%s", problem.text);
        kg_ca_close(ca);
    }
    g_strfreev(addresses);
    kg_ctl_finish(&ctl);
    return code;
}
