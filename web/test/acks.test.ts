import { expect, test } from "vitest";
import { Acks, EVERY_BYTES, EVERY_MS } from "../src/acks";

function acks(): Acks {
  const acks = new Acks();
  acks.restart(100);
  return acks;
}

test("what is rendered is acknowledged when nothing more is at hand", () => {
  const subject = acks();
  subject.onReceived(110);
  expect(subject.onRendered(110, 0)).toBe(110);
  expect(subject.onRendered(110, 1)).toBeNull();
});

test("many messages share one ack", () => {
  const subject = acks();
  subject.onReceived(101);
  subject.onRendered(101, 0);
  subject.onReceived(130);
  expect(subject.onRendered(110, 1)).toBeNull();
  expect(subject.onRendered(120, 2)).toBeNull();
  expect(subject.onRendered(130, 3)).toBe(130);
});

test("one is due every 8 KiB and every 50 ms", () => {
  const subject = acks();
  subject.onReceived(101);
  subject.onRendered(101, 0);
  subject.onReceived(1_000_000);
  expect(subject.onRendered(101 + EVERY_BYTES, 1)).toBe(101 + EVERY_BYTES);
  expect(subject.onRendered(102 + EVERY_BYTES, 2)).toBeNull();
  expect(subject.onRendered(103 + EVERY_BYTES, 1 + EVERY_MS)).toBe(103 + EVERY_BYTES);
});
