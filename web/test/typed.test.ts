import { expect, test } from "vitest";
import { Typed, WINDOW } from "../src/typed";
import { encodeText } from "../src/wire";

function takeAll(typed: Typed): string {
  let text = "";
  for (let next = typed.take(); next !== null; next = typed.take()) {
    text += new TextDecoder().decode(next.data);
  }
  return text;
}

test("every byte has its position", () => {
  const typed = new Typed();
  typed.add(encodeText("abc"));
  expect(typed.take()).toEqual({ position: 0, data: encodeText("abc") });
  expect(typed.take()).toBeNull();
  typed.add(encodeText("d"));
  expect(typed.take()).toEqual({ position: 3, data: encodeText("d") });
});

test("at most a window is on its way", () => {
  const typed = new Typed();
  typed.add(new Uint8Array(10 * WINDOW));
  takeAll(typed);
  expect(typed.sent).toBe(WINDOW);
  typed.acknowledge(1000);
  takeAll(typed);
  expect(typed.sent).toBe(WINDOW + 1000);
});

test("after a reconnect the rest is sent again", () => {
  const typed = new Typed();
  typed.add(encodeText("abcdef"));
  takeAll(typed);
  typed.acknowledge(1);
  expect(typed.resume(3)).toBe(0);
  expect(takeAll(typed)).toBe("def");
});

test("a server that does not know us is sent only what was never sent", () => {
  const typed = new Typed();
  typed.add(encodeText("abc"));
  takeAll(typed);
  typed.add(encodeText("def"));
  expect(typed.restart(100)).toBe(3);
  expect(typed.take()).toEqual({ position: 100, data: encodeText("def") });
});

test("a position that cannot be is not believed", () => {
  const typed = new Typed();
  typed.add(encodeText("abc"));
  takeAll(typed);
  expect(typed.resume(7)).toBe(3);
  expect(typed.start).toBe(7);
});

test("under random cuts each byte arrives once and in order", () => {
  const typed = new Typed();
  let wanted = "";
  let program = "";
  for (let turn = 0; turn < 2000; turn++) {
    const text = String(turn);
    wanted += text;
    typed.add(encodeText(text));
    for (let next = typed.take(); next !== null; next = typed.take()) {
      const fresh = new TextDecoder().decode(next.data.slice(program.length - next.position));
      // The connection breaks somewhere in this message, before or behind its acknowledgement.
      program += Math.random() < 0.3 ? fresh.slice(0, Math.random() * fresh.length) : fresh;
      if (Math.random() < 0.5) typed.acknowledge(program.length);
      if (Math.random() < 0.3) expect(typed.resume(program.length)).toBe(0);
    }
    expect(typed.resume(program.length)).toBe(0);
  }
  program += takeAll(typed);
  expect(program).toBe(wanted);
});

test("what is typed between two programs is for the second, from its own position", () => {
  const typed = new Typed();
  typed.add(encodeText("one"));
  typed.take();
  typed.acknowledge(3);
  typed.add(encodeText("lo"));
  typed.take();
  typed.hold();
  typed.add(encodeText("st"));
  expect(typed.take()).toBeNull();
  expect(typed.resume(0)).toBe(0);
  expect(typed.take()).toEqual({ position: 0, data: encodeText("lost") });
});
