'use strict';

/**
 * `WebSocketServer.broadcast`: one message for many connections, framed once and compressed once.
 */

const zlib = require('zlib');

const { extensionName } = require('./permessage-deflate');
const Sender = require('./sender');
const { toBuffer } = require('./buffers');
const { OPEN } = require('./states');

const TEXT = 1;
const BINARY = 2;
/** The bit in the first octet of a frame that says: compressed (RFC 7692 §6). */
const RSV1 = 0x40;

/** The end of a flush, which is not sent (RFC 7692 §7.2.1). */
const TAIL_LENGTH = 4;
/** The smallest window that zlib can compress for. */
const MIN_WINDOW_BITS = 9;

/** A message in the forms in which connections want it, each made when it is first wanted. */
class Encoded {
  #message;
  #opcode;
  #plain = null;
  #compressed = new Map();

  constructor(message, opcode) {
    this.#message = message;
    this.#opcode = opcode;
  }

  /** @returns {Buffer} the frame, not compressed */
  plain() {
    this.#plain ??= this.#frame(this.#message, false);
    return this.#plain;
  }

  /**
   * @param {import('./permessage-deflate')} deflate what was negotiated
   * @returns {Buffer|null} the frame; null if it has to be made for this connection alone
   */
  compressedFor(deflate) {
    if (this.#message.length < deflate._threshold) return this.plain();
    const windowBits = deflate.params.server_max_window_bits ?? 15;
    if (windowBits < MIN_WINDOW_BITS) return null;

    if (!this.#compressed.has(windowBits)) {
      const deflated = zlib.deflateRawSync(this.#message, {
        ...deflate._options.zlibDeflateOptions,
        windowBits,
        finishFlush: zlib.constants.Z_SYNC_FLUSH
      });
      const smaller = deflated.length - TAIL_LENGTH < this.#message.length;
      const frame = smaller ? this.#frame(deflated.subarray(0, -TAIL_LENGTH), true) : this.plain();
      this.#compressed.set(windowBits, frame);
    }
    return this.#compressed.get(windowBits);
  }

  #frame(payload, rsv1) {
    return Buffer.concat(Sender.frame(payload, { fin: true, rsv1, opcode: this.#opcode, mask: false }));
  }
}

/**
 * @param {Iterable<import('./websocket')>} clients to whom
 * @param {*} data what
 * @param {object} [options] as of `WebSocketServer.broadcast`
 * @returns {number} how many connections it was sent to
 */
function broadcast(clients, data, { except, binary, compress = true } = {}) {
  if (typeof data === 'number') data = String(data);
  binary ??= typeof data !== 'string';
  const message = toBuffer(data);
  const encoded = new Encoded(message, binary ? BINARY : TEXT);
  const excluded = new Set(except == null || Symbol.iterator in except ? except : [except]);

  let sent = 0;
  for (const ws of clients) {
    if (ws.readyState !== OPEN || excluded.has(ws)) continue;
    const deflate = compress ? ws._extensions[extensionName] : undefined;
    const frame = deflate ? encoded.compressedFor(deflate) : encoded.plain();
    if (frame !== null && ws._sender.sendEncoded(frame)) {
      // What comes later may refer to what this connection's own context knows: not to this message.
      if ((frame[0] & RSV1) !== 0) deflate.forgetSent();
    } else {
      ws.send(message, { binary, compress });
    }
    sent++;
  }
  return sent;
}

module.exports = broadcast;
