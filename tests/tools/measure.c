/* kaigi-measure: makes what two rooms show and say recognisable, touches their screens, and reports what
 * arrived. */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/finger.h"
#include "tools/mark.h"
#include "tools/report.h"
#include "tools/usage.h"
#include "tools/voice.h"

static const char usage_text[] =
    "kaigi-measure clip SOURCE|test|still:SOURCE OUT.y4m WIDTH HEIGHT FPS FRAMES   a marked clip\n"
    "kaigi-measure voice SPEECH|test|silence up|down SECONDS OUT.wav               a voice with chirps\n"
    "kaigi-measure wait DIR TARGET MS                                              until a target is drawn\n"
    "kaigi-measure touch DIR TARGET MS                                             prints when, in "
    "microseconds\n"
    "kaigi-measure screenshot DIR OUT.png\n"
    "kaigi-measure usage PID OUT.json                                              CPU and memory so far\n"
    "kaigi-measure report OUT.json SECONDS EARLY.json STATUS.json RELAY_IDLE RELAY_BEFORE "
    "RELAY_AFTER\n"
    "              NAME DIR CLIP up|down TOUCHED_US BEFORE AFTER   (this line twice)\n";

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

static enum kg_chirp chirp_of(const char *text)
{
    return strcmp(text, "down") == 0 ? KG_CHIRP_DOWN : KG_CHIRP_UP;
}

static bool run_clip(char **a)
{
    bool still = strncmp(a[0], "still:", 6) == 0;
    struct kg_mark_clip clip = {.source = still ? a[0] + 6 : a[0],
                                .out = a[1],
                                .width = number(a[2]),
                                .height = number(a[3]),
                                .fps = number(a[4]),
                                .frames = number(a[5]),
                                .still = still};
    return kg_mark_write(&clip);
}

static bool run_voice(char **a)
{
    return kg_voice_write(a[0], chirp_of(a[1]), number(a[2]), a[3]);
}

static bool run_wait(char **a)
{
    return kg_finger_wait(a[0], a[1], number(a[2]));
}

static bool run_touch(char **a)
{
    int64_t touched_us;
    bool ok = kg_finger_touch(a[0], a[1], number(a[2]), &touched_us);
    if (ok)
        printf("%lld\n", (long long)touched_us);
    return ok;
}

static bool run_screenshot(char **a)
{
    return kg_finger_screenshot(a[0], a[1]);
}

static bool run_usage(char **a)
{
    struct kg_usage u;
    FILE *f = kg_usage_read((pid_t)number(a[0]), &u) ? fopen(a[1], "w") : NULL;
    if (!f)
        return false;
    fprintf(f,
            "{\"at_s\": %.3f, \"cpu_s\": %.2f, \"cpu_main_s\": %.2f, \"rss_kb\": %ld, \"pss_kb\": %ld, "
            "\"rss_peak_kb\": %ld}\n",
            u.at_s, u.cpu_s, u.cpu_main_s, u.rss_kb, u.pss_kb, u.rss_peak_kb);
    return fclose(f) == 0;
}

static bool run_report(char **a)
{
    struct kg_report report = {.out = a[0],
                               .seconds = strtod(a[1], NULL),
                               .early = a[2],
                               .status = a[3],
                               .relay_idle = a[4],
                               .relay_before = a[5],
                               .relay_after = a[6]};
    for (int i = 0; i < 2; i++) {
        char **r = a + 7 + (ptrdiff_t)7 * i;
        report.room[i] =
            (struct kg_report_room){r[0], r[1], r[2], chirp_of(r[3]), strtoll(r[4], NULL, 10), r[5], r[6]};
    }
    return kg_report_write(&report);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        bool (*run)(char **);
    } verbs[] = {
        {"clip", 6, run_clip},      {"voice", 4, run_voice},           {"wait", 3, run_wait},
        {"touch", 3, run_touch},    {"screenshot", 2, run_screenshot}, {"usage", 2, run_usage},
        {"report", 21, run_report},
    };
    gst_init(NULL, NULL);
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0 && argc == verbs[i].arguments + 2)
            return verbs[i].run(argv + 2) ? 0 : 1;
    }
    fputs(usage_text, stderr);
    return 2;
}
