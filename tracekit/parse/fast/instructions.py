"""What the matching machine can do: one row of five int32 an instruction, `op` and what it needs.

Sets are rows of a table of bytes, strings are places in one row of bytes. Where an instruction has a `first` set, the
byte that stands where matching goes on must be in it: what `re` would find out by trying.
"""

from __future__ import annotations

WIDTH = 5

MATCH = 0  # the end; exactly: 1 when the text must end here, too
STRING = 1  # place, length
BYTE = 2  # byte
SET = 3  # set
RUN = 4  # set, least, most, stops: as many bytes as there are, none given back; the only bytes that end it
GREEDY = 5  # set, least, most or endless, first: as many as there are, given back one by one
LAZY = 6  # set, least, most or endless, first: as few as possible
SPLIT = 7  # other, first, first of the other: go on here, or else at `other`
JUMP = 8  # target
SAVE = 9  # slot, once: remember the place, `once` unless one is remembered
HOLD = 10  # what is matched until KEEP is never matched in another way
AHEAD = 11  # -, first: what is matched until BACK must stand here, and is not taken
UNLESS = 12  # target, first: where what is matched until REFUSE does not stand here, go on at `target`
KEEP = 13
BACK = 14
REFUSE = 15
PEEK_SET = 16  # set, negated: the next byte is in it, or is not
PEEK_STRING = 17  # place, length, negated
AT_END = 18  # at the end, or at a newline that ends the text
AT_VERY_END = 19
BOUNDARY = 20  # negated: between a word and something else
SHAPE = 21  # place, length: one byte of each of these sets, whose numbers stand among the strings
FIELD = 22  # slot, once: instead of the SAVE of a group that is one RUN: this, the RUN and the other SAVE at once

NO_SET = -1
NO_STOPS = -1
UNBOUNDED = -1
ENDLESS = -2  # less the bytes at which to look: instead of `most` where that is UNBOUNDED
ANY_BYTE = 0  # number of the set of all bytes
