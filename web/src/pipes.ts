/** A session without a terminal: nobody there echoes, edits lines or makes signals of keys. */

import type { Attachment } from "./attachment";

/** Type `data` into three pipes; `echo` shows it. */
export function typeIntoPipes(
  data: string,
  attachment: Attachment,
  echo: (text: string) => void,
): void {
  if (data === "\x03") {
    attachment.signal("INT");
  } else if (data === "\x04") {
    attachment.endInput();
  } else if (!data.startsWith("\x1b")) {
    const lines = data.replaceAll("\r", "\n");
    attachment.type(lines);
    echo(lines);
  }
}
