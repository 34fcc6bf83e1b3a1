/**
 * The connection: opens WebSockets for an attachment, one after the other, until there is an end.
 *
 * Any loss is answered by coming back; nothing is lost with a socket but the socket.
 */

import type { Attachment } from "./attachment";
import { Backoff } from "./backoff";
import * as wire from "./wire";

export type State =
  | { name: "connecting" | "connected" | "reconnecting" }
  | { name: "restarting" | "ended"; status: number }
  | { name: "refused"; reason: string };

/** Silence until the user is told: a server that is replaced, or a program, is back in 0.2 s. */
const NOTICE_MS = 500;
const HELLO_WITHIN_MS = 10_000;
/** How often we look whether the silence is one of the network. */
const LOOK_MS = 5_000;
/** Silence after which we ask whether a server is reachable at all, with typing on its way. */
const TYPING_MS = 5_000;
/** Silence after which the server is asked for a word on this connection: we see no pings. */
const ASK_MS = 15_000;
/** Silence after which the connection is dead; looked for every five seconds, so within 45. */
const DEAD_MS = 40_000;
/** Refusals in a row that are believed: the first may be a server that is just starting. */
const BELIEVED = 2;

const REASONS: Record<number, string> = {
  1002: "The connection broke the protocol.",
  1003: "The connection broke the protocol.",
  1007: "The connection broke the protocol.",
  1009: "A message was too large.",
  4001: "The server refused",
  4002: "The connection broke the protocol.",
  4003: "You were disconnected: the link was withdrawn.",
  4004: "There is no such session.",
};

export class Connection {
  private socket: WebSocket | null = null;
  private readonly backoff = new Backoff();
  private retry: ReturnType<typeof setTimeout> | undefined;
  private notice: ReturnType<typeof setTimeout> | undefined;
  private isTold = false;
  private refusals = 0;
  private heardAt = Date.now();
  private hasAsked = false;
  private lookedAt = Date.now();
  private isOver = false;

  /**
   * `url` is the WebSocket's, `healthz` the page that answers when a server is there.
   * The token travels in the subprotocol alone: URLs get into logs.
   */
  constructor(
    private readonly url: string,
    private readonly healthz: string,
    private readonly token: string,
    private readonly attachment: Attachment,
    private readonly tell: (state: State) => void,
  ) {
    setInterval(() => this.look(), LOOK_MS);
  }

  open(): void {
    if (this.socket !== null || this.isOver) return;
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url, [wire.SUBPROTOCOL, wire.TOKEN_PREFIX + this.token]);
    this.socket = socket;
    let wasOpen = false;
    const late = setTimeout(() => this.lose(socket), HELLO_WITHIN_MS);
    const send = (message: Uint8Array): void => socket.send(message as Uint8Array<ArrayBuffer>);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      wasOpen = true;
      send(this.attachment.greeting());
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.heard();
      const wrong =
        data instanceof ArrayBuffer
          ? this.attachment.receive(wire.decode(data), send)
          : "a text message";
      if (wrong !== null) {
        socket.close(wire.CLOSE_VIOLATION);
        this.end({ name: "refused", reason: `The server sent ${wrong}.` });
      } else if (this.attachment.isAttached) {
        clearTimeout(late);
        this.onAttached();
      }
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(late);
      if (socket === this.socket) this.onClose(code, reason, wasOpen);
    };
  }

  /** Give the connection up and open another: it is not believed in any more. */
  renew(): void {
    if (this.isOver) return;
    if (this.socket !== null) this.lose(this.socket);
    this.open();
  }

  private onAttached(): void {
    const { status, restartStatus } = this.attachment;
    if (status !== null) {
      this.end({ name: "ended", status });
      return;
    }
    if (restartStatus !== null) {
      this.tellLater({ name: "restarting", status: restartStatus });
      return;
    }
    if (this.isTold) return;
    this.isTold = true;
    this.refusals = 0;
    this.backoff.reset();
    clearTimeout(this.notice);
    this.notice = undefined;
    this.tell({ name: "connected" });
  }

  private onClose(code: number, reason: string, wasOpen: boolean): void {
    this.detach();
    const words = REASONS[code];
    if (this.attachment.status !== null) {
      this.end({ name: "ended", status: this.attachment.status });
    } else if (words !== undefined) {
      this.end({ name: "refused", reason: code === 4001 ? `${words}: ${reason}.` : words });
    } else if (wasOpen) {
      this.comeBack();
    } else {
      void this.explain();
    }
  }

  /**
   * A handshake failed, and a browser does not say why: ask whether a server is there at all.
   * One that answers and yet refuses does not like the token.
   */
  private async explain(): Promise<void> {
    const isThere = await this.isServerThere();
    this.refusals += isThere ? 1 : 0;
    if (this.refusals >= BELIEVED) {
      const reason = "This link is not accepted: it expired or was withdrawn.";
      this.end({ name: "refused", reason });
    } else {
      this.comeBack();
    }
  }

  private async isServerThere(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(HELLO_WITHIN_MS);
      return (await fetch(this.healthz, { cache: "no-store", signal })).ok;
    } catch {
      return false; // a network error or the timeout: fetch has no finer answer
    }
  }

  private lose(socket: WebSocket): void {
    if (socket !== this.socket) return;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
    this.detach();
    this.comeBack();
  }

  private detach(): void {
    this.socket = null;
    this.attachment.lost();
    this.isTold = false;
  }

  private comeBack(): void {
    if (this.isOver) return;
    this.tellLater({ name: "reconnecting" });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), this.backoff.next());
  }

  /** Tell why nothing comes, if it goes on; what was the reason first stays it. */
  private tellLater(state: State): void {
    this.notice ??= setTimeout(() => this.tell(state), NOTICE_MS);
  }

  private heard(): void {
    this.heardAt = Date.now();
    this.hasAsked = false;
  }

  /** Find a network that went away without a word: a browser shows us no pings. */
  private look(): void {
    const now = Date.now();
    // A hidden tab is looked at once a minute (timers are throttled), which is no sleep.
    const slept = !document.hidden && now - this.lookedAt > 3 * LOOK_MS;
    this.lookedAt = now;
    const socket = this.socket;
    if (!this.attachment.isAttached || socket === null) return;
    const silence = now - this.heardAt;
    if (slept) {
      this.renew(); // the machine was asleep: what it held open then is not open now
    } else if (silence >= DEAD_MS && this.hasAsked) {
      this.lose(socket);
    } else if (silence >= ASK_MS && !this.hasAsked) {
      this.hasAsked = true;
      this.attachment.askForLife();
    } else if (silence >= TYPING_MS && this.attachment.isWaiting && !document.hidden) {
      void this.isServerThere().then((isThere) => {
        if (!isThere) this.lose(socket);
      });
    }
  }

  /** The tab is looked at again: the time that it was hidden was no sleep. */
  woke(): void {
    this.lookedAt = Date.now();
    this.look();
  }

  private end(state: State): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.notice);
    clearTimeout(this.retry);
    this.attachment.lost();
    this.tell(state);
  }
}
