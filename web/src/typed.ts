/**
 * What the user typed and the server has not acknowledged, by position.
 *
 * Positions count the bytes that one client ever typed. Sending again from the position that the
 * server asks for is harmless, so nothing is lost or typed twice across a lost connection.
 */

/** Bytes that may be sent and not acknowledged. */
export const WINDOW = 64 << 10;
const SLICE = 16 << 10;

export class Typed {
  /** The position of the first byte that is not acknowledged. */
  start = 0;
  /** The position up to which bytes are on their way. */
  sent = 0;
  private data: Uint8Array = new Uint8Array(0);
  private isHeld = false;

  /** Bytes that are not acknowledged. */
  get waiting(): number {
    return this.data.length;
  }

  /** All that is not acknowledged, to be kept for a reload of the page. */
  get rest(): Uint8Array {
    return this.data;
  }

  add(data: Uint8Array): void {
    const joined = new Uint8Array(this.data.length + data.length);
    joined.set(this.data);
    joined.set(data, this.data.length);
    this.data = joined;
  }

  /** Go on with what an earlier page left: the bytes from `start` on, `sent` of them sent. */
  restore(start: number, data: Uint8Array): void {
    this.start = this.sent = start;
    this.data = data;
  }

  /** Return what is to be sent next; null when there is nothing, or the window is full. */
  take(): { position: number; data: Uint8Array } | null {
    if (this.isHeld) return null;
    const first = this.sent - this.start;
    const data = this.data.slice(first, Math.min(first + SLICE, WINDOW));
    if (data.length === 0) return null;
    const position = this.sent;
    this.sent += data.length;
    return { position, data };
  }

  /** The program's terminal has what lies before `position`. */
  acknowledge(position: number): void {
    const done = Math.min(position, this.sent) - this.start;
    if (done <= 0) return;
    this.data = this.data.subarray(done);
    this.start += done;
  }

  /**
   * The program has ended, and another follows: what was not acknowledged is for that. Nothing is
   * sent until the server says where it goes on.
   */
  hold(): void {
    this.isHeld = true;
    this.sent = this.start;
  }

  /**
   * The server goes on at `position`; the rest is sent again.
   *
   * Return how many bytes may not have arrived: 0 unless the server contradicts itself.
   */
  resume(position: number): number {
    const end = this.start + this.data.length;
    if (this.isHeld || position < this.start || position > end) {
      return this.restart(position);
    }
    this.sent = Math.max(this.sent, position);
    this.acknowledge(position);
    this.sent = position;
    return 0;
  }

  /**
   * The server does not know us: count from `position`, and send only what was never sent.
   *
   * Return how many bytes may not have arrived. They are not sent again, because they may have.
   */
  restart(position: number): number {
    const unsure = this.sent - this.start;
    this.isHeld = false;
    this.data = this.data.subarray(unsure);
    this.start = this.sent = position;
    return unsure;
  }
}
