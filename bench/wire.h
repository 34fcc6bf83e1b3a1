/* The parts of the two dialects that a receiver needs: framing in, acknowledgements out.
 *
 * `receive` takes what one read returned and calls `on_output` for each run of journal bytes.
 * ARCHITECTURE.md has the messages, RFC 6455 section 5.2 the frames. A server's frames are not masked;
 * ours carry the mask 0, which is allowed and costs nothing.
 */
#ifndef WIRE_H
#define WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };
enum { KIND_OUTPUT = 1, KIND_SNAPSHOT = 2, KIND_EVENT = 3, KIND_STDERR = 5, KIND_ACK = 19 };
enum { HEAD = 10 + 13, CONTROL = 125 };

struct wire {
    bool framed;                 /* ptyd.v1; else raw */
    bool hello;                  /* the answer to attach has come; raw: always */
    bool ponged;                 /* our ping was answered */
    bool gap;                    /* the stream jumped: a snapshot, or bytes that were dropped */
    int closed;                  /* close code of the peer; 0: none */
    uint64_t offset;             /* journal offset after the last byte taken */
    uint64_t left;               /* bytes of the present frame's payload to come */
    int kind;                    /* of the present message; 0: to be skipped */
    unsigned char head[HEAD + CONTROL]; /* a head, or a whole control frame, that came in pieces */
    size_t held;
    unsigned char pong[6 + CONTROL]; /* an answer to be sent */
    size_t pong_size;
};

typedef void on_output(void *context, const char *data, size_t size);

/* Return how many bytes `head` needs to be complete, given those that it holds. */
static inline size_t head_wanted(const unsigned char *head, size_t held)
{
    if (held < 2)
        return 2;
    size_t size = (head[1] & 127) == 127 ? 10 : (head[1] & 127) == 126 ? 4 : 2;
    if (head[0] & 8)
        return size + (head[1] & 127);
    if (held < size)
        return size;
    uint64_t length = (head[1] & 127) < 126   ? head[1] & 127u
                      : (head[1] & 127) == 126 ? (uint64_t)(head[2] << 8 | head[3])
                                               : UINT64_MAX;
    if (length == 0 || held < size + 1)
        return size + (length > 0);
    int kind = head[size];
    size_t fixed = kind == KIND_OUTPUT || kind == KIND_STDERR ? 9 : kind == KIND_SNAPSHOT ? 13 : 1;
    return size + (fixed < length ? fixed : (size_t)length);
}

/* Act on a complete head: a control frame, or the start of a message. */
static inline void head_taken(struct wire *wire)
{
    const unsigned char *head = wire->head;
    uint64_t length = head[1] & 127, end = 0;
    size_t size = 2;
    if (length == 126) {
        length = (uint64_t)(head[2] << 8 | head[3]);
        size = 4;
    } else if (length == 127) {
        memcpy(&length, head + 2, 8);
        length = be64toh(length);
        size = 10;
    }
    if ((head[0] & 15) == OPCODE_PING) {
        const unsigned char start[6] = {0x80 | OPCODE_PONG, (unsigned char)(0x80 | length)};
        memcpy(wire->pong, start, sizeof start);
        memcpy(wire->pong + sizeof start, head + size, length);
        wire->pong_size = sizeof start + length;
    } else if ((head[0] & 15) == OPCODE_PONG) {
        wire->ponged = true;
    } else if ((head[0] & 15) == OPCODE_CLOSE) {
        wire->closed = length >= 2 ? head[size] << 8 | head[size + 1] : 1005;
    } else if (!(head[0] & 8)) {
        wire->left = length - (wire->held - size);
        wire->kind = 0;
        int kind = length > 0 ? head[size] : 0;
        wire->hello = wire->hello || kind == KIND_EVENT;
        if (wire->held - size >= 9) {
            memcpy(&end, head + size + 1, 8);
            end = be64toh(end);
            wire->kind = kind == KIND_SNAPSHOT ? 0 : kind;
            uint64_t start = kind == KIND_SNAPSHOT ? end : end - wire->left;
            wire->gap = wire->gap || start != wire->offset;
            wire->offset = start;
        }
    }
    wire->held = 0;
}

static inline void receive(struct wire *wire, const char *data, size_t size, on_output *output, void *context)
{
    if (!wire->framed) {
        wire->offset += size;
        output(context, data, size);
        return;
    }
    while (size > 0 && !wire->closed) {
        if (wire->left > 0) {
            size_t run = size < wire->left ? size : (size_t)wire->left;
            if (wire->kind) {
                output(context, data, run);
                wire->offset += run;
            }
            wire->left -= run;
            data += run;
            size -= run;
            continue;
        }
        size_t wanted = head_wanted(wire->head, wire->held);
        if (wire->held < wanted) {
            wire->head[wire->held++] = (unsigned char)*data++;
            size--;
        }
        if (wire->held >= 2 && wire->held == head_wanted(wire->head, wire->held))
            head_taken(wire);
    }
}

/* Write a masked binary frame into `frame`; return its size. At most 125 bytes of payload. */
static inline size_t frame_small(unsigned char *frame, const void *payload, size_t size)
{
    const unsigned char head[6] = {0x80 | OPCODE_BINARY, (unsigned char)(0x80 | size)};
    memcpy(frame, head, sizeof head);
    memcpy(frame + sizeof head, payload, size);
    return sizeof head + size;
}

static inline size_t frame_ack(unsigned char *frame, uint64_t offset)
{
    unsigned char ack[9] = {KIND_ACK};
    offset = htobe64(offset);
    memcpy(ack + 1, &offset, 8);
    return frame_small(frame, ack, sizeof ack);
}

#endif
