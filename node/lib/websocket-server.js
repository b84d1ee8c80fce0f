'use strict';

/**
 * `WebSocketServer`: decides over upgrade requests, and keeps the connections that come of them.
 */

const EventEmitter = require('events');
const http = require('http');

const acceptKey = require('./accept-key');
const { CLOSE_TIMEOUT, kWebSocket } = require('./constants');
const broadcast = require('./broadcast');
const extension = require('./extension');
const { heartbeatInterval } = require('./heartbeat');
const PerMessageDeflate = require('./permessage-deflate');
const subprotocol = require('./subprotocol');
const upgradeFields = require('./upgrade-fields');
const WebSocket = require('./websocket');

const KEY = /^[+/0-9A-Za-z]{22}==$/;

const RUNNING = 0;
const CLOSING = 1;
const CLOSED = 2;

const DEFAULTS = {
  allowSynchronousEvents: true,
  autoPong: true,
  backlog: null,
  clientTracking: true,
  closeTimeout: CLOSE_TIMEOUT,
  handleProtocols: null,
  host: null,
  maxBufferedChunks: 256 * 1024,
  maxFragments: 16 * 1024,
  maxPayload: 100 * 1024 * 1024,
  maxPendingAutoPongs: 60,
  noServer: false,
  path: null,
  perMessageDeflate: false,
  port: null,
  server: null,
  skipUTF8Validation: false,
  verifyClient: null,
  WebSocket
};

/**
 * A server: on a port of its own, on an HTTP(S) server that exists already, or on none (`noServer`),
 * where upgrade requests are handed to `handleUpgrade`.
 *
 * ```js
 * const wss = new WebSocketServer({ port: 8080 });
 * wss.on('connection', (ws, request) => {
 *   ws.on('error', console.error);
 *   ws.on('message', (data) => console.log('received: %s', data));
 * });
 * ```
 *
 * Events: `connection` (ws, request), `listening`, `headers` (headers, request), `wsClientError` (error,
 * socket, request), `error`, `close`.
 */
class WebSocketServer extends EventEmitter {
  /**
   * @param {object} options exactly one of `port`, `server` and `noServer`; the others are described
   *   with their types in `index.d.ts`
   * @param {Function} [callback] a listener for `listening`; only with `port`
   * @throws {TypeError} without one of the three, or with several
   */
  constructor(options, callback) {
    super();
    options = { ...DEFAULTS, ...options };
    const given = [options.port != null, Boolean(options.server), Boolean(options.noServer)];
    if (given.filter(Boolean).length !== 1) {
      throw new TypeError('One and only one of the "port", "server", or "noServer" options must be specified');
    }

    heartbeatInterval(options.heartbeat);

    if (options.port != null) {
      this._server = http.createServer(upgradeRequired);
      this._server.listen(options.port, options.host, options.backlog, callback);
    } else if (options.server) {
      this._server = options.server;
    }
    if (this._server) this._removeListeners = attach(this, this._server);

    if (options.perMessageDeflate === true) options.perMessageDeflate = {};
    if (options.clientTracking) {
      this.clients = new Set();
      this._shouldEmitClose = false;
    }
    this.options = options;
    this._state = RUNNING;
  }

  /**
   * Where the server listens, as `net.Server.address()` tells; `null` once it is closed.
   *
   * @throws {Error} with `noServer`
   */
  address() {
    if (this.options.noServer) throw new Error('The server is operating in "noServer" mode');
    return this._server ? this._server.address() : null;
  }

  /**
   * Accepts nothing more. The connections that exist are left as they are; `close` comes when the last
   * of them has ended.
   *
   * @param {(error?: Error) => void} [callback] a listener for `close`; gets an error if the server had
   *   been closed before
   */
  close(callback) {
    if (this._state === CLOSED) {
      if (callback) this.once('close', () => callback(new Error('The server is not running')));
      process.nextTick(emitClose, this);
      return;
    }
    if (callback) this.once('close', callback);
    if (this._state === CLOSING) return;
    this._state = CLOSING;

    const server = this._server;
    if (server) {
      this._removeListeners();
      this._removeListeners = this._server = null;
    }
    if (!this.options.noServer && !this.options.server) {
      // A server of our own closes when its last connection does.
      server.close(() => emitClose(this));
    } else if (this.clients && this.clients.size > 0) {
      this._shouldEmitClose = true;
    } else {
      process.nextTick(emitClose, this);
    }
  }

  /**
   * Whether a request is for this server: its path is the one asked for. May be overridden.
   *
   * @param {http.IncomingMessage} request the upgrade request
   * @returns {boolean}
   */
  shouldHandle(request) {
    if (!this.options.path) return true;
    const { url } = request;
    const query = url.indexOf('?');
    return (query === -1 ? url : url.slice(0, query)) === this.options.path;
  }

  /**
   * Decides over an upgrade request, and answers it.
   *
   * @param {http.IncomingMessage} request the request
   * @param {import('stream').Duplex} socket its socket
   * @param {Buffer} head what came after the request
   * @param {(ws: WebSocket, request: http.IncomingMessage) => void} callback called once it is open
   */
  handleUpgrade(request, socket, head, callback) {
    socket.on('error', destroyIt);

    let fields = upgradeFields(request);
    const fault = faultOf(request.method, fields);
    if (fault) {
      refuse(this, request, socket, fault);
      return;
    }
    if (!this.shouldHandle(request)) {
      abortHandshake(socket, 400);
      return;
    }

    if (this.shouldHandle !== shouldHandle) {
      // A program's own may have changed what is offered.
      const { protocol, extensions } = upgradeFields(request);
      fields = { ...fields, protocol, extensions };
    }
    const offer = readOffer(fields, this.options);
    if (offer.fault) {
      refuse(this, request, socket, { status: 400, message: offer.fault });
      return;
    }

    const { options } = this;
    const complete = () =>
      this.completeUpgrade(offer.extensions, fields.key, offer.protocols, request, socket, head, callback);
    if (!options.verifyClient) {
      complete();
    } else if (options.verifyClient.length === 2) {
      options.verifyClient(infoOf(request, fields), (verified, status, message, headers) => {
        if (verified) complete();
        else abortHandshake(socket, status || 401, message, headers);
      });
    } else if (options.verifyClient(infoOf(request, fields))) {
      complete();
    } else {
      abortHandshake(socket, 401);
    }
  }

  /**
   * Answers 101 and opens the connection.
   *
   * @throws {Error} if it is called twice for one socket
   */
  completeUpgrade(extensions, key, protocols, request, socket, head, callback) {
    // The client has gone already.
    if (!socket.readable || !socket.writable) return socket.destroy();
    if (socket[kWebSocket]) {
      throw new Error(
        'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration'
      );
    }
    if (this._state > RUNNING) return abortHandshake(socket, 503);

    const ws = new this.options.WebSocket(null, undefined, this.options);
    const headers = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptKey(key)}`
    ];
    const protocol = chooseProtocol(this.options, protocols, request);
    if (protocol) {
      headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
      ws._protocol = protocol;
    }
    const { extensionName } = PerMessageDeflate;
    if (extensions[extensionName]) {
      const agreed = extension.format({ [extensionName]: [extensions[extensionName].params] });
      headers.push(`Sec-WebSocket-Extensions: ${agreed}`);
      ws._extensions = extensions;
    }
    this.emit('headers', headers, request);

    socket.write(`${headers.join('\r\n')}\r\n\r\n`);
    socket.removeListener('error', destroyIt);
    const { allowSynchronousEvents, maxBufferedChunks, maxFragments, maxPayload, skipUTF8Validation } = this.options;
    ws.setSocket(socket, head, {
      allowSynchronousEvents,
      maxBufferedChunks,
      maxFragments,
      maxPayload,
      skipUTF8Validation
    });
    if (this.clients) track(this, ws);
    callback(ws, request);
  }

  /**
   * Sends a message to every open connection; it is framed once, and compressed once for those with the
   * same window.
   *
   * It is compressed at once, without the context of earlier messages, if it is no shorter than `threshold`;
   * what a connection sends next does not refer to what was sent before the broadcast.
   *
   * @param {*} data as of `WebSocket.send`, but no Blob: what it holds is not there at once
   * @param {object} [options]
   * @param {WebSocket|Iterable<WebSocket>} [options.except] who does not get it
   * @param {boolean} [options.binary] overrides what `data` is sent as
   * @param {boolean} [options.compress=true] compress it, where that was negotiated
   * @returns {number} how many connections it was sent to
   * @throws {Error} with `clientTracking: false`: the server does not know its connections then
   */
  broadcast(data, options) {
    if (!this.clients) throw new Error('broadcast needs the option "clientTracking"');
    return broadcast(this.clients, data, options);
  }
}

const { shouldHandle } = WebSocketServer.prototype;

function upgradeRequired(request, response) {
  const body = http.STATUS_CODES[426];
  response.writeHead(426, { 'Content-Length': body.length, 'Content-Type': 'text/plain' });
  response.end(body);
}

/** Listens to an HTTP server; returns what ends that. */
function attach(wss, server) {
  const connected = wss.emit.bind(wss, 'connection');
  const listeners = Object.entries({
    listening: wss.emit.bind(wss, 'listening'),
    error: wss.emit.bind(wss, 'error'),
    upgrade: (request, socket, head) => wss.handleUpgrade(request, socket, head, connected)
  });
  for (const [event, listener] of listeners) server.on(event, listener);
  return () => {
    for (const [event, listener] of listeners) server.removeListener(event, listener);
  };
}

/** What is wrong with a request (RFC 6455 §4.2.1), if anything is. */
function faultOf(method, { upgrade, key, version }) {
  if (method !== 'GET') return { status: 405, message: 'Invalid HTTP method' };
  if (upgrade === undefined || upgrade.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'Invalid Upgrade header' };
  }
  if (key === undefined || !KEY.test(key)) {
    return { status: 400, message: 'Missing or invalid Sec-WebSocket-Key header' };
  }
  if (![13, 8].includes(Number(version))) {
    return {
      status: 400,
      message: 'Missing or invalid Sec-WebSocket-Version header',
      headers: { 'Sec-WebSocket-Version': '13, 8' }
    };
  }
}

/** What the client offers, with what is accepted of it, or what is wrong with it. */
function readOffer(fields, options) {
  let protocols = new Set();
  if (fields.protocol !== undefined) {
    try {
      protocols = subprotocol.parse(fields.protocol);
    } catch {
      return { fault: 'Invalid Sec-WebSocket-Protocol header' };
    }
  }

  const extensions = {};
  if (options.perMessageDeflate && fields.extensions !== undefined) {
    const { extensionName } = PerMessageDeflate;
    try {
      const offers = extension.parse(fields.extensions)[extensionName];
      if (offers) {
        const settings = { ...options.perMessageDeflate, isServer: true, maxPayload: options.maxPayload };
        const deflate = new PerMessageDeflate(settings);
        deflate.accept(offers);
        extensions[extensionName] = deflate;
      }
    } catch {
      return { fault: 'Invalid or unacceptable Sec-WebSocket-Extensions header' };
    }
  }
  return { protocols, extensions };
}

/** What `verifyClient` is told. */
function infoOf(request, { version }) {
  return {
    origin: request.headers[Number(version) === 8 ? 'sec-websocket-origin' : 'origin'],
    secure: Boolean(request.socket.authorized || request.socket.encrypted),
    req: request
  };
}

/** The subprotocol to speak: by default the first that the client offers. */
function chooseProtocol(options, protocols, request) {
  if (protocols.size === 0) return undefined;
  if (options.handleProtocols) return options.handleProtocols(protocols, request);
  const [first] = protocols;
  return first;
}

function track(wss, ws) {
  wss.clients.add(ws);
  ws.on('close', () => {
    wss.clients.delete(ws);
    if (wss._shouldEmitClose && wss.clients.size === 0) process.nextTick(emitClose, wss);
  });
}

function emitClose(wss) {
  wss._state = CLOSED;
  wss.emit('close');
}

function destroyIt() {
  this.destroy();
}

/** Refuses a request that is none of a WebSocket; a listener for `wsClientError` does so itself. */
function refuse(wss, request, socket, { status, message, headers }) {
  if (wss.listenerCount('wsClientError') === 0) {
    abortHandshake(socket, status, message, headers);
    return;
  }
  const error = new Error(message);
  Error.captureStackTrace(error, refuse);
  wss.emit('wsClientError', error, socket, request);
}

/** Answers with a status and closes the socket. */
function abortHandshake(socket, status, message = http.STATUS_CODES[status], headers = {}) {
  const body = message || http.STATUS_CODES[status];
  const all = {
    Connection: 'close',
    'Content-Type': 'text/html',
    'Content-Length': Buffer.byteLength(body),
    ...headers
  };
  // What a program puts into a header may come from the client: it must not begin another.
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`.replace(/[\r\n]+/g, ' '));
  socket.once('finish', socket.destroy);
  socket.end([`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
}

module.exports = WebSocketServer;
