/**
 * When to acknowledge: one ack for many messages, but one is due every 8 KiB, every 50 ms while
 * output flows, and when nothing more is at hand. The server measures our rate by them.
 */

export const EVERY_BYTES = 8 << 10;
export const EVERY_MS = 50;

export class Acks {
  private received = 0;
  private rendered = 0;
  private acked = 0;
  private ackedAt = -Infinity;

  /** Count anew from `offset`: another connection, or another place in the journal. */
  restart(offset: number): void {
    this.received = this.rendered = this.acked = offset;
  }

  get renderedTo(): number {
    return this.rendered;
  }

  /** A message that ends at `end` was handed to the terminal. */
  onReceived(end: number): void {
    this.received = end;
  }

  /** The terminal has rendered up to `end`. Return the offset to acknowledge now, if any. */
  onRendered(end: number, nowMs: number): number | null {
    this.rendered = Math.max(this.rendered, end);
    const due =
      this.rendered >= this.received ||
      this.rendered - this.acked >= EVERY_BYTES ||
      nowMs - this.ackedAt >= EVERY_MS;
    if (!due || this.rendered <= this.acked) return null;
    this.acked = this.rendered;
    this.ackedAt = nowMs;
    return this.acked;
  }
}
