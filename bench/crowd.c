/* N interactive viewers in one process: they read, acknowledge and verify nothing, until stdin ends.
 *
 * usage: crowd [-s] HOST PORT TOKEN N WISH
 *
 *   -s    stalled: attach, read the hello, and then never read nor acknowledge
 *   WISH  the JSON of the attach message
 *
 * Prints "ready" when all are attached, and at the end one line of JSON.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "connect.h"

struct viewer {
    int fd;
    struct wire wire;
};

static uint64_t taken;

static void count(void *context, const char *data, size_t size)
{
    (void)context;
    (void)data;
    taken += size;
}

int main(int argc, char **argv)
{
    bool stalled = false;
    for (int letter; (letter = getopt(argc, argv, "s")) != -1;)
        if (letter == 's')
            stalled = true;
        else
            return 2;
    if (argc - optind != 5) {
        fprintf(stderr, "usage: crowd [-s] HOST PORT TOKEN N WISH\n");
        return 2;
    }
    const char *host = argv[optind], *port = argv[optind + 1], *token = argv[optind + 2];
    int wanted = atoi(argv[optind + 3]), closed = 0;
    allow_files();
    struct viewer *viewers = calloc((size_t)wanted, sizeof *viewers);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (viewers == NULL || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        die("crowd");
    for (int index = 0; index < wanted; index++) {
        struct viewer *viewer = &viewers[index];
        viewer->fd = connect_once(host, port, SMALL_BUFFER);
        viewer->wire.framed = true;
        shake_hands(viewer->fd, host, port, token);
        attach(viewer->fd, argv[optind + 4]);
        while (!viewer->wire.hello)
            if (!read_and_ack(viewer->fd, &viewer->wire, count, NULL)) {
                fprintf(stderr, "crowd: closed before it was attached (%d)\n", viewer->wire.closed);
                return 1;
            }
        event.data.ptr = viewer;
        if (!stalled && epoll_ctl(poller, EPOLL_CTL_ADD, viewer->fd, &event) < 0)
            die("epoll");
    }
    puts("ready");
    fflush(stdout);
    for (bool more = true; more;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int index = 0; index < ready; index++) {
            struct viewer *viewer = events[index].data.ptr;
            if (viewer == NULL) {
                char byte;
                more = read(STDIN_FILENO, &byte, 1) > 0;
            } else if (!read_and_ack(viewer->fd, &viewer->wire, count, NULL)) {
                epoll_ctl(poller, EPOLL_CTL_DEL, viewer->fd, NULL);
                closed++;
            }
        }
    }
    printf("{\"bytes\":%llu,\"closed\":%d}\n", (unsigned long long)taken, closed);
    return 0;
}
