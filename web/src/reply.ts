/**
 * A terminal answers queries as if the user typed. History that is shown again may hold queries
 * that were answered long ago, so until it is rendered such answers are not sent.
 */

// xterm.js hands over each answer alone and whole: position and status reports (CPR, DSR), device
// attributes (DA), modes and window reports (DECRPM, XTWINOPS), focus, and control strings (DCS,
// OSC). Shift-F3 in xterm looks like a cursor position report and shares its fate.
const REPLY = /^\x1b(?:\[[?>=]?[0-9;]*(?:\$y|[Rncut])|\[[IO]|[P\]_][^\x07\x1b]*(?:\x1b\\|\x07))$/;

/** Tell whether `data`, as xterm.js handed it over, can only be an answer. */
export function isReply(data: string): boolean {
  return REPLY.test(data);
}
