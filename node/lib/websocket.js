'use strict';

/**
 * `WebSocket`: one connection, of either side.
 *
 * What a program calls is here. How a client gets its socket is in `client-handshake`, how a server's is
 * upgraded in `websocket-server`, and what happens on an open socket in `connection`.
 */

const EventEmitter = require('events');

const { BINARY_TYPES, EMPTY_BUFFER } = require('./constants');
const { EventTarget, defineAttribute } = require('./event-target');
const { CONNECTING, OPEN, CLOSING, CLOSED, describe, NAMES } = require('./states');
const connection = require('./connection');
const { messages } = require('./messages');
const { Heartbeat, heartbeatInterval, kHeartbeat } = require('./heartbeat');
const { abortHandshake, connect } = require('./client-handshake');
const { extensionName } = require('./permessage-deflate');
const { toBuffer } = require('./buffers');
const { isBlob } = require('./validation');

const { kReceiver, kReceiverOptions } = connection;

const kSocket = Symbol('socket');

/**
 * A connection: a client when it is given a URL, a server's side when a `WebSocketServer` makes it.
 *
 * ```js
 * const ws = new WebSocket('ws://127.0.0.1:8080');
 * ws.on('error', console.error);
 * ws.on('open', () => ws.send('something'));
 * ws.on('message', (data) => console.log('received: %s', data));
 * ```
 *
 * Events: `open`, `message` (data, isBinary), `ping` and `pong` (data), `close` (code, reason), `error`;
 * of clients also `upgrade`, `redirect` and `unexpected-response`.
 */
class WebSocket extends EventEmitter {
  /**
   * @param {string|URL|null} address where to connect; `null` only for a server
   * @param {string|string[]|object} [protocols] subprotocols, the most wanted first; may be left out
   * @param {object} [options] see `docs` of the option types in `index.d.ts`
   * @throws {SyntaxError} for a URL that nobody can connect to, or a subprotocol that is none
   * @throws {RangeError} for a protocol version that is not spoken
   */
  constructor(address, protocols, options) {
    super();

    this._binaryType = BINARY_TYPES[0];
    this._closeCode = 1006;
    this._closeFrameReceived = false;
    this._closeFrameSent = false;
    this._closeMessage = EMPTY_BUFFER;
    this._closeTimer = null;
    this._errorEmitted = false;
    this._extensions = {};
    this[kHeartbeat] = null;
    // Something has come from the peer since the heartbeat looked.
    this._heard = false;
    this._paused = false;
    this._protocol = '';
    this._readyState = CONNECTING;
    this._sender = null;
    this[kReceiver] = null;
    this[kReceiverOptions] = null;
    this[kSocket] = null;

    if (address === null) {
      this._isServer = true;
    } else {
      this._bufferedAmount = 0;
      this._isServer = false;
      this._redirects = 0;
      const asked = subprotocolsAndOptions(protocols, options);
      // Before anything is begun: it may throw.
      heartbeatInterval(asked.options?.heartbeat);
      options = connect(this, address, asked.protocols, asked.options);
    }

    this._autoPong = Boolean(options.autoPong);
    this._pendingAutoPongs = 0;
    this._maxPendingAutoPongs = options.maxPendingAutoPongs | 0;
    this._closeTimeout = options.closeTimeout;
    const interval = heartbeatInterval(options.heartbeat);
    if (interval > 0) this[kHeartbeat] = new Heartbeat(this, interval);
  }

  /**
   * The socket below; `null` before the handshake is over. What has been sent is written before
   * anybody else gets to use it.
   */
  get _socket() {
    if (this._sender !== null) this._sender.flush();
    return this[kSocket];
  }

  set _socket(socket) {
    this[kSocket] = socket;
  }

  /** What reads the messages; `null` before the handshake is over. */
  get _receiver() {
    return connection.receiverOf(this);
  }

  /** In which form binary data comes: `nodebuffer` (default), `arraybuffer`, `blob` or `fragments`. */
  get binaryType() {
    return this._binaryType;
  }

  set binaryType(type) {
    if (!BINARY_TYPES.includes(type)) return;
    this._binaryType = type;
    if (this[kReceiver]) this[kReceiver]._binaryType = type;
  }

  /**
   * Bytes that `send` has accepted and that are not yet with the operating system, which is given what has been
   * sent in this tick before they are counted.
   */
  get bufferedAmount() {
    const socket = this[kSocket];
    if (!socket) return this._bufferedAmount;
    this._sender.flush();
    return socket._writableState.length + this._sender._bufferedBytes;
  }

  /** The names of the extensions in use, separated by commas. */
  get extensions() {
    return Object.keys(this._extensions).join();
  }

  /** True after `pause`, until `resume`. */
  get isPaused() {
    return this._paused;
  }

  /** The subprotocol that the server chose, or an empty string. */
  get protocol() {
    return this._protocol;
  }

  /** `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`. */
  get readyState() {
    return this._readyState;
  }

  /** The URL that was connected to; `undefined` on the server's side. */
  get url() {
    return this._url;
  }

  /**
   * Begins to speak on a socket whose handshake is over. For servers of one's own making.
   *
   * @param {import('stream').Duplex} socket the socket
   * @param {Buffer} head what came after the handshake
   * @param {object} options `allowSynchronousEvents`, `generateMask`, `maxBufferedChunks`, `maxFragments`,
   *   `maxPayload` and `skipUTF8Validation`, without defaults
   */
  setSocket(socket, head, options) {
    connection.open(this, socket, head, options);
  }

  /** Tells that it is over. For servers of one's own making. */
  emitClose() {
    if (this[kSocket]) {
      this._extensions[extensionName]?.cleanup();
      this[kReceiver]?.removeAllListeners();
    }
    this[kHeartbeat]?.stop();
    this._readyState = CLOSED;
    this.emit('close', this._closeCode, this._closeMessage);
  }

  /**
   * Begins the closing handshake, or goes on with the one that the peer has begun; after
   * `closeTimeout` (default 30 s) the connection is cut.
   *
   * @param {number} [code] why, as in RFC 6455 §7.4; without it the peer sees 1005
   * @param {string|Buffer} [reason] the same in words, at most 123 bytes
   */
  close(code, reason) {
    if (this.readyState === CLOSED) return;
    if (this.readyState === CONNECTING) {
      abortHandshake(this, this._req, CLOSED_EARLY);
      return;
    }
    if (this.readyState === CLOSING) {
      if (this._closeFrameSent) connection.endIfAnswered(this);
      return;
    }
    this._sender.close(code, reason, !this._isServer, (error) => {
      // The socket's own listener deals with the error.
      if (error) return;
      this._closeFrameSent = true;
      connection.endIfAnswered(this);
    });
    this._readyState = CLOSING;
    connection.startCloseTimer(this);
  }

  /** Stops reading from the socket: how to slow a peer down. */
  pause() {
    if (this.readyState === CONNECTING || this.readyState === CLOSED) return;
    this._paused = true;
    this[kSocket].pause();
  }

  /** Goes on reading after `pause`. */
  resume() {
    if (this.readyState === CONNECTING || this.readyState === CLOSED) return;
    this._paused = false;
    if (!this[kReceiver]?._writableState.needDrain) this[kSocket].resume();
  }

  /**
   * Sends a ping; the answer is the event `pong`.
   *
   * @param {*} [data] at most 125 bytes, which come back
   * @param {boolean} [mask] whether it is masked; by default as the side demands
   * @param {(error?: Error) => void} [callback] called when it is with the operating system
   */
  ping(data, mask, callback) {
    control(this, 'ping', data, mask, callback);
  }

  /** Sends a pong that nobody has asked for; as `ping`. */
  pong(data, mask, callback) {
    control(this, 'pong', data, mask, callback);
  }

  /**
   * Sends a message, or with `fin: false` the beginning of one.
   *
   * @param {*} data a string is text; a `Buffer`, typed array, `ArrayBuffer` or `Blob` is binary
   * @param {object} [options]
   * @param {boolean} [options.binary] overrides what `data` is sent as
   * @param {boolean} [options.compress=true] compress it, where that was negotiated
   * @param {boolean} [options.fin=true] it is the last fragment of its message
   * @param {boolean} [options.mask] whether it is masked; by default as the side demands
   * @param {(error?: Error) => void} [callback] called when it is with the operating system
   * @throws {Error} while the connection is not open yet
   */
  send(data, options, callback) {
    if (this.readyState === CONNECTING) throw notOpenYet();
    if (typeof options === 'function') {
      callback = options;
      options = undefined;
    }
    if (typeof data === 'number') data = data.toString();
    if (this.readyState !== OPEN) {
      sendTooLate(this, data, callback);
      return;
    }
    const how = { binary: typeof data !== 'string', compress: true, fin: true, mask: !this._isServer };
    if (options) Object.assign(how, options);
    if (!this._extensions[extensionName]) how.compress = false;
    this._sender.send(data || EMPTY_BUFFER, how, callback);
  }

  /**
   * As `send`, with a promise instead of a callback. (`send` itself returns nothing, as in `ws`: a
   * promise that nobody looks at would turn every failed send into an unhandled rejection.)
   *
   * @param {*} data as of `send`
   * @param {object} [options] as of `send`
   * @returns {Promise<void>} fulfilled when the message is with the operating system, rejected when it
   *   cannot be sent
   */
  sendAsync(data, options) {
    return new Promise((resolve, reject) => {
      this.send(data, options, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Cuts the connection at once, without a closing handshake. */
  terminate() {
    if (this.readyState === CLOSED) return;
    if (this.readyState === CONNECTING) {
      abortHandshake(this, this._req, CLOSED_EARLY);
      return;
    }
    // The accessor: what was accepted before is written.
    const socket = this._socket;
    if (!socket) return;
    this._readyState = CLOSING;
    socket.destroy();
  }

  /**
   * The messages as they come: text as strings, binary data as `binaryType` has it.
   *
   * ```js
   * for await (const message of ws) console.log(message);
   * ```
   *
   * Reading slows down when the loop does. The loop gets what comes from the call on: of a server's connection, it
   * has to begin in the listener of `connection`, before anything is awaited.
   *
   * It ends when the peer has closed the connection, with whatever code (the event `close` tells it). It throws what
   * the event `error` has, and where the connection is cut (1006), an error with the code `WS_ERR_ABNORMAL_CLOSURE`
   * and `closeCode`. Leaving it early does not close the connection; what has come and was not taken is kept for the
   * next loop.
   *
   * @returns {AsyncIterableIterator<string|Buffer|ArrayBuffer|Blob|Buffer[]>}
   */
  [Symbol.asyncIterator]() {
    return messages(this);
  }
}

const CLOSED_EARLY = 'WebSocket was closed before the connection was established';

const notOpenYet = () => new Error(`WebSocket is not open: readyState ${describe(CONNECTING)}`);

/** `new WebSocket(url, protocols, options)`, in each of the ways that may be written. */
function subprotocolsAndOptions(protocols, options) {
  if (typeof protocols === 'object' && protocols !== null && !Array.isArray(protocols)) {
    options = protocols;
    protocols = undefined;
  }
  if (protocols === undefined) protocols = options?.protocols ?? (options?.protocols === null ? [null] : []);
  return { protocols: Array.isArray(protocols) ? protocols : [protocols], options };
}

function control(ws, method, data, mask, callback) {
  if (ws.readyState === CONNECTING) throw notOpenYet();
  if (typeof data === 'function') {
    callback = data;
    data = mask = undefined;
  } else if (typeof mask === 'function') {
    callback = mask;
    mask = undefined;
  }
  if (typeof data === 'number') data = data.toString();
  if (ws.readyState !== OPEN) {
    sendTooLate(ws, data, callback);
    return;
  }
  if (mask === undefined) mask = !ws._isServer;
  ws._sender[method](data || EMPTY_BUFFER, mask, callback);
}

/** What is sent after the end counts as buffered for good (as browsers have it), and is told. */
function sendTooLate(ws, data, callback) {
  if (data) {
    const length = isBlob(data) ? data.size : toBuffer(data).length;
    if (ws[kSocket]) ws._sender._bufferedBytes += length;
    else ws._bufferedAmount += length;
  }
  if (callback) {
    process.nextTick(callback, new Error(`WebSocket is not open: readyState ${describe(ws.readyState)}`));
  }
}

NAMES.forEach((name, value) => {
  Object.defineProperty(WebSocket, name, { enumerable: true, value });
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true, value });
});
for (const name of ['binaryType', 'bufferedAmount', 'extensions', 'isPaused', 'protocol', 'readyState', 'url']) {
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
}
for (const type of ['close', 'error', 'open', 'message']) defineAttribute(WebSocket.prototype, type);
WebSocket.prototype.addEventListener = EventTarget.addEventListener;
WebSocket.prototype.removeEventListener = EventTarget.removeEventListener;

module.exports = WebSocket;
