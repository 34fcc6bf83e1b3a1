import { expect, test } from "vitest";
import { Pipes } from "../src/pipes";

function type(...keys: string[]): string[] {
  const told: string[] = [];
  const pipes = new Pipes(
    {
      type: (data) => void told.push(data),
      signal: (name) => void told.push(`SIG${name}`),
      endInput: () => void told.push("end"),
    },
    () => undefined,
  );
  for (const key of keys) pipes.type(key);
  return told;
}

test("lines are sent whole", () => {
  expect(type("a", "b", "\r", "c\rd")).toEqual(["ab\n", "c\n"]);
});

test("a line can be mended", () => {
  expect(type("a", "é", "\x7f", "b", "\x1b[A", "\x7f\x7f\x7f\x7f", "c", "\r")).toEqual(["c\n"]);
});

test("control keys end input and interrupt", () => {
  expect(type("a", "\x04", "\x04", "b", "\x03", "\r")).toEqual(["a", "end", "SIGINT", "\n"]);
});
