'use strict';

/**
 * Tells whether a Close frame may carry a code (RFC 6455 §7.4 and the IANA registry).
 *
 * @param {number} code
 * @returns {boolean}
 */
function isValidStatusCode(code) {
  // 1004 is reserved; 1005, 1006 and 1015 are never sent.
  if (code < 1015) return code >= 1000 && (code < 1004 || code > 1006);
  return code >= 3000 && code <= 4999;
}

module.exports = { isValidStatusCode };
