'use strict';

/** What bundlers for browsers get: a browser has a WebSocket of its own. */
module.exports = function () {
  throw new Error('hybi does not work in the browser. Browser clients must use the native WebSocket object');
};
