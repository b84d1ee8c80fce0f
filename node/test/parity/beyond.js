/**
 * What this package has and `ws` has not: left out where shapes are compared.
 */
'use strict';

module.exports = new Set(['WebSocket.codec', 'WebSocket.prototype.sendAsync', 'WebSocketServer.prototype.broadcast']);
