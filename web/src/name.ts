/** What others call us: asked for in a dialog, kept in the browser for every page of this origin. */

import { printable } from "./event";

/** The server's limit, in characters. */
export const NAME_LENGTH = 32;
const KEY = "ptyd.name";

/** Return a name as the server would show it; empty when nothing is left of it. */
export function cleanName(name: string): string {
  return [...printable(name, name.length)].slice(0, NAME_LENGTH).join("").trim();
}

export class Name {
  private readonly dialog = document.getElementById("rename") as HTMLDialogElement;
  private readonly input = document.getElementById("rename-name") as HTMLInputElement;

  /** `renamed` is told a new name, `done` that the dialog is gone. */
  constructor(renamed: (name: string) => void, done: () => void) {
    document.getElementById("rename-no")!.onclick = () => this.dialog.close("");
    this.dialog.onclose = () => {
      const name = cleanName(this.input.value);
      if (this.dialog.returnValue === "yes" && name !== "") {
        localStorage.setItem(KEY, name);
        renamed(name);
      }
      done();
    };
  }

  /** The name that was chosen earlier, or nothing. */
  get kept(): string {
    return cleanName(localStorage.getItem(KEY) ?? "");
  }

  ask(current: string): void {
    this.input.value = current;
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.input.select();
  }
}
