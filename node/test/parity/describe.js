/**
 * Values as text, so that equal behaviour gives equal text: octets in full, errors with name, message
 * and code, objects of the implementation by the name of their class.
 */
'use strict';

const { createHash } = require('node:crypto');
const { isAnyArrayBuffer } = require('node:util').types;

/**
 * @param {any} value Anything
 * @param {number} depth How deep it stands
 * @return {string} Its description
 */
function describe(value, depth = 0) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return `[function ${value.name}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Buffer.isBuffer(value)) return `Buffer(${octets(value)})`;
  if (ArrayBuffer.isView(value)) {
    return `${value.constructor.name}(${octets(
      Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    )})`;
  }
  if (isAnyArrayBuffer(value)) {
    return `${value.constructor.name}(${octets(Buffer.from(value))})`;
  }
  if (value instanceof Error) {
    const code = value.code === undefined ? '' : ` [${value.code}]`;

    return `${value.constructor.name}: ${value.message}${code}`;
  }
  if (Array.isArray(value)) {
    return `[${value.map((item) => describe(item, depth + 1)).join(', ')}]`;
  }
  if (value instanceof Set) {
    return `Set${describe([...value], depth + 1)}`;
  }

  const prototype = Object.getPrototypeOf(value);

  if (depth < 4 && (prototype === Object.prototype || prototype === null)) {
    return `{${Object.keys(value)
      .map((key) => `${key}: ${describe(value[key], depth + 1)}`)
      .join(', ')}}`;
  }

  return `[${value.constructor ? value.constructor.name : 'object'}]`;
}

function octets(buffer) {
  if (buffer.length <= 64) return buffer.toString('hex');
  const digest = createHash('sha1').update(buffer).digest('hex').slice(0, 12);

  return `${buffer.length} octets, ${digest}`;
}

module.exports = describe;
