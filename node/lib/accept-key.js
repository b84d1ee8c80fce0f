'use strict';

// The answer to a `Sec-WebSocket-Key`.

const crypto = require('crypto');

const { GUID } = require('./constants');

/**
 * Tells what `Sec-WebSocket-Accept` has to say (RFC 6455 §4.2.2).
 *
 * @param {string} key the value of `Sec-WebSocket-Key`
 * @returns {string}
 */
function acceptKey(key) {
  // Node has this since 20.12 and 21.7; an object of the class `Hash` costs three times as much.
  if (crypto.hash !== undefined) return crypto.hash('sha1', key + GUID, 'base64');
  return crypto.createHash('sha1').update(key + GUID).digest('base64');
}

module.exports = acceptKey;
