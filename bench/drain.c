/* Receive a flood on N connections at once, verify every byte, and say how long it took.
 *
 * usage: drain [-p] [-t TOKEN] [-r RATE] [-s STALLED] [-w] HOST PORT N BYTES
 *
 *   -p  speak ptyd.v1, lossless from the start; else raw
 *   -t  the token, with -p
 *   -r  read at most RATE bytes a second on each connection
 *   -s  STALLED connections more that attach and then never read
 *   -w  raw: count a connection as attached when its first bytes are there (the replay)
 *
 * Prints "ready" when all are attached; after the last byte one line of JSON. The seconds are from the
 * first byte of any connection to the last of all. A stream is described in pattern.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>

#include "connect.h"
#include "pattern.h"
#include "wire.h"

struct viewer {
    int fd;
    bool started, done, resting;
    uint64_t verified, errors, received, acked;
    struct wire wire;
};

static struct {
    const char *host, *port, *token;
    bool framed, await_bytes;
    double rate;
    int viewers, stalled;
    uint64_t bytes;
} option = {.token = ""};
static const char *pattern;
static double first_byte;

static void verify(void *context, const char *data, size_t size)
{
    struct viewer *viewer = context;
    if (!viewer->started) {
        const char *start = memchr(data, START, size);
        if (start == NULL)
            return;
        viewer->started = true;
        size -= (size_t)(start + 1 - data);
        data = start + 1;
        if (first_byte == 0)
            first_byte = now();
    }
    while (size > 0) {
        size_t run = size < CHUNK ? size : CHUNK;
        viewer->errors += memcmp(data, pattern + viewer->verified % PERIOD, run) != 0;
        viewer->verified += run;
        data += run;
        size -= run;
    }
}

static void answer(struct viewer *viewer)
{
    unsigned char frame[32];
    if (viewer->wire.pong_size > 0) {
        write_all(viewer->fd, viewer->wire.pong, viewer->wire.pong_size);
        viewer->wire.pong_size = 0;
    }
    if (option.framed && viewer->wire.offset > viewer->acked) {
        viewer->acked = viewer->wire.offset;
        write_all(viewer->fd, frame, frame_ack(frame, viewer->acked));
    }
}

/* Read once, at most `limit` bytes; return false when nothing more will come. */
static bool read_once(struct viewer *viewer, size_t limit)
{
    static char chunk[CHUNK];
    ssize_t got = recv(viewer->fd, chunk, limit < CHUNK ? limit : CHUNK, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    viewer->received += (uint64_t)got;
    receive(&viewer->wire, chunk, (size_t)got, verify, viewer);
    answer(viewer);
    return !viewer->wire.closed;
}

static void open_viewer(struct viewer *viewer)
{
    /* Without it the kernel would read ahead megabytes for a viewer that we want to be slow. */
    viewer->fd = connect_once(option.host, option.port, option.rate > 0 ? SMALL_BUFFER : 0);
    viewer->wire.framed = option.framed;
    if (option.framed) {
        shake_hands(viewer->fd, option.host, option.port, option.token);
        attach(viewer->fd, "{\"from\":\"start\",\"role\":\"view\",\"lossless\":true}");
    }
    while (option.framed ? !viewer->wire.hello : option.await_bytes && viewer->received == 0)
        if (!read_once(viewer, CHUNK)) {
            fprintf(stderr, "drain: closed before it was attached (%d)\n", viewer->wire.closed);
            exit(1);
        }
}

/* Bytes that a viewer may read now; its rate counts from the first byte of all. */
static size_t allowance(const struct viewer *viewer)
{
    if (option.rate <= 0 || first_byte == 0)
        return CHUNK;
    double allowed = option.rate * (now() - first_byte) - (double)viewer->received;
    return allowed < 1 ? 0 : allowed < CHUNK ? (size_t)allowed : CHUNK;
}

static void drain(struct viewer *viewers)
{
    struct epoll_event event = {0}, events[64];
    int poller = epoll_create1(EPOLL_CLOEXEC), left = option.viewers;
    for (int index = 0; index < option.viewers; index++) {
        event.events = EPOLLIN;
        event.data.ptr = &viewers[index];
        if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, viewers[index].fd, &event) < 0)
            die("epoll");
    }
    while (left > 0) {
        int ready = epoll_wait(poller, events, 64, option.rate > 0 ? 5 : -1);
        for (int index = 0; index < ready; index++) {
            struct viewer *viewer = events[index].data.ptr;
            size_t allowed = allowance(viewer);
            viewer->resting = allowed == 0;
            if (viewer->resting) {
                event.events = 0;
                event.data.ptr = viewer;
                epoll_ctl(poller, EPOLL_CTL_MOD, viewer->fd, &event);
                continue;
            }
            bool more = read_once(viewer, allowed);
            if (!more || viewer->verified >= option.bytes) {
                viewer->done = true;
                epoll_ctl(poller, EPOLL_CTL_DEL, viewer->fd, NULL);
                left--;
            }
        }
        for (int index = 0; index < option.viewers && option.rate > 0; index++)
            if (viewers[index].resting && !viewers[index].done && allowance(&viewers[index])) {
                viewers[index].resting = false;
                event.events = EPOLLIN;
                event.data.ptr = &viewers[index];
                epoll_ctl(poller, EPOLL_CTL_MOD, viewers[index].fd, &event);
            }
    }
    close(poller);
}

int main(int argc, char **argv)
{
    for (int letter; (letter = getopt(argc, argv, "pt:r:s:w")) != -1;)
        switch (letter) {
        case 'p': option.framed = true; break;
        case 't': option.token = optarg; break;
        case 'r': option.rate = atof(optarg); break;
        case 's': option.stalled = atoi(optarg); break;
        case 'w': option.await_bytes = true; break;
        default: return 2;
        }
    if (argc - optind != 4) {
        fprintf(stderr, "usage: drain [-pw] [-t TOKEN] [-r RATE] [-s STALLED] HOST PORT N BYTES\n");
        return 2;
    }
    option.host = argv[optind];
    option.port = argv[optind + 1];
    option.viewers = atoi(argv[optind + 2]);
    option.bytes = strtoull(argv[optind + 3], NULL, 10);
    pattern = pattern_make();

    struct viewer *viewers = calloc((size_t)(option.viewers + option.stalled), sizeof *viewers);
    if (viewers == NULL)
        die("calloc");
    for (int index = 0; index < option.viewers + option.stalled; index++)
        open_viewer(&viewers[index]);
    puts("ready");
    fflush(stdout);
    drain(viewers);

    double seconds = first_byte > 0 ? now() - first_byte : 0;
    uint64_t bytes = 0, errors = 0, gaps = 0, missing = 0;
    int closed = 0;
    for (int index = 0; index < option.viewers; index++) {
        const struct viewer *viewer = &viewers[index];
        bytes += viewer->verified;
        errors += viewer->errors;
        gaps += viewer->wire.gap;
        missing += viewer->verified < option.bytes ? option.bytes - viewer->verified : 0;
        closed = viewer->wire.closed ? viewer->wire.closed : closed;
    }
    printf("{\"seconds\":%.6f,\"bytes\":%llu,\"errors\":%llu,\"gaps\":%llu,\"missing\":%llu,"
           "\"closed\":%d}\n",
           seconds, (unsigned long long)bytes, (unsigned long long)errors,
           (unsigned long long)gaps, (unsigned long long)missing, closed);
    return errors || gaps || missing;
}
