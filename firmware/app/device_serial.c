#include "app/device_serial.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MACHINE_ID_DIGITS = 32 };

/* The first line, without what is not printable; its length. */
static size_t read_line(const char *root, const char *name, char *line, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, line, size - 1);
    close(fd);
    size_t used = 0;
    for (ssize_t i = 0; i < got && line[i] != '\n' && line[i] != '\0'; i++) {
        if (line[i] > ' ' && line[i] < 0x7f)
            line[used++] = line[i];
    }
    line[used] = '\0';
    return used;
}

void kg_device_serial(const char *root, char serial[KG_EST_SERIAL_SIZE])
{
    static const char purpose[] = "kaigi device ";
    char id[64], text[sizeof purpose + sizeof id];
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (read_line(root, "proc/device-tree/serial-number", serial, KG_EST_SERIAL_SIZE) > 0)
        return;
    serial[0] = '\0';
    if (read_line(root, "etc/machine-id", id, sizeof id) != MACHINE_ID_DIGITS)
        return;
    int size = snprintf(text, sizeof text, "%s%s", purpose, id);
    if (EVP_Digest(text, (size_t)size, digest, NULL, EVP_sha256(), NULL) != 1)
        return;
    for (size_t i = 0; i < 8; i++)
        snprintf(serial + 2 * i, 3, "%02X", digest[i]);
}
