'use strict';

/**
 * `WebSocketServer.broadcast`: one message for many connections, framed once.
 */

const { extensionName } = require('./permessage-deflate');
const Sender = require('./sender');
const { toBuffer } = require('./buffers');
const { OPEN } = require('./states');

const TEXT = 1;
const BINARY = 2;

/**
 * @param {Iterable<import('./websocket')>} clients to whom
 * @param {*} data what
 * @param {object} [options] as of `WebSocketServer.broadcast`
 * @returns {number} how many connections it was sent to
 */
function broadcast(clients, data, { except, binary = typeof data !== 'string', compress = true } = {}) {
  const message = toBuffer(typeof data === 'number' ? String(data) : data);
  const opcode = binary ? BINARY : TEXT;
  const frame = Buffer.concat(
    Sender.frame(message, { fin: true, rsv1: false, opcode, mask: false, readOnly: true })
  );
  const excluded = new Set(except == null || Symbol.iterator in except ? except : [except]);

  let sent = 0;
  for (const ws of clients) {
    if (ws.readyState !== OPEN || excluded.has(ws)) continue;
    const compressed = compress && ws._extensions[extensionName] !== undefined;
    if (compressed || !ws._sender.sendEncoded(frame)) ws.send(message, { binary, compress });
    sent++;
  }
  return sent;
}

module.exports = broadcast;
