'use strict';

/** What bundlers for browsers get: a browser has a WebSocket of its own. */
module.exports = function () {
  throw new Error('hybi does not work in the browser. Browser clients must use the native WebSocket object');
};

// By each name it says the same.
module.exports.createWebSocketStream = module.exports;
module.exports.extension = module.exports;
module.exports.PerMessageDeflate = module.exports;
module.exports.Receiver = module.exports;
module.exports.Sender = module.exports;
module.exports.Server = module.exports;
module.exports.subprotocol = module.exports;
module.exports.WebSocket = module.exports;
module.exports.WebSocketServer = module.exports;
