/* Type keys one by one and time the echo of each.
 *
 * usage: typist HOST PORT TOKEN KEYS PAUSE_MS
 *
 * The program must be in raw mode and give back what it reads. A key is typed PAUSE_MS after the one
 * before it, or when that one's echo has come, if that is later. Prints one line of JSON: the
 * milliseconds of each key.
 */
#define _GNU_SOURCE
#include "connect.h"

static uint64_t echoed;

static void count(void *context, const char *data, size_t size)
{
    (void)context;
    (void)data;
    echoed += size;
}

static void type(int fd, uint64_t position)
{
    unsigned char message[10] = {17}, frame[32];
    message[9] = (unsigned char)('a' + position % 26);
    position = htobe64(position);
    memcpy(message + 1, &position, 8);
    write_all(fd, frame, frame_small(frame, message, sizeof message));
}

/* Read for the milliseconds until `until`, or to the echo of all `wanted` keys. */
static void read_on(int fd, struct wire *wire, double until, uint64_t wanted)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    for (double left; echoed < wanted && (left = until - now()) > 0;) {
        struct timespec patience = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        if (ppoll(&poller, 1, &patience, NULL) > 0 && !read_and_ack(fd, wire, count, NULL)) {
            fprintf(stderr, "typist: the server closed the connection\n");
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: typist HOST PORT TOKEN KEYS PAUSE_MS\n");
        return 2;
    }
    uint64_t keys = strtoull(argv[4], NULL, 10);
    double pause = atof(argv[5]) / 1000;
    struct wire wire = {.framed = true};
    int fd = connect_once(argv[1], argv[2], 0);
    shake_hands(fd, argv[1], argv[2], argv[3]);
    attach(fd, "{\"from\":\"end\"}");
    while (!wire.hello)
        if (!read_and_ack(fd, &wire, count, NULL))
            die("attach");
    putchar('[');
    for (uint64_t key = 0; key < keys; key++) {
        double typed = now();
        type(fd, key);
        read_on(fd, &wire, typed + 10, key + 1);
        if (echoed != key + 1) {
            fprintf(stderr, "typist: key %llu was echoed as %llu bytes\n", (unsigned long long)key + 1,
                    (unsigned long long)echoed);
            return 1;
        }
        printf("%s%.3f", key ? "," : "", (now() - typed) * 1000);
        read_on(fd, &wire, typed + pause, UINT64_MAX);
    }
    puts("]");
    return 0;
}
