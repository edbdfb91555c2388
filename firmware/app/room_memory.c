#include "app/room_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/state_file.h"
#include "base/log.h"

static const char file_name[] = "room";
enum { MAX_BYTES = 3 * KG_ROOM_NAME_SIZE + 4 };

static void take_line(char **text, char *field)
{
    char *line = strsep(text, "\n");
    kg_room_text_set(field, KG_ROOM_NAME_SIZE, line ? line : "");
}

void kg_room_memory_load(const char *folder, struct kg_room_name *name)
{
    char *text = NULL;
    size_t size;
    memset(name, 0, sizeof *name);
    if (kg_state_file_read(folder, file_name, MAX_BYTES, &text, &size) != KG_STATE_FILE_OK)
        return;
    char *rest = text;
    take_line(&rest, name->organization);
    take_line(&rest, name->department);
    take_line(&rest, name->name);
    free(text);
}

void kg_room_memory_keep(const char *folder, const struct kg_room_name *name, struct kg_room_name *known)
{
    if (name->name[0] == '\0' || memcmp(name, known, sizeof *name) == 0)
        return;
    char text[MAX_BYTES];
    int size = snprintf(text, sizeof text, "%s\n%s\n%s\n", name->organization, name->department, name->name);
    *known = *name;
    if (!kg_state_file_write(folder, file_name, text, (size_t)size))
        kg_log(KG_LOG_WARN, "app", NULL, "the room's name is not kept for the next start");
}
