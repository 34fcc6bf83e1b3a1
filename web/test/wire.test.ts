import { expect, test } from "vitest";
import * as wire from "../src/wire";

const buffer = (...bytes: number[]): ArrayBuffer => Uint8Array.from(bytes).buffer;
const U64 = [0, 0, 0, 1, 0, 0, 0, 2];

test("messages of a server are read", () => {
  expect(wire.decode(buffer(1, ...U64, 97))).toEqual({
    kind: "output", end: 2 ** 32 + 2, data: Uint8Array.of(97), stderr: false,
  });
  expect(wire.decode(buffer(5, ...U64))).toMatchObject({ kind: "output", stderr: true });
  expect(wire.decode(buffer(2, ...U64, 0, 24, 0, 80, 97))).toEqual({
    kind: "snapshot", end: 2 ** 32 + 2, size: { rows: 24, cols: 80 }, data: Uint8Array.of(97),
  });
  expect(wire.decode(buffer(4, ...U64))).toEqual({ kind: "input-ack", position: 2 ** 32 + 2 });
  const event = wire.encodeText('\x03{"event":"hello"}');
  expect(wire.decode(event.buffer as ArrayBuffer)).toEqual({
    kind: "event", fields: { event: "hello" },
  });
});

test("unknown kinds are ignored", () => {
  expect(wire.decode(buffer(99, 1, 2))).toEqual({ kind: "unknown" });
});

test.each([[], [1, 0], [2, ...U64, 0], [4, 1], [3, 91, 93], [3, 255], [3, 123]])(
  "garbage is a violation and no exception: %j",
  (...bytes) => {
    expect(wire.decode(buffer(...bytes)).kind).toBe("violation");
  },
);

test("random bytes never raise", () => {
  for (let length = 0; length < 2000; length++) {
    const bytes = Uint8Array.from({ length: length % 40 }, () => Math.random() * 256);
    expect(() => wire.decode(bytes.buffer)).not.toThrow();
  }
});

test("messages of a client are written", () => {
  expect([...wire.input(2 ** 32 + 2, Uint8Array.of(97))]).toEqual([17, ...U64, 97]);
  expect([...wire.ack(2 ** 32 + 2)]).toEqual([19, ...U64]);
  expect([...wire.resize({ rows: 24, cols: 300 })]).toEqual([18, 0, 24, 1, 44]);
  expect([...wire.signal("INT")]).toEqual([20, 73, 78, 84]);
  expect([...wire.stdinEof()]).toEqual([21]);
  expect([...wire.visible(false), ...wire.visible(true)]).toEqual([22, 0, 22, 1]);
  expect(new TextDecoder().decode(wire.attach({ session: 0 }))).toBe('\x10{"session":0}');
});
