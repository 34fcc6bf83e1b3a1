/* Write lines of coloured words, as a log or a listing has them, to standard output.
 *
 * usage: paint BYTES      at least so many bytes, in whole lines of 80 columns
 *        paint -f         one screen of 24 lines, and no line end behind the last
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 80, ROWS = 24 };

/* Write one line of words, each in one of 15 colours, every eighth of them bold. */
static int paint_line(char *line, unsigned *seed)
{
    char *at = line;
    for (int column = 0; column < COLUMNS;) {
        *seed = *seed * 1103515245u + 12345u;
        unsigned random = *seed >> 16;
        int word = 3 + (int)(random % 9), left = COLUMNS - column;
        word = word < left ? word : left;
        const char *bold = random / 16 % 8 ? "" : "1;";
        at += sprintf(at, "\033[%s%um", bold, (random & 1 ? 30 : 90) + 1 + random / 2 % 7);
        for (int index = 0; index < word - 1; index++)
            *at++ = (char)('a' + (random + (unsigned)index * 7) % 26);
        at += sprintf(at, "\033[m%c", word == left ? '.' : ' ');
        column += word;
    }
    return (int)(at - line);
}

int main(int argc, char **argv)
{
    bool fill = argc == 2 && strcmp(argv[1], "-f") == 0;
    if (argc != 2) {
        fprintf(stderr, "usage: paint -f | paint BYTES\n");
        return 2;
    }
    unsigned long long bytes = strtoull(argv[1], NULL, 10), done = 0;
    char line[COLUMNS * 16];
    unsigned seed = 1;
    for (int row = 0; fill ? row < ROWS : done < bytes; row++) {
        int size = paint_line(line, &seed);
        done += fwrite(line, 1, (size_t)size, stdout);
        if (!fill || row < ROWS - 1)
            done += fwrite("\r\n", 1, 2, stdout);
    }
    return fflush(stdout) != 0;
}
