// Feeds bytes to xterm.js and prints what its screens show: JSON in, JSON out.
//
// In: {widths: [[first, last, width], ...], cases: [{rows, cols, data (base64)}, ...]}.
// Out: a list of {cursor: [row, column], rows: [[chars, width, foreground, background, look], ...]}.
import headless from "@xterm/headless";
import { readFileSync } from "node:fs";

const { widths, cases } = JSON.parse(readFileSync(0, "utf8"));

function widthOf(point) {
  let low = 0;
  let high = widths.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last, width] = widths[middle];
    if (point < first) high = middle - 1;
    else if (point > last) low = middle + 1;
    else return width;
  }
  return 1;
}

// The widths of libghostty; the properties are packed as in addons/addon-unicode11.
const provider = {
  version: "ghostty",
  wcwidth: widthOf,
  charProperties(point, preceding) {
    let width = widthOf(point);
    let joins = width === 0 && preceding !== 0;
    if (joins) {
      const before = (preceding >> 1) & 3;
      if (before === 0) joins = false;
      else if (before > width) width = before;
    }
    return (width << 1) | (joins ? 1 : 0);
  },
};

const color = (isDefault, isPalette, value) =>
  isDefault ? null : isPalette ? [value] : [value >> 16, (value >> 8) & 255, value & 255];

const LOOKS = ["Bold", "Dim", "Italic", "Blink", "Inverse", "Invisible", "Strikethrough", "Overline", "Underline"];

function cellsOf(line, cols) {
  const cells = [];
  for (let x = 0; x < cols; x++) {
    const cell = line.getCell(x);
    cells.push([
      cell.getChars(),
      cell.getWidth(),
      color(cell.isFgDefault(), cell.isFgPalette(), cell.getFgColor()),
      color(cell.isBgDefault(), cell.isBgPalette(), cell.getBgColor()),
      LOOKS.filter((name) => cell[`is${name}`]()),
    ]);
  }
  return cells;
}

async function show({ rows, cols, data }) {
  const terminal = new headless.Terminal({ rows, cols, scrollback: 100000, allowProposedApi: true });
  terminal.unicode.register(provider);
  terminal.unicode.activeVersion = "ghostty";
  await new Promise((done) => terminal.write(Buffer.from(data, "base64"), done));
  const buffer = terminal.buffer.active;
  const shown = [];
  for (let y = 0; y < buffer.length; y++) shown.push(cellsOf(buffer.getLine(y), cols));
  const result = { cursor: [buffer.cursorY, buffer.cursorX], rows: shown };
  terminal.dispose();
  return result;
}

const results = [];
for (const each of cases) results.push(await show(each));
process.stdout.write(JSON.stringify(results));
