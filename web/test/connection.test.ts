import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Attachment } from "../src/attachment";
import { Connection, type State } from "../src/connection";
import { encodeText, type Fields } from "../src/wire";

const HELLO = { event: "hello", client: "cd".repeat(16), epoch: 1, role: "control", input: 0 };

class FakeSocket {
  static opened: FakeSocket[] = [];
  sent: Uint8Array[] = [];
  closedWith: number | undefined;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    FakeSocket.opened.push(this);
  }
  isAlive = true;
  send = (message: Uint8Array): void => {
    this.sent.push(message);
    const isAsked = new TextDecoder().decode(message.slice(1)) === '{"request":"alive"}';
    if (isAsked && this.isAlive) this.event({ event: "alive" });
  };
  close = (code = 1000): void => void (this.closedWith = code);

  event(fields: Fields): void {
    this.onmessage?.({ data: encodeText("\x03" + JSON.stringify(fields)).buffer });
  }
  greet(): void {
    this.onopen?.();
    this.event(HELLO);
  }
  break(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

const nothing = (): undefined => undefined;
const screen = { write: nothing, resize: nothing, clear: nothing };
const listener = {
  attached: nothing, company: nothing, notYourTurn: nothing, resized: nothing, exited: nothing,
  notice: nothing,
};
let states: string[];
let attachment: Attachment;
let connection: Connection;
let isServerThere: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.opened = [];
  isServerThere = true;
  states = [];
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("fetch", () => isServerThere ? Promise.resolve({ ok: true }) : Promise.reject());
  attachment = new Attachment(0, screen, listener);
  const tell = (state: State): void => void states.push(state.name);
  connection = new Connection("ws://host/ws", "http://host/healthz", "secret", attachment, tell);
  connection.open();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const last = (): FakeSocket => FakeSocket.opened.at(-1)!;
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("the token is in the subprotocol and nowhere else", () => {
  expect(last().protocols).toEqual(["ptyd.v1", "ptyd.token.secret"]);
  expect(last().url).toBe("ws://host/ws");
});

test.each([1006, 1001, 4005])("a connection that ends with %i comes back", async (code) => {
  last().greet();
  last().break(code);
  await pass(100);
  expect(FakeSocket.opened.length).toBe(2);
  last().greet();
  await pass(2000);
  expect(states).toEqual(["connected", "connected"]); // too short to be worth a word
});

test("a long loss is told", async () => {
  last().greet();
  last().break();
  isServerThere = false;
  for (let each = 0; each < 6; each++) {
    await pass(400);
    last().break();
  }
  expect(states).toEqual(["connected", "reconnecting"]);
  await pass(3000);
  last().greet();
  expect(states.at(-1)).toBe("connected");
});

test.each([1002, 1003, 1007, 1009, 4001, 4002, 4003, 4004])("%i is final", async (code) => {
  last().greet();
  last().break(code, "why");
  await pass(60_000);
  expect(FakeSocket.opened.length).toBe(1);
  expect(states.at(-1)).toBe("refused");
});

test("a restart is told if it takes long, and the next epoch is connected to", async () => {
  last().greet();
  last().event({ event: "restarting", status: 3 });
  await pass(400);
  last().event({ event: "alive" });
  expect(states).toEqual(["connected"]);
  await pass(200);
  last().break(1001);
  await pass(100);
  expect(states).toEqual(["connected", "restarting"]);
  last().greet();
  await pass(2000);
  expect(states).toEqual(["connected", "restarting", "connected"]);
  last().event({ event: "restarting", status: 3 });
  last().event({ event: "exited", status: 4 });
  await pass(2000);
  expect(states.at(-1)).toBe("ended");
});

test("an exit is final, whatever the close", async () => {
  last().greet();
  last().event({ event: "exited", status: 3 });
  last().break(1006);
  await pass(60_000);
  expect(FakeSocket.opened.length).toBe(1);
  expect(states).toEqual(["connected", "ended"]);
});

test("a server that answers but refuses does not like the token", async () => {
  last().break();
  await pass(100);
  last().break();
  await pass(60_000);
  expect(FakeSocket.opened.length).toBe(2);
  expect(states).toEqual(["refused"]);
});

test("no server is waited for, with growing patience", async () => {
  isServerThere = false;
  for (let each = 0; each < 100; each++) {
    last().break();
    await pass(200);
  }
  expect(FakeSocket.opened.length).toBeGreaterThan(5);
  expect(FakeSocket.opened.length).toBeLessThan(20);
});

test("a handshake without an end is given up", async () => {
  await pass(10_200);
  expect(FakeSocket.opened.length).toBe(2);
  expect(FakeSocket.opened[0]!.closedWith).toBe(1000);
});

test("a network that went away in silence is found", async () => {
  last().greet();
  attachment.type("x");
  isServerThere = false;
  await pass(11_000);
  expect(FakeSocket.opened.length).toBeGreaterThan(1);
});

test("a connection that died while the server lives is found within 45 s", async () => {
  last().greet();
  await pass(60_000);
  expect(FakeSocket.opened.length).toBe(1);
  last().isAlive = false;
  await pass(19_000);
  expect(FakeSocket.opened.length).toBe(1);
  await pass(26_000);
  expect(FakeSocket.opened.length).toBeGreaterThan(1);
});

test("a hidden tab, whose timers come once a minute, stays as long as it is answered", async () => {
  vi.stubGlobal("document", { hidden: true });
  vi.clearAllTimers();
  last().greet();
  const look = (): void => (connection as unknown as { look(): void }).look();
  for (let each = 0; each < 5; each++) {
    vi.setSystemTime(Date.now() + 60_000);
    look();
  }
  expect(FakeSocket.opened.length).toBe(1);
  vi.stubGlobal("document", { hidden: false });
  vi.setSystemTime(Date.now() + 60_000);
  connection.woke();
  expect(FakeSocket.opened.length).toBe(1);
  last().isAlive = false;
  for (let each = 0; each < 2; each++) {
    vi.stubGlobal("document", { hidden: true });
    vi.setSystemTime(Date.now() + 60_000);
    look();
  }
  await pass(1_000);
  expect(FakeSocket.opened.length).toBe(2);
});

test("silence of a program is none of the network", async () => {
  last().greet();
  await pass(300_000);
  expect(FakeSocket.opened.length).toBe(1);
});

test("a machine that slept connects anew", async () => {
  last().greet();
  vi.setSystemTime(Date.now() + 3_600_000);
  await pass(5_000);
  expect(FakeSocket.opened.length).toBe(2);
});

test.each(["text", new ArrayBuffer(0)])("a malformed message ends it: %j", (data) => {
  last().greet();
  last().onmessage?.({ data });
  expect(last().closedWith).toBe(4002);
  expect(states.at(-1)).toBe("refused");
});

test("a message of an old connection is not listened to", () => {
  const old = last();
  old.greet();
  const listen = old.onmessage!;
  connection.renew();
  last().greet();
  listen({ data: encodeText('\x03{"event":"exited","status":1}').buffer as ArrayBuffer });
  expect(attachment.status).toBeNull();
});
