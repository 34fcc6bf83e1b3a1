/** The bar above the terminal: how the connection is, and who else is here. Text, never HTML. */

import type { State } from "./connection";
import type { Company } from "./company";
import type { Person } from "./event";
import type { Size } from "./wire";

// What programs die of (signal(7)), where the number is the same on every Linux.
const SIGNALS: Record<number, string> = {
  1: "HUP",
  2: "INT",
  3: "QUIT",
  4: "ILL",
  6: "ABRT",
  8: "FPE",
  9: "KILL",
  11: "SEGV",
  13: "PIPE",
  14: "ALRM",
  15: "TERM",
};

export function describe(state: State): string {
  switch (state.name) {
    case "connecting":
      return "connecting…";
    case "connected":
      return "connected";
    case "reconnecting":
      return "reconnecting…";
    case "restarting":
      return `restarting after ${describeStatus(state.status)}…`;
    case "ended":
      return `ended with ${describeStatus(state.status)}`;
    case "refused":
      return "disconnected";
  }
}

function describeStatus(status: number): string {
  const signal = SIGNALS[status - 128];
  return `status ${status}${signal === undefined ? "" : ` (SIG${signal})`}`;
}

export class Status {
  private readonly state = element("state");
  private readonly name = element("name");
  private readonly size = element("size");
  private readonly people = element("people");
  private readonly role = element("role");
  private readonly notice = element("notice");
  private readonly yes = element("notice-yes");
  private onYes = (): void => undefined;
  private readonly own = document.createElement("li");
  private readonly ownName = document.createElement("button");
  private you: Person | undefined;
  private rename = (_name: string): void => undefined;

  constructor() {
    element("notice-no").onclick = () => this.tell("");
    this.ownName.type = "button";
    this.ownName.onclick = () => {
      if (this.you !== undefined) this.rename(this.you.name);
    };
    this.own.toggleAttribute("data-you", true);
    this.own.append(this.ownName);
    this.yes.onclick = () => {
      this.tell("");
      this.onYes();
    };
  }

  show(state: State): void {
    this.state.dataset["state"] = document.body.dataset["state"] = state.name;
    this.state.textContent = describe(state);
    if (state.name === "refused") this.tell(state.reason);
  }

  showName(name: string): void {
    this.name.textContent = name;
  }

  showRole(role: string): void {
    this.role.hidden = role !== "view";
  }

  /** Tell the session's size where it is not the window's own. */
  showSize(session: Size, window: Size | null): void {
    const isOwn = window?.rows === session.rows && window.cols === session.cols;
    this.size.textContent = isOwn ? "" : `${session.cols}×${session.rows}`;
    document.body.toggleAttribute("data-other-size", !isOwn);
  }

  /** Show who is here; `rename` is for a click on one's own name. */
  showPeople({ people, count }: Company, rename: (name: string) => void): void {
    this.you = people.find(({ isYou }) => isYou);
    this.rename = rename;
    const items = people.map((person) => {
      const item = person.isYou ? this.own : document.createElement("li");
      if (person.isYou) setText(this.ownName, `${person.name} (you)`);
      else item.textContent = person.name;
      item.toggleAttribute("data-typed", person.typed);
      item.toggleAttribute("data-drives", person.drives);
      item.title = describePerson(person);
      return item;
    });
    if (count > people.length) {
      const more = document.createElement("li");
      more.textContent = `and ${count - people.length} more`;
      items.push(more);
    }
    this.put(items);
  }

  /** Replace all but our own name: lists come often, and a click on what is replaced is lost. */
  private put(items: HTMLElement[]): void {
    const stays = items.includes(this.own) && this.own.parentElement === this.people;
    if (!stays) {
      this.people.replaceChildren(...items);
      return;
    }
    for (const child of [...this.people.children]) if (child !== this.own) child.remove();
    const place = items.indexOf(this.own);
    this.own.before(...items.slice(0, place));
    this.own.after(...items.slice(place + 1));
  }

  /** Say something below the bar until it is dismissed; nothing takes it away. */
  tell(text: string): void {
    this.notice.hidden = text === "";
    this.notice.firstElementChild!.textContent = text;
    this.yes.hidden = true;
  }

  /** The same with a button that does something. */
  ask(question: string, yes: string, onYes: () => void): void {
    this.tell(question);
    this.yes.textContent = yes;
    this.yes.hidden = false;
    this.onYes = onYes;
  }
}

function describePerson(person: Person): string {
  return [
    person.role === "view" ? "watches" : "may type",
    ...(person.drives ? ["drives"] : []),
    ...(person.asks ? ["asks to drive"] : []),
    ...(person.typed ? ["typed last"] : []),
    ...(person.isYou ? ["click to change your name"] : []),
  ].join(", ");
}

/** Change an element's text if it is another: a text node that is replaced loses clicks, too. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function element(id: string): HTMLElement {
  return document.getElementById(id)!;
}
