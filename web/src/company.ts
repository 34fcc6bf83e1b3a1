/** Who is on the session, and whose turn it is to type where only one drives. Pure. */

import { number, parsePeople, type Person } from "./event";
import type { Fields } from "./wire";

/** People who are named in one sentence; of more their number is said. */
export const NAMED = 2;

export class Company {
  oneDriver = false;
  /** Everybody, those included who are not listed. */
  count = 0;
  people: Person[] = [];
  /** Who asks to drive, ourselves apart, the first who asked first. */
  asking: Person[] = [];
  private me = 0;

  /** A connection begins: on it we have this number, and a list is still to come. */
  begin(me: number): void {
    this.me = me;
    this.people = [];
    this.asking = [];
    this.count = 0;
  }

  /** Take a `clients` event. */
  take(fields: Fields): void {
    this.people = parsePeople(fields, this.me);
    this.count = Math.max(number(fields, "count"), this.people.length);
    this.oneDriver = fields["one_driver"] === true;
    const before = this.asking.map(({ id }) => id);
    const place = ({ id }: Person): number =>
      before.includes(id) ? before.indexOf(id) : before.length;
    this.asking = this.people
      .filter((each) => each.asks && !each.isYou)
      .sort((one, other) => place(one) - place(other));
  }

  get driver(): Person | undefined {
    return this.oneDriver ? this.people.find((each) => each.drives) : undefined;
  }

  get you(): Person | undefined {
    return this.people.find((each) => each.isYou);
  }

  /** Whether what we type would be dropped. Where nobody drives, who types does. */
  get isDrivenByAnother(): boolean {
    return this.driver !== undefined && !this.driver.isYou;
  }

  get mayGrant(): boolean {
    return this.oneDriver && (this.you?.drives === true || this.you?.role === "owner");
  }
}

/** What is to be said of whose turn it is, and what can be done about it. */
export interface Turn {
  text: string;
  /** Whether to offer to ask for the turn. */
  mayAsk: boolean;
  /** Those to whom to offer it. */
  grants: Person[];
}

/** Return what to tell; null where everybody may type at once. */
export function describeTurn(company: Company, mayType: boolean): Turn | null {
  const { driver, asking, you } = company;
  if (!company.oneDriver) return null;
  if (company.mayGrant && asking.length > 0) {
    const verb = asking.length === 1 ? "asks" : "ask";
    return {
      text: `${enumerate(asking)} ${verb} to drive`,
      mayAsk: mayType && driver?.isYou !== true,
      grants: asking.slice(0, NAMED),
    };
  }
  const others = { grants: [], mayAsk: mayType && you?.asks !== true };
  if (driver === undefined && company.count > company.people.length) {
    return { ...others, text: "one drives at a time" }; // one who is not in the list
  }
  if (driver === undefined) {
    const text = mayType ? "nobody drives: who types does" : "nobody drives";
    return { text, mayAsk: false, grants: [] };
  }
  if (driver.isYou) return { text: "you drive", mayAsk: false, grants: [] };
  return { ...others, text: `${driver.name} drives${you?.asks === true ? ", you asked" : ""}` };
}

function enumerate(people: Person[]): string {
  const names = people.slice(0, NAMED).map(({ name }) => name);
  const more = people.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(" and ");
}
