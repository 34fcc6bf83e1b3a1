import { expect, test } from "vitest";
import { Company, describeTurn } from "../src/company";
import type { Fields } from "../src/wire";

const person = (id: number, fields: Fields = {}): Fields => ({
  id, name: `n${id}`, role: "control", typed: false, driver: false, asks: false, ...fields,
});

/** A company as number 1 sees it. */
function company(clients: Fields[], fields: Fields = {}): Company {
  const company = new Company();
  company.begin(1);
  company.take({ one_driver: true, count: clients.length, clients, ...fields });
  return company;
}

const DRIVES = { driver: true };
const ASKS = { asks: true };

test("where all may type nothing is told of turns", () => {
  const all = company([person(1), person(2, DRIVES)], { one_driver: false });
  expect(describeTurn(all, true)).toBeNull();
  expect(all.isDrivenByAnother).toBe(false);
});

test.each([
  ["who drives is told", [person(1, DRIVES), person(2)], true, "you drive", false, []],
  ["who does not may ask", [person(1), person(2, DRIVES)], true, "n2 drives", true, []],
  ["once", [person(1, ASKS), person(2, DRIVES)], true, "n2 drives, you asked", false, []],
  ["a viewer may not", [person(1), person(2, DRIVES)], false, "n2 drives", false, []],
  ["nobody's turn is anybody's", [person(1)], true, "nobody drives: who types does", false, []],
  ["but a viewer's", [person(1)], false, "nobody drives", false, []],
  ["the driver sees who asks", [person(1, DRIVES), person(2, ASKS)], true, "n2 asks to drive", false,
    [2]],
  ["of many, two", [person(1, DRIVES), person(2, ASKS), person(3, ASKS), person(4, ASKS)], true,
    "n2, n3 and 1 more ask to drive", false, [2, 3]],
  ["others do not", [person(1), person(2, DRIVES), person(3, ASKS)], true, "n2 drives", true, []],
  ["an owner may grant, too", [person(1, { role: "owner" }), person(2, DRIVES), person(3, ASKS)],
    true, "n3 asks to drive", true, [3]],
])("%s", (_name, clients, mayType, text, mayAsk, grants) => {
  const turn = describeTurn(company(clients), mayType)!;
  expect(turn.text).toBe(text);
  expect(turn.mayAsk).toBe(mayAsk);
  expect(turn.grants.map(({ id }) => id)).toEqual(grants);
});

test("a driver who is not in the list bars nobody, for the server knows", () => {
  const crowd = company([person(1), person(2)], { count: 300 });
  expect(crowd.isDrivenByAnother).toBe(false);
  expect(describeTurn(crowd, true)).toMatchObject({ text: "one drives at a time", mayAsk: true });
});

test("who asked first stands first, whatever the list's order", () => {
  const asked = company([person(1, DRIVES), person(2), person(3, ASKS)]);
  asked.take({
    one_driver: true, count: 3, clients: [person(1, DRIVES), person(2, ASKS), person(3, ASKS)],
  });
  expect(asked.asking.map(({ id }) => id)).toEqual([3, 2]);
});

test("garbage is nobody", () => {
  const empty = company([], { clients: "no", count: "many" });
  expect(empty.people).toEqual([]);
  expect(empty.count).toBe(0);
});
