/**
 * A session without a terminal: nobody there echoes, edits lines or makes signals of keys, so the
 * page does what the kernel's line discipline does (termios(3), canonical mode).
 */

import type { Attachment } from "./attachment";

export class Pipes {
  private line = "";

  constructor(
    private readonly attachment: Pick<Attachment, "type" | "signal" | "endInput">,
    private readonly echo: (text: string) => void,
  ) {}

  type(data: string): void {
    if (data.startsWith("\x1b")) return; // arrows and the like edit nothing here
    for (const key of data) this.onKey(key);
  }

  private onKey(key: string): void {
    switch (key) {
      case "\x03":
        this.line = "";
        this.echo("^C\r\n");
        this.attachment.signal("INT");
        break;
      case "\x04":
        if (this.line === "") this.attachment.endInput();
        else this.send("");
        break;
      case "\x7f":
        if (this.line !== "") this.echo("\b \b");
        this.line = [...this.line].slice(0, -1).join("");
        break;
      case "\r":
      case "\n":
        this.echo("\r\n");
        this.send("\n");
        break;
      default:
        this.line += key;
        this.echo(key);
    }
  }

  private send(end: string): void {
    this.attachment.type(this.line + end);
    this.line = "";
  }
}
