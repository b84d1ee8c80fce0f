'use strict';

// UTF-8 (RFC 3629) in JavaScript: of a whole buffer, and of text that comes in pieces.

const { isUtf8 } = require('buffer');

/** Below this length a call into C++, with the view that it needs, costs more than a loop. */
const NATIVE_FROM = 128;

const FastBuffer = Buffer[Symbol.species];

// What the octets so far ask for. The number of continuation octets that are owed is `state & 3`;
// the other bits name a narrower range for the next one, which excludes overlong forms,
// surrogates and what lies above U+10FFFF.
const DONE = 0;
const INVALID = -1;
const AFTER_E0 = 4 | 2;
const AFTER_ED = 8 | 2;
const AFTER_F0 = 12 | 3;
const AFTER_F4 = 16 | 3;

/**
 * Walks over octets.
 *
 * @param {Uint8Array} octets
 * @param {number} i the first
 * @param {number} end one past the last
 * @param {number} state what the octets before them have asked for
 * @returns {number} the state after them; `DONE` between characters, `INVALID` for ever
 */
function walk(octets, i, end, state) {
  while (i < end) {
    if (state === DONE) {
      // Most of most texts is ASCII.
      while (i + 4 <= end && ((octets[i] | octets[i + 1] | octets[i + 2] | octets[i + 3]) & 0x80) === 0) i += 4;
      if (i === end) return DONE;
    }
    const octet = octets[i++];

    if (state === DONE) {
      if (octet < 0x80) continue;
      if (octet < 0xc2) return INVALID;
      if (octet < 0xe0) state = 1;
      else if (octet < 0xf0) state = octet === 0xe0 ? AFTER_E0 : octet === 0xed ? AFTER_ED : 2;
      else if (octet < 0xf5) state = octet === 0xf0 ? AFTER_F0 : octet === 0xf4 ? AFTER_F4 : 3;
      else return INVALID;
      continue;
    }

    if ((octet & 0xc0) !== 0x80) return INVALID;
    switch (state) {
      case AFTER_E0:
        if (octet < 0xa0) return INVALID;
        break;
      case AFTER_ED:
        if (octet > 0x9f) return INVALID;
        break;
      case AFTER_F0:
        if (octet < 0x90) return INVALID;
        break;
      case AFTER_F4:
        if (octet > 0x8f) return INVALID;
    }
    state = (state & 3) - 1;
  }
  return state;
}

/**
 * Walks over octets, the most of it in C++ where that pays and the platform has it (Node 18.14).
 */
function walkFast(octets, i, end, state) {
  if (isUtf8 === undefined || end - i < NATIVE_FROM) return walk(octets, i, end, state);

  // `isUtf8` knows no state: the character that began before is finished here first, and the
  // last one, which may be cut, is left to `walk`.
  while (state !== DONE) {
    state = walk(octets, i, i + 1, state);
    i++;
    if (state === INVALID) return INVALID;
  }
  let tail = end;
  while (tail > i && tail > end - 3 && (octets[tail - 1] & 0xc0) === 0x80) tail--;
  if (tail > i && octets[tail - 1] >= 0xc0) tail--;
  if (!isUtf8(view(octets, i, tail - i))) return INVALID;
  return walk(octets, tail, end, DONE);
}

/** As `subarray`, which is slower. */
function view(octets, offset, length) {
  return new FastBuffer(octets.buffer, octets.byteOffset + offset, length);
}

/**
 * Tells whether a buffer is UTF-8.
 *
 * @param {Uint8Array} buffer
 * @returns {boolean}
 */
function isValidUTF8(buffer) {
  return isValidRange(buffer, 0, buffer.length);
}

/**
 * Tells whether a part of a buffer is UTF-8.
 *
 * @param {Uint8Array} buffer
 * @param {number} offset
 * @param {number} length
 * @returns {boolean}
 */
function isValidRange(buffer, offset, length) {
  if (isUtf8 === undefined || length < NATIVE_FROM) {
    return walk(buffer, offset, offset + length, DONE) === DONE;
  }
  return isUtf8(length === buffer.length ? buffer : view(buffer, offset, length));
}

/** Checks a text that comes in pieces, and says no at the first piece that is wrong. */
class Utf8Validator {
  constructor() {
    this._state = DONE;
  }

  /**
   * Takes the next piece of the text.
   *
   * @param {Uint8Array} piece
   * @param {boolean} last the text ends here, and the next piece begins another
   * @returns {boolean} false if no text can begin like this, or end like this
   */
  push(piece, last) {
    return this.pushRange(piece, 0, piece.length, last);
  }

  pushRange(buffer, offset, length, last) {
    const state =
      this._state === INVALID ? INVALID : walkFast(buffer, offset, offset + length, this._state);
    this._state = last ? DONE : state;
    return last ? state === DONE : state !== INVALID;
  }
}

module.exports = { Utf8Validator, isValidRange, isValidUTF8 };
