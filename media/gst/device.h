/* What cameras and sound devices tell their user about themselves. */
#pragma once

enum kg_device_event {
    KG_DEVICE_RUNNING, /* opened, or back after it was lost: first data has arrived */
    KG_DEVICE_MISSING, /* could not be opened; it is tried again by itself */
    KG_DEVICE_LOST,    /* was running and failed or vanished; it is tried again by itself */
};

/* Starts GStreamer once for the process; any thread, any number of times. Cameras and audio call it
 * themselves; a program calls it first only to have the start-up cost (tens of ms) where it chooses. */
void kg_gst_init(void);
