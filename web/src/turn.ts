/** Whose turn it is, in the bar: who drives, a button to ask, buttons to give. Text, never HTML. */

import { describeTurn, type Company } from "./company";

export class TurnBar {
  private readonly element = document.getElementById("turn")!;
  private readonly text = document.createElement("span");
  private isHinting = false;
  private shown = "";

  constructor(
    private readonly drive: () => void,
    private readonly grant: (id: number) => void,
  ) {
    this.text.setAttribute("role", "status");
  }

  show(company: Company, mayType: boolean): void {
    const turn = describeTurn(company, mayType);
    this.element.hidden = turn === null;
    document.body.toggleAttribute("data-one-driver", turn !== null);
    if (turn === null) return;
    if (!company.isDrivenByAnother) this.isHinting = false;
    const text = turn.text + (this.isHinting ? ": your keys are not sent" : "");
    const isYours = company.driver?.isYou === true;
    const offers = turn.grants.map(({ id, name }) => [id, name]);
    const shown = JSON.stringify([text, turn.mayAsk, offers, isYours]);
    // Lists come often: a button that is replaced under the finger is not clicked.
    if (shown === this.shown) return;
    this.shown = shown;
    this.text.textContent = this.element.title = text;
    this.element.toggleAttribute("data-yours", isYours);
    this.element.toggleAttribute("data-hint", this.isHinting);
    const buttons = turn.grants.map(({ id, name }) =>
      button(`Let ${name} drive`, () => this.grant(id)),
    );
    if (turn.mayAsk) buttons.push(button("Ask to drive", this.drive));
    this.element.replaceChildren(this.text, ...buttons);
  }

  /** Somebody typed whose turn it is not. */
  hint(company: Company): void {
    if (this.isHinting) return;
    this.isHinting = true;
    this.show(company, true);
  }
}

function button(label: string, onClick: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  // The terminal keeps the focus: whoever gets the turn types at once.
  button.onpointerdown = (event) => event.preventDefault();
  button.onclick = onClick;
  return button;
}
