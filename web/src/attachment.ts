/**
 * One client across all its connections: its place in the journal, its typing, what it knows.
 *
 * No sockets and no timers are here. Messages come in by `receive`, go out by `send`; what is to
 * be seen goes to a `Screen` in the journal's order, what is to be told to a `Listener`.
 */

import { Acks } from "./acks";
import { Company } from "./company";
import { number, parseHello, parseSize, type Hello } from "./event";
import { isMouse, isReply } from "./reply";
import { Typed, WINDOW } from "./typed";
import * as wire from "./wire";

/** Each call takes effect behind all earlier ones. */
export interface Screen {
  /** Show bytes; call `rendered` when they are on the screen. */
  write(data: Uint8Array, stderr: boolean, rendered: () => void): void;
  resize(size: wire.Size): void;
  /** Forget everything that was shown. */
  clear(): void;
}

export interface Listener {
  attached(hello: Hello): void;
  company(company: Company): void;
  /** Keys were not sent: it is another one's turn. */
  notYourTurn(): void;
  resized(size: wire.Size): void;
  exited(status: number): void;
  notice(text: string): void;
}

/** What outlives a reload of the page. */
export interface Kept {
  client: string;
  start: number;
  typed: number[];
}

export class Attachment {
  hello: Hello | null = null;
  status: number | null = null;
  /** The status with which an epoch ended, until the next one begins: it is to follow. */
  restartStatus: number | null = null;
  /** The size of the window, null while there is none to speak of. */
  window: wire.Size | null = null;
  hidden = false;
  /** What others call us; empty leaves it to the server. */
  name = "";
  readonly company = new Company();

  private readonly typed = new Typed();
  private readonly acks = new Acks();
  private send: ((message: Uint8Array) => void) | null = null;
  private received = 0;
  private client = "";
  private generation = 0;
  /** A snapshot was promised: until it comes, no offset stands for what is on the screen. */
  private owesSnapshot = false;
  private isElected = false;
  private hasCaughtUp = false;
  /** The last size that we told, and the one that we told first on this connection. */
  private told: wire.Size | null = null;
  private greeted: wire.Size | null = null;

  constructor(
    private readonly session: number,
    private readonly screen: Screen,
    private readonly listener: Listener,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get isAttached(): boolean {
    return this.send !== null;
  }

  get mayType(): boolean {
    return this.hello !== null && this.hello.role !== "view";
  }

  private get mayDrive(): boolean {
    return this.mayType && !this.company.isDrivenByAnother;
  }

  /** Whether typing waits to be acknowledged. */
  get isWaiting(): boolean {
    return this.typed.waiting > 0;
  }

  // Connections

  /** Return the first message of a connection. */
  greeting(): Uint8Array {
    const fields: wire.Fields = { session: this.session, hidden: this.hidden };
    this.greeted = this.window;
    if (this.greeted !== null) Object.assign(fields, this.greeted);
    if (this.hello === null || this.mayType) fields["answers"] = true;
    if (this.name !== "") fields["name"] = this.name;
    if (this.client !== "") fields["client"] = this.client;
    if (this.hello === null || this.owesSnapshot) {
      fields["from"] = "snapshot";
    } else {
      fields["from"] = this.received;
      fields["epoch"] = this.hello.epoch;
    }
    return wire.attach(fields);
  }

  /** The connection is gone; nothing of this client is. */
  lost(): void {
    this.send = null;
    this.isElected = false;
  }

  /** Act on a message of a connection whose way back is `send`; return what is wrong with it. */
  receive(message: wire.ServerMessage, send: (message: Uint8Array) => void): string | null {
    switch (message.kind) {
      case "output":
        this.show(message.data, message.end, message.stderr);
        return null;
      case "snapshot":
        this.owesSnapshot = this.hasCaughtUp = false;
        this.screen.clear();
        this.resized(message.size);
        this.restartAt(message.end - message.data.length);
        this.show(message.data, message.end, false);
        return null;
      case "input-ack":
        this.typed.acknowledge(message.position);
        this.sendTyped();
        return null;
      case "event":
        this.onEvent(message.fields, send);
        return null;
      case "violation":
        return message.reason;
      case "unknown":
        return null;
    }
  }

  private onEvent(fields: wire.Fields, send: (message: Uint8Array) => void): void {
    switch (fields["event"]) {
      case "hello":
        this.onHello(parseHello(fields), send);
        break;
      case "resized":
        this.resized(parseSize(fields));
        break;
      case "clients":
        this.company.take(fields);
        this.listener.company(this.company);
        break;
      case "answerer":
        this.isElected = fields["answers"] === true;
        break;
      case "restarting":
        this.restartStatus = number(fields, "status");
        this.typed.hold();
        break;
      case "exited":
        this.status = number(fields, "status");
        this.listener.exited(this.status);
        break;
      case "journal":
        this.listener.notice(
          fields["state"] === "full" ? "The server's disk is full: the program waits." : "",
        );
        break;
    }
  }

  private onHello(hello: Hello, send: (message: Uint8Array) => void): void {
    const before = this.hello;
    const isSame = before !== null && before.epoch === hello.epoch;
    const goesOn = isSame && hello.from === this.received && !hello.snapshot;
    // The size that hello tells is of the journal's end: between two connections, the resizes on
    // the way to there come as events in their places.
    if (!goesOn) {
      // What is on the screen stays until the snapshot takes its place.
      if (before !== null && !hello.snapshot) this.screen.clear();
      if (before === null || !hello.snapshot) this.resized(hello.size);
      this.restartAt(hello.from);
    }
    this.owesSnapshot = hello.snapshot;
    this.hasCaughtUp = !hello.snapshot && this.acks.renderedTo >= hello.end;
    this.isElected = false;
    this.told = this.greeted ?? this.told;
    this.company.begin(hello.id);
    const unsure =
      this.client === hello.client
        ? this.typed.resume(hello.input)
        : this.typed.restart(hello.input);
    const lost = unsure + hello.doubt;
    if (lost > 0) this.listener.notice(`${lost} bytes that you typed may not have arrived.`);
    this.hello = hello;
    this.restartStatus = null;
    this.client = hello.client;
    this.send = send;
    this.listener.attached(hello);
    this.sendTyped();
  }

  // Output

  private show(data: Uint8Array, end: number, stderr: boolean): void {
    this.received = end;
    this.acks.onReceived(end);
    const generation = this.generation;
    this.screen.write(data, stderr, () => {
      // What was written before a jump says nothing about the place after it.
      if (generation !== this.generation) return;
      const offset = this.acks.onRendered(end, this.now());
      if (!this.owesSnapshot && this.hello !== null && end >= this.hello.end) {
        this.hasCaughtUp = true;
      }
      if (offset !== null) this.send?.(wire.ack(offset));
    });
  }

  private restartAt(offset: number): void {
    this.generation += 1;
    this.received = offset;
    this.acks.restart(offset);
  }

  private resized(size: wire.Size): void {
    if (size.rows < 1 || size.cols < 1) return;
    this.screen.resize(size);
    this.listener.resized(size);
  }

  // Input

  /** Whether all that was there when we attached is on the screen. */
  get isLive(): boolean {
    return this.hello !== null && this.hasCaughtUp;
  }

  /** Take what xterm.js hands over: keys, and its answers to queries. */
  type(data: string): void {
    if (isReply(data)) {
      // The elected terminal answers, whoever drives.
      if (this.isElected && this.isLive) this.typeBytes(wire.encodeText(data));
    } else if (!this.company.isDrivenByAnother) {
      this.typeBytes(wire.encodeText(data));
    } else if (this.mayType && this.status === null && !isMouse(data)) {
      this.listener.notYourTurn();
    }
  }

  /** Take what xterm.js calls binary: one byte a character (mouse reports of the oldest kind). */
  typeBinary(data: string): void {
    if (this.company.isDrivenByAnother) return;
    this.typeBytes(Uint8Array.from(data, (character) => character.charCodeAt(0)));
  }

  private typeBytes(data: Uint8Array): void {
    if (!this.mayType || this.status !== null) return;
    if (!this.isAttached && this.typed.waiting + data.length > WINDOW) {
      this.listener.notice("There is no connection: what you type now is not kept.");
      return;
    }
    this.typed.add(data);
    this.sendTyped();
  }

  private sendTyped(): void {
    if (this.send === null) return;
    for (let next = this.typed.take(); next !== null; next = this.typed.take()) {
      this.send(wire.input(next.position, next.data));
    }
  }

  signal(name: string): void {
    if (this.mayDrive) this.send?.(wire.signal(name));
  }

  endInput(): void {
    if (this.mayDrive) this.send?.(wire.stdinEof());
  }

  /** The window has another size; null while it has none. */
  resize(size: wire.Size | null): void {
    this.window = size;
    if (this.mayType && !areEqual(size, this.told)) this.tellSize();
  }

  private tellSize(): void {
    if (this.window === null || this.send === null) return;
    this.told = this.window;
    this.send(wire.resize(this.window));
  }

  /** The tab was hidden or shown: a hidden one is sent nothing, and a snapshot on return. */
  hide(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.send?.(wire.visible(!hidden));
  }

  // Requests

  /** Ask for the turn. */
  drive(): void {
    this.send?.(wire.request({ request: "drive" }));
  }

  /** Give the turn to another client. */
  grant(id: number): void {
    this.send?.(wire.request({ request: "grant", id }));
  }

  /** Ask for any answer: an `alive` event. */
  askForLife(): void {
    this.send?.(wire.request({ request: "alive" }));
  }

  rename(name: string): void {
    this.name = name;
    this.send?.(wire.request({ request: "name", name }));
  }

  // Reloads

  keep(): Kept | null {
    if (this.client === "") return null;
    return { client: this.client, start: this.typed.start, typed: [...this.typed.rest] };
  }

  restore(kept: Kept): void {
    this.client = kept.client;
    this.typed.restore(kept.start, Uint8Array.from(kept.typed));
  }
}

function areEqual(one: wire.Size | null, other: wire.Size | null): boolean {
  return one?.rows === other?.rows && one?.cols === other?.cols;
}
