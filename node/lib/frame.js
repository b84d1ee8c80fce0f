'use strict';

// How a frame is laid out when it is sent (RFC 6455 §5.2).

/** The longest header: 2 octets, 8 of length, 4 of masking key. */
const MAX_HEADER = 14;

const FIN = 0x80;
const RSV1 = 0x40;
const MASK = 0x80;

/**
 * The length of a header.
 *
 * @param {number} length of the payload
 * @param {boolean} masked
 * @returns {number}
 */
function headerLength(length, masked) {
  return (length < 126 ? 2 : length < 65536 ? 4 : 10) + (masked ? 4 : 0);
}

/** The first octet of a frame with these `options`: `opcode`, `fin`, `rsv1`. */
function firstOctet(options) {
  return options.opcode | (options.fin ? FIN : 0) | (options.rsv1 ? RSV1 : 0);
}

/**
 * Writes a header.
 *
 * @param {Buffer} target
 * @param {number} at where it begins
 * @param {number} length of the payload
 * @param {object} options `opcode`, `fin`, `rsv1`
 * @param {Uint8Array|null} key the masking key, if the payload is masked
 * @returns {number} where the payload begins
 */
function writeHeader(target, at, length, options, key) {
  target[at] = firstOctet(options);
  const masked = key === null ? 0 : MASK;

  let end = at + 2;
  if (length < 126) {
    target[at + 1] = masked | length;
  } else if (length < 65536) {
    target[at + 1] = masked | 126;
    target[at + 2] = length >>> 8;
    target[at + 3] = length;
    end = at + 4;
  } else {
    target[at + 1] = masked | 127;
    target[at + 2] = target[at + 3] = 0;
    target.writeUIntBE(length, at + 4, 6);
    end = at + 10;
  }

  if (key === null) return end;
  target[end] = key[0];
  target[end + 1] = key[1];
  target[end + 2] = key[2];
  target[end + 3] = key[3];
  return end + 4;
}

module.exports = { MAX_HEADER, firstOctet, headerLength, writeHeader };
