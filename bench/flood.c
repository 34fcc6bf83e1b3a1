/* Write START and then BYTES bytes of the pattern to standard output, in writes of 64 KiB.
 *
 * usage: flood BYTES
 */
#include <errno.h>
#include <unistd.h>

#include "pattern.h"

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            perror("flood: write");
            exit(1);
        }
        data += written;
        size -= (size_t)written;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: flood BYTES\n");
        return 2;
    }
    unsigned long long bytes = strtoull(argv[1], NULL, 10);
    const char *pattern = pattern_make();
    const char start = START;

    write_all(&start, 1);
    for (unsigned long long done = 0; done < bytes;) {
        size_t size = bytes - done < CHUNK ? (size_t)(bytes - done) : CHUNK;
        write_all(pattern + done % PERIOD, size);
        done += size;
    }
    return 0;
}
