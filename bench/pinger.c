/* Time how long the server's event loop leaves a ping unanswered.
 *
 * usage: pinger HOST PORT TOKEN SERVER_PID SECONDS
 *
 * The client is hidden, so it is sent no output. A ping (RFC 6455 section 5.5.2) goes out every 5 ms,
 * or when the answer has come, if that is later. Prints one line of JSON: lists of milliseconds,
 * "raw", and "net" without the time in which the kernel had another process on the server's
 * processor or on ours (the second number of /proc/PID/schedstat: ran not, but could have).
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "connect.h"

enum { PERIOD_US = 5000, MOST = 1 << 16 };

static double raw_ms[MOST], net_ms[MOST];

static double waited(int fd)
{
    char text[128] = {0};
    unsigned long long ran, delayed = 0;
    if (pread(fd, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%llu %llu", &ran, &delayed) != 2)
        die("schedstat");
    return (double)delayed / 1e9;
}

static void ignore(void *context, const char *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
}

static void print(const char *name, const double *values, int count)
{
    printf("\"%s\":[", name);
    for (int index = 0; index < count; index++)
        printf("%s%.3f", index ? "," : "", values[index]);
    putchar(']');
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: pinger HOST PORT TOKEN SERVER_PID SECONDS\n");
        return 2;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/schedstat", argv[4]);
    int server = open(path, O_RDONLY | O_CLOEXEC), own = open("/proc/self/schedstat", O_RDONLY);
    if (server < 0 || own < 0)
        die(path);
    struct wire wire = {.framed = true};
    int fd = connect_once(argv[1], argv[2], 0), count = 0;
    shake_hands(fd, argv[1], argv[2], argv[3]);
    attach(fd, "{\"from\":\"end\",\"role\":\"view\",\"hidden\":true}");
    while (!wire.hello)
        if (!read_and_ack(fd, &wire, ignore, NULL))
            die("attach");
    double end = now() + atof(argv[5]);
    const unsigned char ping[6] = {0x80 | OPCODE_PING, 0x80};
    while (now() < end && count < MOST) {
        double delayed = waited(server) + waited(own), sent = now();
        write_all(fd, ping, sizeof ping);
        for (wire.ponged = false; !wire.ponged;)
            if (!read_and_ack(fd, &wire, ignore, NULL))
                die("read");
        double took = now() - sent;
        raw_ms[count] = took * 1000;
        took -= waited(server) + waited(own) - delayed;
        net_ms[count++] = took > 0 ? took * 1000 : 0;
        double rest = sent + PERIOD_US / 1e6 - now();
        if (rest > 0)
            usleep((useconds_t)(rest * 1e6));
    }
    putchar('{');
    print("raw", raw_ms, count);
    putchar(',');
    print("net", net_ms, count);
    puts("}");
    return 0;
}
