'use strict';

// Octets in the forms that callers have and want.

// The global of this name is looked up with a getter.
const { Buffer } = require('buffer');

const { EMPTY_BUFFER } = require('./constants');

/** The class behind `Buffer`: a view for less than half of what `buf.subarray()` costs. */
const FastBuffer = Buffer[Symbol.species];

/**
 * Joins buffers; a single one is returned as it is.
 *
 * @param {Buffer[]} list
 * @param {number} length of all together
 * @returns {Buffer}
 */
function concat(list, length) {
  if (list.length === 0) return EMPTY_BUFFER;
  if (list.length === 1) return list[0];
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (const buffer of list) {
    joined.set(buffer, at);
    at += buffer.length;
  }
  return joined;
}

/**
 * Makes an `ArrayBuffer` that has nothing but the octets of a buffer.
 *
 * @param {Buffer} buffer
 * @returns {ArrayBuffer}
 */
function toArrayBuffer(buffer) {
  const { buffer: memory, byteOffset, length } = buffer;
  return length === memory.byteLength ? memory : memory.slice(byteOffset, byteOffset + length);
}

/**
 * Makes a `Buffer` of what a caller wants to send.
 *
 * `toBuffer.readOnly` tells afterwards whether the octets belong to the caller, and must not be
 * written to.
 *
 * @param {*} data
 * @returns {Buffer}
 * @throws {TypeError} for what is not octets, text or a list
 */
function toBuffer(data) {
  toBuffer.readOnly = true;
  if (Buffer.isBuffer(data)) return data;
  if (data instanceof ArrayBuffer) return new FastBuffer(data);
  if (ArrayBuffer.isView(data)) return new FastBuffer(data.buffer, data.byteOffset, data.byteLength);
  toBuffer.readOnly = false;
  return Buffer.from(data);
}

toBuffer.readOnly = true;

module.exports = { FastBuffer, concat, toArrayBuffer, toBuffer };
