/** Widths of characters as the server's screen has them; scripts/widths.py writes the table. */

import type { IUnicodeVersionProvider } from "@xterm/xterm";
import table from "./widths.json";

const UNICODE_END = 0x110000;

export const VERSION = "libghostty";

export class Widths implements IUnicodeVersionProvider {
  readonly version = VERSION;
  private readonly cells = new Uint8Array(UNICODE_END).fill(1);

  constructor() {
    for (const [width, runs] of Object.entries(table)) {
      for (const [first, last] of runs as [number, number][]) {
        this.cells.fill(Number(width), first, last + 1);
      }
    }
  }

  wcwidth(codePoint: number): 0 | 1 | 2 {
    return (this.cells[codePoint] ?? 1) as 0 | 1 | 2;
  }

  /**
   * What the parser needs to know of a character after another: a character without a width joins
   * the cell before it. The number is xterm.js' own: 3 bits, joins last (UnicodeService).
   */
  charProperties(codePoint: number, preceding: number): number {
    let width: number = this.wcwidth(codePoint);
    const before = (preceding >> 1) & 3;
    const joins = width === 0 && preceding !== 0 && before !== 0;
    if (joins) width = before;
    return (width << 1) | (joins ? 1 : 0);
  }
}
