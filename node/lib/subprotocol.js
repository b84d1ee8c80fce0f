'use strict';

// The header `Sec-WebSocket-Protocol` (RFC 6455 §11.3.4).

const HeaderReader = require('./header-reader');

/**
 * Parses the value of a header.
 *
 * @param {string} header `chat, superchat`
 * @returns {Set<string>} the names in order
 * @throws {SyntaxError} if the grammar does not allow it, or a name comes twice
 */
function parse(header) {
  const reader = new HeaderReader(header);
  const protocols = new Set();

  for (;;) {
    if (!reader.atStart) reader.skipSpace();
    const protocol = reader.token();
    const space = reader.skipSpace();
    const end = reader.atEnd && !space;
    // An error of the grammar comes first.
    if (!end && !reader.take(',')) throw reader.unexpected();
    if (protocols.has(protocol)) {
      throw new SyntaxError(`The "${protocol}" subprotocol is duplicated`);
    }
    protocols.add(protocol);
    if (end) return protocols;
  }
}

module.exports = { parse };
