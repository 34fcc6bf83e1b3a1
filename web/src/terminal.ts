/** The terminal: xterm.js as a `Screen`, with WebGL where there is WebGL. */

import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal as Xterm } from "@xterm/xterm";
import type { Screen } from "./attachment";
import type { Clipboard } from "./clipboard";
import type { Box } from "./geometry";
import { THEME } from "./theme";
import { VERSION, Widths } from "./widths";
import { encodeText, type Size } from "./wire";

/** CAN ends a sequence that was cut off, which a reset of xterm.js does not (ECMA-48). */
const CANCEL = Uint8Array.of(0x18);
const NOTHING = new Uint8Array(0);
const RED = encodeText("\x1b[31m");
const PLAIN = encodeText("\x1b[39m");
const SCROLLBACK = 5000;

export class Terminal implements Screen {
  readonly xterm: Xterm;

  constructor(
    private readonly host: HTMLElement,
    font: number,
  ) {
    this.xterm = new Xterm({
      allowProposedApi: true, // for the widths
      cursorBlink: true,
      fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
      fontSize: font,
      scrollback: SCROLLBACK,
      theme: THEME,
      linkHandler: { activate: (_event, uri) => followLink(uri), allowNonHttpProtocols: false },
    });
    this.xterm.unicode.register(new Widths());
    this.xterm.unicode.activeVersion = VERSION;
    this.xterm.open(host);
    Object.assign(host, { xterm: this.xterm }); // for the browser's console, and for tests
  }

  /** Draw with WebGL, and fall back to elements where it is missing or goes away. */
  useWebgl(): void {
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => this.useElements(webgl));
      this.xterm.loadAddon(webgl);
      this.host.dataset["renderer"] = "webgl";
    } catch {
      // The addon throws whatever the browser's lack of WebGL made it throw.
      this.host.dataset["renderer"] = "elements";
    }
  }

  private useElements(webgl: WebglAddon): void {
    webgl.dispose();
    this.host.dataset["renderer"] = "elements";
  }

  /** Hand OSC 52 to the clipboard; what stands in history was copied when it was new. */
  connectClipboard(clipboard: Clipboard, isLive: () => boolean): void {
    this.xterm.parser.registerOscHandler(52, (data) => {
      if (isLive()) clipboard.take(data);
      return true;
    });
  }

  // Screen: xterm.js takes bytes now and renders them later, so everything else waits its turn
  // behind an empty write.

  write(data: Uint8Array, stderr: boolean, rendered: () => void): void {
    if (stderr) this.xterm.write(RED);
    this.xterm.write(data, stderr ? undefined : rendered);
    if (stderr) this.xterm.write(PLAIN, rendered);
  }

  resize(size: Size): void {
    this.inTurn(() => {
      const { rows, cols } = this.xterm;
      if (rows !== size.rows || cols !== size.cols) this.xterm.resize(size.cols, size.rows);
    });
  }

  clear(): void {
    this.xterm.write(CANCEL);
    this.inTurn(() => this.xterm.reset());
  }

  inTurn(action: () => void): void {
    this.xterm.write(NOTHING, action);
  }

  // Looks

  get font(): number {
    return this.xterm.options.fontSize ?? 0;
  }

  set font(font: number) {
    if (font !== this.font) this.xterm.options.fontSize = font;
  }

  /** The box of the whole screen in CSS pixels, as it is drawn now. */
  get box(): Box {
    const style = this.host.querySelector<HTMLElement>(".xterm-screen")?.style;
    return { width: parseFloat(style?.width ?? ""), height: parseFloat(style?.height ?? "") };
  }

  get cell(): Box {
    const { width, height } = this.box;
    return { width: width / this.xterm.cols, height: height / this.xterm.rows };
  }
}

/** Links that a program marked (OSC 8) open when clicked, after the user saw where they lead. */
function followLink(uri: string): void {
  if (!/^https?:\/\//i.test(uri)) return;
  if (confirm(`The program's link leads to\n\n${uri}\n\nOpen it in a new tab?`)) {
    open(uri, "_blank", "noopener,noreferrer");
  }
}
