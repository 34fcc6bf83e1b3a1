/**
 * OSC 52: a program puts text on the clipboard of whoever looks at its terminal.
 *
 * Reading is never answered: it would type the user's clipboard into the program. Writing happens
 * once the user has allowed it, for as long as the page lives.
 */

const MOST_BASE64 = 1 << 20;

export type Ask = (question: string, yes: string, onYes: () => void) => void;

export class Clipboard {
  private isAllowed = false;

  constructor(
    private readonly ask: Ask,
    private readonly tell: (text: string) => void,
  ) {}

  /** Take the data of an OSC 52 sequence: `Pc ; Pd`, Pd in base64 or a question mark. */
  take(data: string): void {
    const text = decode(data.slice(data.indexOf(";") + 1));
    if (text === null) return;
    if (this.isAllowed) {
      this.write(text);
      return;
    }
    const question = `The program wants to copy ${text.length} characters to your clipboard.`;
    this.ask(question, "Allow", () => {
      this.isAllowed = true;
      this.write(text);
    });
  }

  private write(text: string): void {
    // Only on pages from https or this machine is there a clipboard (Secure Contexts).
    const clipboard = navigator.clipboard as typeof navigator.clipboard | undefined;
    if (clipboard === undefined) {
      this.tell("Browsers give pages without TLS no clipboard: the text was not copied.");
      return;
    }
    clipboard.writeText(text).catch(() => this.tell("The browser did not allow the copy."));
  }
}

/** Return the text of base64 of UTF-8; null for a read, for nothing and for garbage. */
export function decode(base64: string): string | null {
  if (base64 === "" || base64 === "?" || base64.length > MOST_BASE64) return null;
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

