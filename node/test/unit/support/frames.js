'use strict';

// Octets for tests: frames built by the book (RFC 6455 §5.2), independent of the code under test.

/**
 * Builds one frame.
 *
 * @param {number} opcode
 * @param {Buffer|string} payload
 * @param {object} [options] `fin` (true), `rsv` (0 to 7), `mask` (four octets; absent: not masked)
 * @returns {Buffer}
 */
function frame(opcode, payload = '', { fin = true, rsv = 0, mask } = {}) {
  const octets = Buffer.from(payload);
  const length = octets.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const masked = mask ? 0x80 : 0;
  if (length < 126) head.push(masked | length);
  else if (length < 65536) head.push(masked | 126, length >> 8, length & 255);
  else head.push(masked | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  if (!mask) return Buffer.concat([Buffer.from(head), octets]);
  return Buffer.concat([Buffer.from([...head, ...mask]), octets.map((octet, i) => octet ^ mask[i & 3])]);
}

/** All ways that a test cuts octets: each into pieces of a size, and at each single place. */
function* cuttings(octets) {
  for (const size of [1, 2, 3, 5, 7, 64, 1000, octets.length]) {
    const pieces = [];
    for (let i = 0; i < octets.length; i += size) pieces.push(Buffer.from(octets.subarray(i, i + size)));
    yield pieces;
  }
  const step = Math.max(1, Math.floor(octets.length / 100));
  for (let at = 1; at < octets.length; at += step) {
    yield [Buffer.from(octets.subarray(0, at)), Buffer.from(octets.subarray(at))];
  }
}

module.exports = { cuttings, frame };
