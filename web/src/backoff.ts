/** How long to wait before the next attempt, in milliseconds: 50, 100, … 2000, then the same. */

export const FIRST_MS = 50;
export const LONGEST_MS = 2000;

export class Backoff {
  private delay = FIRST_MS;

  /** `random` is in [0, 1): it keeps a hundred pages from coming back in one instant. */
  constructor(private readonly random: () => number = Math.random) {}

  next(): number {
    const delay = this.delay;
    this.delay = Math.min(2 * delay, LONGEST_MS);
    return delay * (0.8 + 0.4 * this.random());
  }

  reset(): void {
    this.delay = FIRST_MS;
  }
}
