/** The terminal's colours; style.css has those of the page around it. */

import type { ITheme } from "@xterm/xterm";

export const THEME: ITheme = {
  background: "#12151a",
  foreground: "#d7dce2",
  cursor: "#d7dce2",
  cursorAccent: "#12151a",
  selectionBackground: "#34506b",
  scrollbarSliderBackground: "#ffffff1c",
  scrollbarSliderHoverBackground: "#ffffff33",
  scrollbarSliderActiveBackground: "#ffffff4d",
  black: "#2b323b",
  red: "#e2777a",
  green: "#8fd19e",
  yellow: "#e2c27d",
  blue: "#7fb2e5",
  magenta: "#c59ae0",
  cyan: "#79c8cc",
  white: "#c3cad2",
  brightBlack: "#69747f",
  brightRed: "#f0979a",
  brightGreen: "#b0e3bb",
  brightYellow: "#f0d9a3",
  brightBlue: "#a5cdf2",
  brightMagenta: "#dabcf0",
  brightCyan: "#a3dfe2",
  brightWhite: "#f1f4f7",
};
