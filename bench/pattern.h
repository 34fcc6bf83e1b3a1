/* Bytes of which a receiver can verify every one, at memcmp's speed.
 *
 * A stream is anything (a shell's preamble), one START, then lines of 64 bytes that are numbered up to
 * a prime and then begin again. A loss shifts everything behind it; the only one that would not is of
 * whole periods, and the byte count finds that. All is printable, so no terminal minds.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    START = 0x02, /* STX: shells do not print it and terminals ignore it */
    LINE = 64,
    LINES = 16381, /* prime: no power of two is a multiple of the period */
    PERIOD = LINE * LINES,
    CHUNK = 64 << 10,
};

/* Return the pattern with CHUNK bytes of its next turn behind it: CHUNK bytes from any place. */
static char *pattern_make(void)
{
    char *pattern = malloc(PERIOD + CHUNK + 1);
    if (pattern == NULL) {
        perror("malloc");
        exit(1);
    }
    for (int line = 0; line < LINES; line++)
        snprintf(pattern + line * LINE, LINE + 1, "%08d %.54s\n", line,
                 "The quick brown fox jumps over the lazy dog, again again.");
    memcpy(pattern + PERIOD, pattern, CHUNK);
    return pattern;
}

#endif
