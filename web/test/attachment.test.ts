import { beforeEach, expect, test } from "vitest";
import { Attachment, type Listener, type Screen } from "../src/attachment";
import type { Company } from "../src/company";
import { decode, encodeText, type Fields, type ServerMessage } from "../src/wire";

const CLIENT = "ab".repeat(16);
const HELLO = {
  event: "hello", client: CLIENT, epoch: 1, role: "control", tty: true, input: 0, doubt: 0,
  id: 1, start: 0, end: 0, from: 0, rows: 24, cols: 80, name: "brave_otter",
};

/** Writes down what it is told, and renders when it is told to. */
class Paper implements Screen, Listener {
  lines: string[] = [];
  notices: string[] = [];
  private waiting: (() => void)[] = [];

  write(data: Uint8Array, _stderr: boolean, rendered: () => void): void {
    this.lines.push(new TextDecoder().decode(data));
    this.waiting.push(rendered);
  }
  render(): void {
    for (const rendered of this.waiting.splice(0)) rendered();
  }
  resize = ({ rows, cols }: { rows: number; cols: number }): void => {
    this.lines.push(`${rows}x${cols}`);
  };
  clear = (): void => void this.lines.push("clear");
  attached = (): void => undefined;
  company = ({ people }: Company): void => void this.lines.push(`${people.length} people`);
  notYourTurn = (): void => void this.lines.push("not your turn");
  resized = (): void => undefined;
  exited = (status: number): void => void this.lines.push(`exit ${status}`);
  notice = (text: string): void => void this.notices.push(text);
}

let paper: Paper;
let attachment: Attachment;
let sent: string[];

beforeEach(() => {
  paper = new Paper();
  attachment = new Attachment(0, paper, paper, () => 0);
  sent = [];
});

/** A message of ours in words. */
function describe(message: Uint8Array): string {
  const view = new DataView(message.buffer);
  const text = (from: number): string => new TextDecoder().decode(message.slice(from));
  switch (message[0]) {
    case 17:
      return `input ${view.getBigUint64(1)} ${JSON.stringify(text(9))}`;
    case 18:
      return `resize ${view.getUint16(1)}x${view.getUint16(3)}`;
    case 19:
      return `ack ${view.getBigUint64(1)}`;
    case 22:
      return `visible ${message[1]}`;
    default:
      return text(1);
  }
}

const receive = (message: ServerMessage): unknown =>
  attachment.receive(message, (reply) => sent.push(describe(reply)));
const event = (fields: Fields): unknown => receive({ kind: "event", fields });
const hello = (fields: Fields = {}): unknown => event({ ...HELLO, ...fields });
const output = (end: number, text: string): unknown =>
  receive({ kind: "output", end, data: encodeText(text), stderr: false });
const greeting = (): Fields => JSON.parse(describe(attachment.greeting())) as Fields;

test("the first greeting asks for the screen", () => {
  attachment.window = { rows: 10, cols: 20 };
  expect(greeting()).toEqual({
    session: 0, hidden: false, answers: true, rows: 10, cols: 20, from: "snapshot",
  });
});

test("after a loss it asks for the next byte, as the same client", () => {
  hello();
  output(5, "hello");
  attachment.lost();
  expect(greeting()).toMatchObject({ from: 5, epoch: 1, client: CLIENT });
});

test("what goes on is not cleared, what does not is", () => {
  hello();
  output(5, "hello");
  attachment.lost();
  hello({ from: 5, end: 9 });
  output(9, " you");
  expect(paper.lines).toEqual(["24x80", "hello", " you"]);
  attachment.lost();
  hello({ from: 3, end: 9, rows: 30 });
  expect(paper.lines.slice(3)).toEqual(["clear", "30x80"]);
});

test("another epoch begins anew even at the same offset", () => {
  hello();
  output(5, "hello");
  attachment.lost();
  hello({ from: 5, epoch: 2 });
  expect(paper.lines).toContain("clear");
});

test("output is acknowledged when it is rendered, not when it came", () => {
  hello();
  output(5, "hello");
  expect(sent).toEqual([]);
  paper.render();
  expect(sent).toEqual(["ack 5"]);
});

test("what was rendered before a jump back is not acknowledged after it", () => {
  hello();
  output(50, "hello");
  attachment.lost();
  hello({ from: 10, end: 60 });
  paper.render();
  expect(sent).toEqual([]);
});

test("a snapshot clears, has its size, and is acknowledged", () => {
  hello();
  output(5, "hello");
  receive({
    kind: "snapshot", end: 900, size: { rows: 5, cols: 6 }, data: encodeText("picture"),
  });
  paper.render();
  expect(paper.lines.slice(1)).toEqual(["hello", "clear", "5x6", "picture"]);
  expect(sent).toEqual(["ack 900"]);
  expect(greeting()).toMatchObject({ from: 900 });
});

test("a resize keeps its place between bytes", () => {
  hello();
  output(1, "a");
  event({ event: "resized", end: 1, rows: 3, cols: 4 });
  output(2, "b");
  expect(paper.lines).toEqual(["24x80", "a", "3x4", "b"]);
});

test("typing is sent once across a loss", () => {
  hello();
  attachment.type("abc");
  attachment.lost();
  attachment.type("d");
  hello({ input: 2 });
  expect(sent).toEqual(['input 0 "abc"', 'input 2 "cd"']);
  receive({ kind: "input-ack", position: 4 });
  expect(attachment.isWaiting).toBe(false);
});

test("what is in doubt is told and not typed again", () => {
  hello();
  attachment.type("abc");
  attachment.lost();
  hello({ input: 3, doubt: 2 });
  expect(sent).toEqual(['input 0 "abc"']);
  expect(paper.notices).toEqual(["2 bytes that you typed may not have arrived."]);
});

test("a viewer types nothing", () => {
  hello({ role: "view" });
  attachment.type("abc");
  attachment.typeBinary("abc");
  attachment.resize({ rows: 1, cols: 2 });
  expect(sent).toEqual([]);
});

test("answers of the terminal wait until all that was there is rendered", () => {
  hello({ end: 5 });
  event({ event: "answerer", answers: true });
  output(5, "\x1b[c");
  attachment.type("\x1b[?1;2c");
  attachment.type("x");
  paper.render();
  attachment.type("\x1b[?1;2c");
  expect(sent).toEqual(['input 0 "x"', "ack 5", 'input 1 "\\u001b[?1;2c"']);
});

const ANSWER = "\x1b[?1;2c";

test("only the elected terminal answers, and a connection begins without being it", () => {
  hello();
  attachment.type(ANSWER);
  event({ event: "answerer", answers: true });
  attachment.type(ANSWER);
  event({ event: "answerer", answers: false });
  attachment.type(ANSWER);
  event({ event: "answerer", answers: true });
  attachment.lost();
  attachment.type(ANSWER);
  hello({ input: ANSWER.length });
  attachment.type(ANSWER);
  expect(sent).toEqual([`input 0 ${JSON.stringify(ANSWER)}`]);
});

test("nothing answers before the snapshot that was promised is rendered", () => {
  hello({ snapshot: true, from: 9, end: 9 });
  event({ event: "answerer", answers: true });
  attachment.type(ANSWER);
  // The picture was made later than hello was sent, and is short.
  receive({ kind: "snapshot", end: 900, size: { rows: 5, cols: 6 }, data: encodeText("p") });
  attachment.type(ANSWER);
  expect(attachment.isLive).toBe(false);
  paper.render();
  attachment.type(ANSWER);
  expect(sent).toEqual(["ack 900", `input 0 ${JSON.stringify(ANSWER)}`]);
});

test("a viewer that comes back does not offer to answer", () => {
  hello({ role: "view" });
  attachment.lost();
  expect(greeting()).not.toHaveProperty("answers");
});

test("what is shown stays until the promised snapshot comes, which is asked for again", () => {
  hello();
  output(5, "hello");
  attachment.lost();
  hello({ snapshot: true, from: 5, end: 5 });
  expect(paper.lines).toEqual(["24x80", "hello"]);
  attachment.lost();
  expect(greeting()).toMatchObject({ from: "snapshot" });
  hello({ snapshot: true, from: 7, end: 7 });
  receive({ kind: "snapshot", end: 8, size: { rows: 5, cols: 6 }, data: encodeText("new") });
  expect(paper.lines.slice(2)).toEqual(["clear", "5x6", "new"]);
  attachment.lost();
  expect(greeting()).toMatchObject({ from: 8 });
});

const turn = (driver: number): unknown =>
  event({
    event: "clients", one_driver: true, count: 2,
    clients: [1, 2].map((id) => ({ id, name: `n${id}`, role: "control", driver: id === driver })),
  });

test("while another drives nothing that is typed is sent, and typing is told", () => {
  hello();
  event({ event: "answerer", answers: true });
  turn(2);
  attachment.type("a");
  attachment.type("\x1b[<35;1;1M");
  attachment.typeBinary("\x1b[M");
  attachment.signal("INT");
  attachment.endInput();
  expect(sent).toEqual([]);
  expect(paper.lines.slice(1)).toEqual(["2 people", "not your turn"]);
  attachment.type(ANSWER); // the election is another matter
  turn(1);
  attachment.type("b");
  expect(sent).toEqual([`input 0 ${JSON.stringify(ANSWER)}`, 'input 7 "b"']);
});

test("a turn of an earlier connection does not bar this one", () => {
  hello();
  turn(2);
  attachment.lost();
  hello({ id: 3 });
  attachment.type("a");
  expect(sent).toEqual(['input 0 "a"']);
});

test("requests are asked, and a name is kept for the next connection", () => {
  hello();
  attachment.drive();
  attachment.grant(2);
  attachment.rename("ada");
  expect(sent).toEqual([
    '{"request":"drive"}', '{"request":"grant","id":2}', '{"request":"name","name":"ada"}',
  ]);
  expect(greeting()).toMatchObject({ name: "ada" });
});

test("each greeting tells the window: whether coming back takes the size the server knows", () => {
  attachment.window = { rows: 10, cols: 20 };
  expect(greeting()).toMatchObject({ rows: 10, cols: 20 });
  hello();
  attachment.type("a");
  attachment.lost();
  expect(greeting()).toMatchObject({ rows: 10, cols: 20 });
  hello({ input: 1 });
  attachment.resize({ rows: 10, cols: 20 });
  attachment.type("b");
  expect(sent).toEqual(['input 0 "a"', 'input 1 "b"']);
  attachment.lost();
  attachment.resize({ rows: 11, cols: 20 });
  expect(greeting()).toMatchObject({ rows: 11, cols: 20 });
});

test("binary input is one byte a character", () => {
  hello();
  let bytes: Uint8Array | undefined;
  attachment.lost();
  attachment.receive({ kind: "event", fields: HELLO }, (message) => (bytes = message));
  attachment.typeBinary("\x1b[M\xe9\xff");
  expect([...bytes!.slice(9)]).toEqual([27, 91, 77, 0xe9, 0xff]);
});

test("a size is sent when it changed, and a hidden tab says so", () => {
  hello();
  attachment.resize({ rows: 10, cols: 20 });
  attachment.resize({ rows: 10, cols: 20 });
  attachment.hide(true);
  attachment.hide(true);
  attachment.hide(false);
  expect(sent).toEqual(["resize 10x20", "visible 0", "visible 1"]);
});

test("a reload goes on as the same client with what was not acknowledged", () => {
  hello({ input: 7 });
  attachment.type("abc");
  const kept = attachment.keep();
  sent = [];
  attachment = new Attachment(0, paper, paper);
  attachment.restore(kept!);
  expect(greeting()).toMatchObject({ client: CLIENT, from: "snapshot" });
  hello({ input: 8 });
  expect(sent).toEqual(['input 8 "bc"']);
});

test("without a connection a window of typing is kept, and no more", () => {
  hello();
  attachment.lost();
  attachment.type("x".repeat(60_000));
  attachment.type("x".repeat(10_000));
  expect(attachment.keep()!.typed.length).toBe(60_000);
  expect(paper.notices.length).toBe(1);
});

test("events without a place are passed on", () => {
  hello();
  event({ event: "clients", clients: [{ id: 1, name: "a" }, null, { id: 2 }] });
  event({ event: "journal", state: "full" });
  event({ event: "exited", end: 0, status: 3 });
  event({ event: "of tomorrow" });
  expect(paper.lines).toEqual(["24x80", "2 people", "exit 3"]);
  expect(paper.notices).toEqual(["The server's disk is full: the program waits."]);
  expect(attachment.status).toBe(3);
});

test("violations are passed on, unknown kinds are not", () => {
  expect(receive(decode(new ArrayBuffer(0)))).toBe("an empty message");
  expect(receive({ kind: "unknown" })).toBeNull();
});
