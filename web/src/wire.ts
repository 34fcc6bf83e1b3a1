/**
 * The messages of ptyd.v1, as ARCHITECTURE.md has them: binary, big-endian, the first byte the kind.
 *
 * Offsets and positions are bytes. A u64 is held in a number, exact up to 2^53: 9 PB of output.
 */

export const SUBPROTOCOL = "ptyd.v1";
export const TOKEN_PREFIX = "ptyd.token.";

const OUTPUT = 1;
const SNAPSHOT = 2;
const EVENT = 3;
const INPUT_ACK = 4;
const STDERR = 5;
const ATTACH = 16;
const INPUT = 17;
const RESIZE = 18;
const ACK = 19;
const SIGNAL = 20;
const STDIN_EOF = 21;
const VISIBLE = 22;
const REQUEST = 23;

export const CLOSE_NORMAL = 1000;
export const CLOSE_GOING_AWAY = 1001;
/** No close frame came: what a browser calls a connection that broke (RFC 6455 section 7.1.5). */
export const CLOSE_BROKEN = 1006;
export const CLOSE_EXITED = 4000;
export const CLOSE_VIOLATION = 4002;
export const CLOSE_TIMEOUT = 4005;

/** Rows come first, in the kernel and on the wire; xterm.js has it the other way round. */
export interface Size {
  rows: number;
  cols: number;
}

export type Fields = Record<string, unknown>;

export type ServerMessage =
  | { kind: "output"; end: number; data: Uint8Array; stderr: boolean }
  | { kind: "snapshot"; end: number; size: Size; data: Uint8Array }
  | { kind: "event"; fields: Fields }
  | { kind: "input-ack"; position: number }
  | { kind: "unknown" }
  | { kind: "violation"; reason: string };

/** Decode what a server sent. Garbage is a violation, never an exception. */
export function decode(message: ArrayBuffer): ServerMessage {
  const view = new DataView(message);
  const length = view.byteLength;
  if (length === 0) return { kind: "violation", reason: "an empty message" };
  const kind = view.getUint8(0);
  switch (kind) {
    case OUTPUT:
    case STDERR:
      if (length < 9) break;
      return {
        kind: "output",
        end: Number(view.getBigUint64(1)),
        data: new Uint8Array(message, 9),
        stderr: kind === STDERR,
      };
    case SNAPSHOT:
      if (length < 13) break;
      return {
        kind: "snapshot",
        end: Number(view.getBigUint64(1)),
        size: { rows: view.getUint16(9), cols: view.getUint16(11) },
        data: new Uint8Array(message, 13),
      };
    case EVENT: {
      const fields = parseObject(new Uint8Array(message, 1));
      if (fields === null) break;
      return { kind: "event", fields };
    }
    case INPUT_ACK:
      if (length !== 9) break;
      return { kind: "input-ack", position: Number(view.getBigUint64(1)) };
    default:
      return { kind: "unknown" };
  }
  return { kind: "violation", reason: `a malformed message of kind ${kind}` };
}

export function attach(fields: Fields): Uint8Array {
  return withKind(ATTACH, encodeText(JSON.stringify(fields)));
}

export function input(position: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(9 + data.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, INPUT);
  view.setBigUint64(1, BigInt(position));
  message.set(data, 9);
  return message;
}

export function resize(size: Size): Uint8Array {
  const view = new DataView(new ArrayBuffer(5));
  view.setUint8(0, RESIZE);
  view.setUint16(1, size.rows);
  view.setUint16(3, size.cols);
  return new Uint8Array(view.buffer);
}

export function ack(offset: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, ACK);
  view.setBigUint64(1, BigInt(offset));
  return new Uint8Array(view.buffer);
}

/** A signal's name is without SIG. */
export function signal(name: string): Uint8Array {
  return withKind(SIGNAL, encodeText(name));
}

export function stdinEof(): Uint8Array {
  return Uint8Array.of(STDIN_EOF);
}

export function visible(visible: boolean): Uint8Array {
  return Uint8Array.of(VISIBLE, visible ? 1 : 0);
}

export function request(fields: Fields): Uint8Array {
  return withKind(REQUEST, encodeText(JSON.stringify(fields)));
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function withKind(kind: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + payload.length);
  message[0] = kind;
  message.set(payload, 1);
  return message;
}

function parseObject(data: Uint8Array): Fields | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Fields) : null;
  } catch {
    return null; // not JSON, or not UTF-8: both are the peer's fault
  }
}
