/* The ceiling: the least work that brings a program's terminal to N viewers.
 *
 * Opens a terminal in raw mode, waits for N connections, starts CMD on the terminal, and copies what
 * it prints to every connection with blocking writes, gathered to at most 64 KiB. No journal, no
 * protocol, no slow reader is spared: what ptyd does is measured against this.
 *
 *   -j FILE  keep a journal as ptyd does, by splice(2) through a pipe: what that alone costs
 *
 * usage: ceiling [-j FILE] PORT N CMD [ARG...]       prints "listening" once it does
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { CHUNK = 64 << 10 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        die("ceiling: listen");
    return fd;
}

static int start(char **command, pid_t *pid)
{
    struct termios raw = {0};
    cfmakeraw(&raw);
    raw.c_cflag |= CREAD;
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int pty_fd;
    *pid = forkpty(&pty_fd, NULL, &raw, &size);
    if (*pid < 0)
        die("ceiling: forkpty");
    if (*pid == 0) {
        execvp(command[0], command);
        perror("ceiling: exec");
        _exit(127);
    }
    if (fcntl(pty_fd, F_SETFL, O_NONBLOCK) < 0)
        die("ceiling: fcntl");
    return pty_fd;
}

static struct {
    int file, pipe[2];
    loff_t end;
} journal = {.file = -1};

static void open_journal(const char *path)
{
    journal.file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (journal.file < 0 || pipe2(journal.pipe, O_CLOEXEC) < 0)
        die("ceiling: journal");
}

static ssize_t read_some(int pty_fd, char *chunk, size_t size)
{
    if (journal.file < 0)
        return read(pty_fd, chunk, size);
    return splice(pty_fd, NULL, journal.pipe[1], NULL, size, SPLICE_F_NONBLOCK);
}

/* Move what was gathered from the pipe to the file, and read it from there. */
static void keep(char *chunk, size_t size)
{
    loff_t start = journal.end;
    for (size_t left = size; left > 0;) {
        ssize_t moved = splice(journal.pipe[0], NULL, journal.file, &journal.end, left, 0);
        if (moved <= 0)
            die("ceiling: splice");
        left -= (size_t)moved;
    }
    if (pread(journal.file, chunk, size, start) != (ssize_t)size)
        die("ceiling: pread");
}

/* Read until it would block or 64 KiB are there; 0 is the end (EIO: the last tty_fd was closed). */
static size_t gather(int pty_fd, char *chunk)
{
    size_t size = 0;
    while (size < CHUNK) {
        ssize_t got = read_some(pty_fd, chunk + size, CHUNK - size);
        if (got > 0) {
            size += (size_t)got;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN && size == 0) {
            struct pollfd wanted = {.fd = pty_fd, .events = POLLIN};
            poll(&wanted, 1, -1);
            continue;
        }
        break;
    }
    if (journal.file >= 0)
        keep(chunk, size);
    return size;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "-j") == 0) {
        open_journal(argv[2]);
        argv += 2;
        argc -= 2;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: ceiling [-j FILE] PORT N CMD [ARG...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int viewers = atoi(argv[2]);
    int listener = listen_on(atoi(argv[1]));
    int *viewer = calloc((size_t)viewers, sizeof *viewer);
    char *chunk = malloc(CHUNK);
    if (viewer == NULL || chunk == NULL)
        die("ceiling: malloc");
    puts("listening");
    fflush(stdout);
    for (int index = 0; index < viewers; index++)
        if ((viewer[index] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
            die("ceiling: accept");

    pid_t pid;
    int pty_fd = start(argv + 3, &pid);
    for (size_t size; (size = gather(pty_fd, chunk)) > 0;)
        for (int index = 0; index < viewers; index++)
            for (size_t done = 0; done < size;) {
                ssize_t written = write(viewer[index], chunk + done, size - done);
                if (written < 0 && errno != EINTR)
                    die("ceiling: write");
                done += written > 0 ? (size_t)written : 0;
            }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
