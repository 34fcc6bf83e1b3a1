/** Sizes: how many cells a window holds, and how large a font shows a session in it. Pure. */

import type { Size } from "./wire";

/** CSS pixels. */
export interface Box {
  width: number;
  height: number;
}

export const SMALLEST_FONT = 6;
const STEP = 0.5;
const LEAST: Size = { rows: 2, cols: 2 };
/** The server's limits. */
const MOST: Size = { rows: 1000, cols: 2000 };

/** Return the cells that fit into `window`; null when it is not laid out. */
export function fit(window: Box, cell: Box): Size | null {
  const isLaidOut = [window.width, window.height, cell.width, cell.height].every((px) => px > 0);
  if (!isLaidOut) return null;
  return {
    rows: clamp(Math.floor(window.height / cell.height), LEAST.rows, MOST.rows),
    cols: clamp(Math.floor(window.width / cell.width), LEAST.cols, MOST.cols),
  };
}

/**
 * Return the largest font, at most `font`, in which `size` should fit into `window`.
 *
 * `cell` is a cell's box in `font`. Cells are rounded to the screen's pixels, so the answer is to
 * be measured and taken down a step until it does fit. Below the smallest font one scrolls.
 */
export function fontFor(size: Size, window: Box, cell: Box, font: number): number {
  const scale = Math.min(
    1,
    window.width / (size.cols * cell.width),
    window.height / (size.rows * cell.height),
  );
  return Math.max(SMALLEST_FONT, scale === 1 ? font : Math.floor((font * scale) / STEP) * STEP);
}

export function smaller(font: number): number {
  return Math.max(SMALLEST_FONT, font - STEP);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
