#include "app/privacy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/state_file.h"
#include "base/log.h"

static const char file_name[] = "privacy";
static const char format[] = "kaigi-privacy 1\nmicrophone %s\ncamera %s\n";
enum { MAX_BYTES = 100 };

static void write_text(const struct kg_privacy *privacy, char text[MAX_BYTES])
{
    snprintf(text, MAX_BYTES, format, privacy->microphone_off ? "off" : "on",
             privacy->camera_off ? "off" : "on");
}

/* Only the exact bytes that save writes count. */
static bool parse(const char *text, struct kg_privacy *privacy)
{
    for (unsigned i = 0; i < 4; i++) {
        struct kg_privacy candidate = {.microphone_off = i & 1, .camera_off = i & 2};
        char expected[MAX_BYTES];
        write_text(&candidate, expected);
        if (strcmp(text, expected) == 0) {
            *privacy = candidate;
            return true;
        }
    }
    return false;
}

struct kg_privacy kg_privacy_load(const char *folder)
{
    struct kg_privacy privacy = {.microphone_off = true, .camera_off = true};
    char *text = NULL;
    size_t size;
    switch (kg_state_file_read(folder, file_name, MAX_BYTES, &text, &size)) {
    case KG_STATE_FILE_ABSENT:
        return (struct kg_privacy){0};
    case KG_STATE_FILE_OK:
        if (!parse(text, &privacy))
            kg_log(KG_LOG_WARN, "app", "app.privacy-unreadable",
                   "%s/%s is damaged: microphone and camera start switched off", folder, file_name);
        break;
    case KG_STATE_FILE_FAILED:
        break;
    }
    free(text);
    return privacy;
}

bool kg_privacy_save(const char *folder, const struct kg_privacy *privacy)
{
    char text[MAX_BYTES];
    write_text(privacy, text);
    if (kg_state_file_write(folder, file_name, text, strlen(text)))
        return true;
    if (privacy->microphone_off || privacy->camera_off)
        kg_state_file_spoil(folder, file_name);
    return false;
}
