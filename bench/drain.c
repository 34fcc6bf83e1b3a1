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
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

static void die(const char *what)
{
    fprintf(stderr, "drain: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

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

/* Write all, also to a peer that is slow: these are a few bytes, seldom more than its buffer. */
static void write_all(struct viewer *viewer, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t written = send(viewer->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EAGAIN) {
            struct pollfd wanted = {.fd = viewer->fd, .events = POLLOUT};
            poll(&wanted, 1, 1000);
        } else if (written < 0 && errno != EINTR) {
            return; /* the peer closed; the next read says so */
        } else if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
}

static void answer(struct viewer *viewer)
{
    unsigned char frame[32];
    if (viewer->wire.pong_size > 0) {
        write_all(viewer, viewer->wire.pong, viewer->wire.pong_size);
        viewer->wire.pong_size = 0;
    }
    if (option.framed && viewer->wire.offset > viewer->acked) {
        viewer->acked = viewer->wire.offset;
        write_all(viewer, frame, frame_ack(frame, viewer->acked));
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

static int connect_once(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int failed = getaddrinfo(option.host, option.port, &hints, &found);
    if (failed) {
        fprintf(stderr, "drain: %s: %s\n", option.host, gai_strerror(failed));
        exit(1);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Set before the connection, or the window is not bound by it (tcp(7)). Without it the kernel
     * would read ahead megabytes for a viewer that we want to be slow. */
    int buffer = 64 << 10;
    if (fd >= 0 && option.rate > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
        die("connect");
    freeaddrinfo(found);
    return fd;
}

/* The handshake and the attach of ptyd.v1; byte by byte, so that no frame is read with the reply. */
static void attach(struct viewer *viewer)
{
    static const char attach_message[] =
        "\x10{\"from\":\"start\",\"role\":\"view\",\"lossless\":true}";
    char text[2048];
    unsigned char frame[160];
    int size = snprintf(text, sizeof text,
                        "GET /ws HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        "Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.%s\r\n\r\n",
                        option.host, option.port, option.token);
    write_all(viewer, text, (size_t)size);
    for (size = 0; size < 4 || memcmp(text + size - 4, "\r\n\r\n", 4) != 0; size++)
        if (size == sizeof text - 1 || recv(viewer->fd, text + size, 1, 0) != 1)
            die("handshake");
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "drain: refused: %.*s\n", (int)strcspn(text, "\r"), text);
        exit(1);
    }
    write_all(viewer, frame, frame_small(frame, attach_message, sizeof attach_message - 1));
}

static void open_viewer(struct viewer *viewer)
{
    viewer->fd = connect_once();
    viewer->wire.framed = option.framed;
    if (option.framed)
        attach(viewer);
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
