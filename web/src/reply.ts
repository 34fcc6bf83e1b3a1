/**
 * A terminal answers queries as if the user typed. History that is shown again may hold queries
 * that were answered long ago, so until it is rendered such answers are not sent. And of all terminals on a
 * session the one that the server elected answers, no other.
 */

// xterm.js hands over each answer alone and whole: position and status reports (CPR, DSR), device
// attributes (DA), modes and window reports (DECRPM, XTWINOPS), focus, and control strings (DCS,
// OSC). Shift-F3 in xterm looks like a cursor position report and shares its fate.
const REPLY = /^\x1b(?:\[[?>=]?[0-9;]*(?:\$y|[Rncut])|\[[IO]|[P\]_][^\x07\x1b]*(?:\x1b\\|\x07))$/;

const MOUSE = /^\x1b\[[<M]/;

/** Tell whether `data` reports the mouse: nobody typed it. */
export function isMouse(data: string): boolean {
  return MOUSE.test(data);
}

/** Tell whether `data`, as xterm.js handed it over, can only be an answer. */
export function isReply(data: string): boolean {
  return REPLY.test(data);
}
