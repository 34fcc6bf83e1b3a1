/* Connections to a listener: made, upgraded to ptyd.v1, attached. Failure ends the program. */
#ifndef CONNECT_H
#define CONNECT_H

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { SMALL_BUFFER = 64 << 10 };

static inline void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A thousand connections are more than the soft limit, which is there for select(2). */
static inline void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Write all, also to a peer that is slow: these are a few bytes, seldom more than its buffer. */
static inline void write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EAGAIN) {
            struct pollfd wanted = {.fd = fd, .events = POLLOUT};
            poll(&wanted, 1, 1000);
        } else if (written < 0 && errno != EINTR) {
            return; /* the peer closed; the next read says so */
        } else if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
}

/* Connect; a `buffer` of bytes other than 0 bounds what the kernel reads ahead. */
static inline int connect_once(const char *host, const char *port, int buffer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed) {
        fprintf(stderr, "bench: %s: %s\n", host, gai_strerror(failed));
        exit(1);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Set before the connection, or the window is not bound by it (tcp(7)). */
    if (fd >= 0 && buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
        die("connect");
    freeaddrinfo(found);
    return fd;
}

/* Upgrade to ptyd.v1; byte by byte, so that no frame is read with the reply. */
static inline void shake_hands(int fd, const char *host, const char *port, const char *token)
{
    char text[2048];
    int size = snprintf(text, sizeof text,
                        "GET /ws HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        "Sec-WebSocket-Protocol: ptyd.v1, ptyd.token.%s\r\n\r\n",
                        host, port, token);
    write_all(fd, text, (size_t)size);
    for (size = 0; size < 4 || memcmp(text + size - 4, "\r\n\r\n", 4) != 0; size++)
        if (size == sizeof text - 1 || recv(fd, text + size, 1, 0) != 1)
            die("handshake");
    if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "bench: refused: %.*s\n", (int)strcspn(text, "\r"), text);
        exit(1);
    }
}

/* Send the attach message: `wish` is its JSON, at most 124 bytes. */
static inline void attach(int fd, const char *wish)
{
    char message[CONTROL + 1];
    unsigned char frame[160];
    int size = snprintf(message, sizeof message, "\x10%s", wish);
    if (size > CONTROL) {
        fprintf(stderr, "bench: the attach message is too long\n");
        exit(2);
    }
    write_all(fd, frame, frame_small(frame, message, (size_t)size));
}

/* Read once, give what came to `output`, answer pings and acknowledge; false: nothing will come. */
static inline bool read_and_ack(int fd, struct wire *wire, on_output *output, void *context)
{
    static char chunk[64 << 10];
    unsigned char frame[32];
    uint64_t before = wire->offset;
    ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    receive(wire, chunk, (size_t)got, output, context);
    if (wire->pong_size > 0) {
        write_all(fd, wire->pong, wire->pong_size);
        wire->pong_size = 0;
    }
    if (wire->offset != before)
        write_all(fd, frame, frame_ack(frame, wire->offset));
    return !wire->closed;
}

#endif
