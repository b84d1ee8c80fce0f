'use strict';

/**
 * hybi: WebSocket client and server with the API of `ws`.
 *
 * For CommonJS: `const WebSocket = require('hybi')`; ES modules get `wrapper.mjs`.
 */

const codec = require('./lib/codec');
const WebSocket = require('./lib/websocket');

WebSocket.createWebSocketStream = require('./lib/stream');
WebSocket.extension = require('./lib/extension');
WebSocket.PerMessageDeflate = require('./lib/permessage-deflate');
WebSocket.Receiver = require('./lib/receiver');
WebSocket.Sender = require('./lib/sender');
WebSocket.Server = require('./lib/websocket-server');
WebSocket.subprotocol = require('./lib/subprotocol');
WebSocket.WebSocket = WebSocket;
WebSocket.WebSocketServer = WebSocket.Server;

// Which of the two parses frames here. Not enumerable, like what only says something about a class.
Object.defineProperty(WebSocket, 'codec', { value: codec.Inflate === null ? 'js' : 'native' });

module.exports = WebSocket;
