"""The screen: what a session's terminal shows, as bytes that repaint it.

Law: for any prefix of any stream, feeding the snapshot and then the rest equals feeding everything.
It is tested cell by cell and mode by mode. What cannot hold, and why:

======================================  ========================================================
DECSCA (protected cells), OSC 133 marks  no bytes are written for them; both are rare, and neither
                                         is seen before an erase or a resize
``?40`` with ``?3`` (132 columns)        off for good: the program's terminal keeps its size
images (kitty, sixel)                    off: a query for them is not answered
wide text printed as line drawing        kept by libghostty as a wide blank nobody can print
a wrap below the scrolling region on     the flag alone; text and cursor are right, a later resize
the last row, or a stale "continues"     may flow that row differently
CBT at a pending wrap                    libghostty keeps the wrap pending in mid-row
a saved cursor (DECSC) at home           looks like none: a resize may move one and not the other
the primary's own cursor under 47, 1047  no call tells: a resize may flow what is beneath by it
``id=`` of a link                        no call tells; the URI is kept
erasing part of a blank or short row     in the scrollback only: three cells stand for such a row
with a colour
sequences longer than 512 KiB            have no effect
looks that take more than 16 MiB         left out, the characters stay: no message is larger; that
                                         is a screen of some 300,000 cells, each with its own
REP, joins with the character before     where the cursor was moved after it was printed
title stack (22 t, 23 t)                 unknown to libghostty
mode 2027, left and right margins        kept, but xterm.js knows neither
======================================  ========================================================
"""
