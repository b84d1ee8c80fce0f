'use strict';

// What may be said: tokens, close codes, text; what a Blob is, and what a limit.

const { isValidUTF8 } = require('./codec');
const { isValidStatusCode } = require('./codec/close-code');
const { hasBlob } = require('./constants');

/** 1 for each character that a token may have, by its code (RFC 9110 §5.6.2). */
const tokenChars = Array.from({ length: 128 }, (_, code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)) ? 1 : 0
);

/**
 * Tells whether a value is a `Blob` or a `File`, of this platform or of a library.
 *
 * @param {*} value
 * @returns {boolean}
 */
function isBlob(value) {
  return (
    hasBlob &&
    typeof value === 'object' &&
    value !== null &&
    typeof value.arrayBuffer === 'function' &&
    typeof value.type === 'string' &&
    typeof value.stream === 'function' &&
    (value[Symbol.toStringTag] === 'Blob' || value[Symbol.toStringTag] === 'File')
  );
}

/**
 * Gives an option that limits something its form: a whole number, or 0 for no limit.
 *
 * @param {*} value
 * @returns {number}
 */
function toLimit(value) {
  return value > 0 ? Math.floor(value) : 0;
}

module.exports = { isBlob, isValidStatusCode, isValidUTF8, toLimit, tokenChars };
