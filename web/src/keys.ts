/** The keys that a phone's keyboard lacks, in a bar below the terminal. */

/** What a key sends, and what it sends in application cursor mode (DECCKM) if that differs. */
const KEYS: [label: string, name: string, sends: string, inApplicationMode?: string][] = [
  ["esc", "Escape", "\x1b"],
  ["tab", "Tab", "\t"],
  ["ctrl", "Control", ""],
  ["←", "Left", "\x1b[D", "\x1bOD"],
  ["↓", "Down", "\x1b[B", "\x1bOB"],
  ["↑", "Up", "\x1b[A", "\x1bOA"],
  ["→", "Right", "\x1b[C", "\x1bOC"],
  ["|", "Pipe", "|"],
  ["~", "Tilde", "~"],
];

export class Keys {
  private control: HTMLButtonElement | null = null;

  constructor(bar: HTMLElement, type: (data: string, inApplicationMode: string) => void) {
    for (const [label, name, sends, other] of KEYS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", name);
      // The terminal keeps the focus, or the phone's keyboard would slide away at each tap.
      button.onpointerdown = (event) => event.preventDefault();
      if (sends === "") {
        this.control = button;
        button.onclick = () => this.hold(!this.isHeld);
      } else {
        button.onclick = () => type(sends, other ?? sends);
      }
      bar.append(button);
    }
  }

  /** Return what was typed, with the held control key if it is held. */
  withControl(data: string): string {
    if (!this.isHeld || data.length !== 1) return data;
    this.hold(false);
    return controlled(data);
  }

  private get isHeld(): boolean {
    return this.control?.getAttribute("aria-pressed") === "true";
  }

  private hold(held: boolean): void {
    this.control?.setAttribute("aria-pressed", String(held));
  }
}

/** Return the control character of a key, as keyboards have it: the low five bits. */
export function controlled(key: string): string {
  const code = key.toUpperCase().charCodeAt(0);
  if (key === " ") return "\0";
  return code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : key;
}
