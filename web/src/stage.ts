/**
 * The stage: the place on the page for a terminal whose size is the session's, not ours.
 *
 * We wish for the size that fills the window. Where the session has another, the font shrinks until
 * all of it is seen; below the smallest font the stage scrolls. Nothing is ever cut off.
 */

import { fit, fontFor, smaller, SMALLEST_FONT, type Box } from "./geometry";
import type { Terminal } from "./terminal";
import type { Size } from "./wire";

/** A window that is being dragged, or a keyboard that slides in, has one size in the end. */
const SETTLE_MS = 80;

export class Stage {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly element: HTMLElement,
    private readonly terminal: Terminal,
    private readonly font: number,
    /** Told what would fill the window, after a change; it is to lay out. */
    private readonly wish: (size: Size | null) => void,
  ) {
    new ResizeObserver(() => this.onWindow()).observe(element);
    // Another zoom is another pixel ratio, and another rounding of cells.
    addEventListener("resize", () => this.onWindow());
  }

  /** Measure the window; return the size that would fill it, null while it is not shown. */
  measure(): Size | null {
    this.terminal.font = this.font;
    return fit(this.box(), this.terminal.cell);
  }

  /** Show the terminal as large as it fits. */
  layout(): void {
    const box = this.box();
    this.terminal.font = this.font;
    const size = { rows: this.terminal.xterm.rows, cols: this.terminal.xterm.cols };
    if (box.width <= 0 || box.height <= 0) return;
    this.terminal.font = fontFor(size, box, this.terminal.cell, this.font);
    while (!this.isWithin(box) && this.terminal.font > SMALLEST_FONT) {
      this.terminal.font = smaller(this.terminal.font);
    }
    this.element.toggleAttribute("data-scrolls", !this.isWithin(box));
  }

  private onWindow(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.wish(this.measure());
    }, SETTLE_MS);
  }

  private isWithin(box: Box): boolean {
    const { width, height } = this.terminal.box;
    return width <= box.width && height <= box.height;
  }

  private box(): Box {
    const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(this.element);
    const { width, height } = this.element.getBoundingClientRect();
    return {
      width: width - parseFloat(paddingLeft) - parseFloat(paddingRight),
      height: height - parseFloat(paddingTop) - parseFloat(paddingBottom),
    };
  }
}
