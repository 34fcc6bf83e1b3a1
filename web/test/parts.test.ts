import { Terminal } from "@xterm/headless";
import { expect, test } from "vitest";
import { Backoff, LONGEST_MS } from "../src/backoff";
import { decode } from "../src/clipboard";
import { parsePeople, printable } from "../src/event";
import { fit, fontFor, SMALLEST_FONT } from "../src/geometry";
import { controlled } from "../src/keys";
import { takeAccess } from "../src/link";
import { cleanName } from "../src/name";
import { isMouse, isReply } from "../src/reply";
import { VERSION, Widths } from "../src/widths";

const TOKEN = "a".repeat(32);

function place(hash: string, stored: string | null = null) {
  const seen = { address: "", stored };
  const access = takeAccess({
    location: { hash, pathname: "/prefix/", search: "?x" },
    history: { replaceState: (_state, _title, url) => void (seen.address = String(url)) },
    storage: { getItem: () => seen.stored, setItem: (_key, text) => void (seen.stored = text) },
  });
  return { access, ...seen };
}

test("the fragment is stored and leaves the address", () => {
  const { access, address, stored } = place(`#t=${TOKEN}&s=2&fp=${"0".repeat(64)}`);
  expect(access).toEqual({ token: TOKEN, session: 2 });
  expect(address).toBe("/prefix/?x");
  expect(place("", stored).access).toEqual(access);
});

test.each(["#", "#t=short", `#t=${TOKEN}&s=x`, "#t=<b>"])("%s is no link", (hash) => {
  expect(place(hash).access).toBeNull();
});

test.each([
  "\x1b[?1;2c", "\x1b[>0;276;0c", "\x1b[0n", "\x1b[12;40R", "\x1b[?12;40R", "\x1b[?2004;1$y",
  "\x1b[8;24;80t", "\x1b[I", "\x1bP1$r0m\x1b\\", "\x1b]11;rgb:1212/1515/1a1a\x1b\\",
])("%j is an answer", (data) => {
  expect(isReply(data)).toBe(true);
});

test.each([
  "a", "\r", "\x1b", "\x1b[A", "\x1bOA", "\x1b[1;5C", "\x1b[3~", "\x1b[<0;1;1M", "\x1b[200~x\x1b[201~",
  "say \x1b[?1;2c",
])("%j is typed", (data) => {
  expect(isReply(data)).toBe(false);
});

test("a window holds whole cells, within limits", () => {
  const cell = { width: 8, height: 16 };
  expect(fit({ width: 647, height: 399 }, cell)).toEqual({ rows: 24, cols: 80 });
  expect(fit({ width: 0, height: 0 }, cell)).toBeNull();
  expect(fit({ width: 640, height: 400 }, { width: NaN, height: NaN })).toBeNull();
  expect(fit({ width: 1e6, height: 1e6 }, cell)).toEqual({ rows: 1000, cols: 2000 });
});

test("a font shrinks until all is seen, and not further", () => {
  const cell = { width: 8, height: 16 };
  const size = { rows: 24, cols: 80 };
  expect(fontFor(size, { width: 800, height: 500 }, cell, 14)).toBe(14);
  expect(fontFor(size, { width: 320, height: 500 }, cell, 14)).toBe(7);
  expect(fontFor(size, { width: 100, height: 500 }, cell, 14)).toBe(SMALLEST_FONT);
});

test("attempts become rarer, to a limit", () => {
  const backoff = new Backoff(() => 0.5);
  const delays = Array.from({ length: 8 }, () => backoff.next());
  expect(delays.slice(0, 3)).toEqual([50, 100, 200]);
  expect(delays.at(-1)).toBe(LONGEST_MS);
  backoff.reset();
  expect(backoff.next()).toBe(50);
});

test("the clipboard takes base64 of UTF-8 and is never read", () => {
  expect(decode("aMOp")).toBe("hé");
  expect(["", "?", "!!", "/w=="].map(decode)).toEqual([null, null, null, null]);
});

test("names lose what could fool a reader", () => {
  expect(printable("a\u202eb\x1b\nc\u200bd", 3)).toBe("abc");
  expect(parsePeople({ clients: 7 }, 1)).toEqual([]);
});

test("a name is what the server would show, never half a character", () => {
  expect(cleanName("  a\u202e\n da ")).toBe("a da");
  expect(cleanName("\u{1f600}".repeat(40))).toBe("\u{1f600}".repeat(32));
  expect(cleanName("\x1b")).toBe("");
});

test("the mouse is nobody's typing", () => {
  expect(["\x1b[<35;1;1M", "\x1b[M abc", "\x1b[A"].map(isMouse)).toEqual([true, true, false]);
});

test("a held control key makes control characters", () => {
  expect(["c", "C", "[", " ", "5"].map(controlled)).toEqual(["\x03", "\x03", "\x1b", "\0", "5"]);
});

test("xterm.js measures with libghostty's table", async () => {
  const terminal = new Terminal({ allowProposedApi: true });
  terminal.unicode.register(new Widths());
  terminal.unicode.activeVersion = VERSION;
  const column = (text: string): Promise<number> =>
    new Promise((resolve) => {
      terminal.write("\r" + text, () => resolve(terminal.buffer.active.cursorX));
    });
  expect(await column("a")).toBe(1);
  expect(await column("你")).toBe(2);
  expect(await column("e\u0301x")).toBe(2);
  expect(await column("\u{1fae8}")).toBe(2); // an emoji of Unicode 15
  expect(await column("\u{1f1e9}\u{1f1ea}")).toBe(4); // a flag: 2 and 2 without mode 2027
  terminal.dispose();
});
