/* What this device calls itself, so that people can tell it from others that wait to be enrolled. Proves
 * nothing. Thread: the caller's. */
#pragma once

#include "net/est.h"

/* The board's serial number, as the device tree tells it; else 16 hexadecimal digits made of the system's
 * machine-id (which itself is not to be told, machine-id(5)); else "". Printable ASCII. root: "" but for
 * tests. */
void kg_device_serial(const char *root, char serial[KG_EST_SERIAL_SIZE]);
