'use strict';

// The table that a decoder describes a chunk in: four 32-bit words a record,
// `[kind | flags, offset, length, extra]`. The contract is the head comment of `js.js`.

module.exports = {
  /** Words of a record. */
  WORDS: 4,
  /** Records that the table holds; a chunk with more frames is decoded in several calls. */
  CAPACITY: 256,

  // The kind, in the low four bits of the first word.
  KIND: 0x0f,
  PIECE: 0x00,
  TEXT: 0x01,
  BINARY: 0x02,
  CLOSE: 0x08,
  PING: 0x09,
  PONG: 0x0a,
  ERROR: 0x0f,

  // The flags of a piece.
  FLAG_FIRST: 0x10,
  FLAG_TEXT: 0x20,
  FLAG_COMPRESSED: 0x40,
  FLAG_END_OF_FRAME: 0x80,
  FLAG_FIN: 0x100,

  // The flag of a control frame that came in several chunks: see `decoder.side`.
  FLAG_SIDE: 0x200
};
