/** The events of ptyd.v1, checked: a server of another version may leave fields out. */

import type { Fields, Size } from "./wire";

export interface Hello {
  /** 32 hex digits: what makes a second connection the same client. */
  client: string;
  /** This client's number in lists of clients, on this connection. */
  id: number;
  epoch: number;
  role: string;
  tty: boolean;
  /** The position at which this client goes on typing. */
  input: number;
  /** Bytes before it that were typed at most once, when the server died. */
  doubt: number;
  /** The journal's end when hello was sent. */
  end: number;
  /** The offset of the first byte that follows. */
  from: number;
  /** Whether a snapshot comes first, and `from` stands for nothing that is on the screen. */
  snapshot: boolean;
  size: Size;
  name: string;
}

export interface Person {
  id: number;
  name: string;
  role: string;
  /** Whether this client was the last to type. */
  typed: boolean;
  /** Whose turn it is, where only one drives; and whether this client asks for it. */
  drives: boolean;
  asks: boolean;
  isYou: boolean;
}

export function number(fields: Fields, name: string, otherwise = 0): number {
  const value = fields[name];
  return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
}

/** Text for people: one line, of a length that fits, without control and direction characters. */
export function text(fields: Fields, name: string, limit = 80): string {
  const value = fields[name];
  return typeof value === "string" ? printable(value, limit) : "";
}

export function printable(value: string, limit: number): string {
  return value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "").slice(0, limit);
}

export function parseHello(fields: Fields): Hello {
  return {
    client: text(fields, "client"),
    id: number(fields, "id"),
    epoch: number(fields, "epoch"),
    role: text(fields, "role") || "view",
    tty: fields["tty"] !== false,
    input: number(fields, "input"),
    doubt: number(fields, "doubt"),
    end: number(fields, "end"),
    from: number(fields, "from"),
    snapshot: fields["snapshot"] === true,
    size: parseSize(fields),
    name: text(fields, "name"),
  };
}

export function parseSize(fields: Fields): Size {
  return { rows: number(fields, "rows", 24), cols: number(fields, "cols", 80) };
}

/** Parse a list of clients; `me` is the number in it that is ours. */
export function parsePeople(fields: Fields, me: number): Person[] {
  const { clients } = fields;
  if (!Array.isArray(clients)) return [];
  return clients
    .filter((each): each is Fields => typeof each === "object" && each !== null)
    .map((each) => ({
      id: number(each, "id"),
      name: text(each, "name", 64) || "someone",
      role: text(each, "role"),
      typed: each["typed"] === true,
      drives: each["driver"] === true,
      asks: each["asks"] === true,
      isYou: each["id"] === me,
    }));
}
