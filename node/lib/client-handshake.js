'use strict';

/**
 * The client's side of the opening handshake: from a URL to an upgraded socket, over redirects.
 */

const https = require('https');
const http = require('http');
const net = require('net');
const querystring = require('querystring');
const tls = require('tls');
const { randomBytes } = require('crypto');

const acceptKey = require('./accept-key');
const { CLOSE_TIMEOUT } = require('./constants');
const extension = require('./extension');
const PerMessageDeflate = require('./permessage-deflate');
const { CONNECTING, CLOSING } = require('./states');

const VERSIONS = [8, 13];
const SUBPROTOCOL = /^[!#$%&'*+\-.0-9A-Z^_`|a-z~]+$/;
const DEFAULTS = {
  allowSynchronousEvents: true,
  autoPong: true,
  closeTimeout: CLOSE_TIMEOUT,
  followRedirects: false,
  maxBufferedChunks: 256 * 1024,
  maxFragments: 16 * 1024,
  maxPayload: 100 * 1024 * 1024,
  maxPendingAutoPongs: 60,
  maxRedirects: 10,
  perMessageDeflate: true,
  protocolVersion: 13,
  skipUTF8Validation: false
};

/** What the URL decides, whatever the options of `http.request` say. */
const DECIDED_HERE = {
  method: 'GET',
  host: undefined,
  hostname: undefined,
  path: undefined,
  port: undefined,
  protocol: undefined,
  protocols: undefined,
  socketPath: undefined,
  timeout: undefined
};

/** A request that was given up: its error has been told another way. */
const kAborted = Symbol('aborted');

/**
 * Starts to connect.
 *
 * @param {import('./websocket')} ws for whom
 * @param {string|URL} address the URL
 * @param {string[]} protocols subprotocols to offer
 * @param {object} [options] those of the constructor
 * @returns {object} the options with their defaults
 * @throws {SyntaxError} for a URL that nobody can connect to, or a subprotocol that is none
 * @throws {RangeError} for a protocol version that is not spoken
 */
function connect(ws, address, protocols, options) {
  const opts = { ...DEFAULTS, ...options, ...DECIDED_HERE };
  if (!VERSIONS.includes(opts.protocolVersion)) {
    throw new RangeError(
      `Unsupported protocol version: ${opts.protocolVersion} (supported versions: ${VERSIONS.join(', ')})`
    );
  }

  const url = parseUrl(address);
  ws._url = url.href;
  const fault = faultOf(url);
  if (fault) {
    const error = new SyntaxError(fault);
    if (ws._redirects === 0) throw error;
    emitErrorAndClose(ws, error);
    return;
  }

  const secure = url.protocol === 'wss:';
  const ipc = url.protocol === 'ws+unix:';
  const offer = {
    key: randomBytes(16).toString('base64'),
    protocols: checkedSubprotocols(protocols),
    deflate: opts.perMessageDeflate
      ? new PerMessageDeflate({ ...opts.perMessageDeflate, isServer: false, maxPayload: opts.maxPayload })
      : undefined
  };

  opts.createConnection ||= secure ? connectTls : connectNet;
  opts.defaultPort ||= secure ? 443 : 80;
  opts.port = url.port || (secure ? 443 : 80);
  opts.host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  opts.headers = handshakeHeaders(opts, offer, protocols);
  opts.path = url.pathname + url.search;
  opts.timeout = opts.handshakeTimeout;
  if (url.username || url.password) {
    opts.auth = `${querystring.unescape(url.username)}:${querystring.unescape(url.password)}`;
  }
  if (ipc) [opts.socketPath, opts.path] = socketAndPath(opts.path);

  if (opts.followRedirects) {
    options = { ...options, headers: lowerCased(ws._redirects === 0 ? options?.headers : options.headers) };
    const origin = { ipc, secure, host: ipc ? opts.socketPath : url.host };
    if (ws._redirects === 0) ws._origin = origin;
    else if (ws.listenerCount('redirect') === 0) dropSecrets(opts, ws._origin, origin);
    // As curl has it: the first `Authorization` stays, and the user of a URL is only heard once.
    if (opts.auth && !options.headers.authorization) {
      options.headers.authorization = `Basic ${Buffer.from(opts.auth).toString('base64')}`;
    }
  }

  const request = (secure ? https : http).request(opts);
  ws._req = request;
  // A listener may look at the request, change its headers, or destroy it.
  if (ws._redirects > 0) ws.emit('redirect', ws.url, request);
  listen(ws, request, opts, offer, (location) => redirect(ws, request, location, { address: url, protocols, options }));

  if (opts.finishRequest) opts.finishRequest(request, ws);
  else request.end();
  return opts;
}

function parseUrl(address) {
  let url = address;
  if (!(address instanceof URL)) {
    try {
      url = new URL(address);
    } catch {
      throw new SyntaxError(`Invalid URL: ${address}`);
    }
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return url;
  url = new URL(url);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url;
}

/** Why nobody can connect to a URL; `undefined` if one can. */
function faultOf(url) {
  if (!['ws:', 'wss:', 'ws+unix:'].includes(url.protocol)) {
    return 'The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"';
  }
  if (url.protocol === 'ws+unix:' && !url.pathname) return "The URL's pathname is empty";
  if (url.hash) return 'The URL contains a fragment identifier';
}

function checkedSubprotocols(protocols) {
  const checked = new Set();
  for (const protocol of protocols) {
    if (typeof protocol !== 'string' || !SUBPROTOCOL.test(protocol) || checked.has(protocol)) {
      throw new SyntaxError('An invalid or duplicated subprotocol was specified');
    }
    checked.add(protocol);
  }
  return checked;
}

function handshakeHeaders(opts, offer, protocols) {
  const headers = {
    ...opts.headers,
    'Sec-WebSocket-Version': opts.protocolVersion,
    'Sec-WebSocket-Key': offer.key,
    Connection: 'Upgrade',
    Upgrade: 'websocket'
  };
  if (offer.deflate) {
    headers['Sec-WebSocket-Extensions'] = extension.format({
      [PerMessageDeflate.extensionName]: offer.deflate.offer()
    });
  }
  if (protocols.length > 0) headers['Sec-WebSocket-Protocol'] = protocols.join(',');
  if (opts.origin) headers[opts.protocolVersion < 13 ? 'Sec-WebSocket-Origin' : 'Origin'] = opts.origin;
  return headers;
}

/** `/path/to.sock:/path?query`: the socket and the path of the request. */
function socketAndPath(path) {
  const colon = path.indexOf(':');
  return colon === -1 ? [path, ''] : [path.slice(0, colon), path.slice(colon + 1)];
}

/** A copy with names in lower case: to be changed without changing what the caller has given. */
function lowerCased(headers = {}) {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

/** What was meant for one origin is not told another, nor told in the clear. */
function dropSecrets(opts, from, to) {
  const sameHost = from.ipc === to.ipc && from.host === to.host;
  if (sameHost && (to.secure || !from.secure)) return;
  delete opts.headers.authorization;
  delete opts.headers.cookie;
  if (!sameHost) delete opts.headers.host;
  opts.auth = undefined;
}

/** Follows what becomes of the request. */
function listen(ws, request, opts, offer, follow) {
  if (opts.timeout) {
    request.on('timeout', () => abortHandshake(ws, request, 'Opening handshake has timed out'));
  }
  request.on('error', (error) => {
    if (ws._req !== request || request[kAborted]) return;
    ws._req = null;
    emitErrorAndClose(ws, error);
  });
  request.on('response', (response) => {
    const { statusCode, headers } = response;
    if (headers.location && opts.followRedirects && statusCode >= 300 && statusCode < 400) {
      if (++ws._redirects > opts.maxRedirects) abortHandshake(ws, request, 'Maximum redirects exceeded');
      else follow(headers.location);
    } else if (!ws.emit('unexpected-response', request, response)) {
      abortHandshake(ws, request, `Unexpected server response: ${statusCode}`);
    }
  });
  request.on('upgrade', (response, socket, head) => {
    ws.emit('upgrade', response);
    // A listener may have closed it.
    if (ws.readyState !== CONNECTING) return;
    ws._req = null;
    const fault = accept(ws, response.headers, offer);
    if (fault) {
      abortHandshake(ws, socket, fault);
      return;
    }
    const { allowSynchronousEvents, generateMask, maxBufferedChunks, maxFragments, maxPayload, skipUTF8Validation } = opts;
    ws.setSocket(socket, head, {
      allowSynchronousEvents,
      generateMask,
      maxBufferedChunks,
      maxFragments,
      maxPayload,
      skipUTF8Validation
    });
  });
}

function redirect(ws, request, location, { address, protocols, options }) {
  request.abort();
  let target;
  try {
    target = new URL(location, address);
  } catch {
    emitErrorAndClose(ws, new SyntaxError(`Invalid URL: ${location}`));
    return;
  }
  connect(ws, target, protocols, options);
}

/** Takes the server's answer over (RFC 6455 §4.1); returns what is wrong with it, if anything is. */
function accept(ws, headers, offer) {
  if (headers.upgrade === undefined || headers.upgrade.toLowerCase() !== 'websocket') return 'Invalid Upgrade header';
  const digest = acceptKey(offer.key);
  if (headers['sec-websocket-accept'] !== digest) return 'Invalid Sec-WebSocket-Accept header';

  const protocol = headers['sec-websocket-protocol'];
  if (protocol === undefined) {
    if (offer.protocols.size > 0) return 'Server sent no subprotocol';
  } else {
    if (offer.protocols.size === 0) return 'Server sent a subprotocol but none was requested';
    if (!offer.protocols.has(protocol)) return 'Server sent an invalid subprotocol';
    ws._protocol = protocol;
  }

  const extensions = headers['sec-websocket-extensions'];
  if (extensions === undefined) return undefined;
  return acceptExtensions(ws, extensions, offer.deflate);
}

function acceptExtensions(ws, header, deflate) {
  if (!deflate) return 'Server sent a Sec-WebSocket-Extensions header but no extension was requested';
  try {
    const extensions = extension.parse(header);
    const { extensionName } = PerMessageDeflate;
    if (Object.keys(extensions).join() !== extensionName) {
      return 'Server indicated an extension that was not requested';
    }
    deflate.accept(extensions[extensionName]);
    ws._extensions[extensionName] = deflate;
  } catch {
    return 'Invalid Sec-WebSocket-Extensions header';
  }
}

function connectNet(options) {
  options.path = options.socketPath;
  return net.connect(options);
}

function connectTls(options) {
  options.path = undefined;
  if (!options.servername && options.servername !== '') {
    options.servername = net.isIP(options.host) ? '' : options.host;
  }
  return tls.connect(options);
}

/**
 * Gives the handshake up and tells why.
 *
 * @param {import('./websocket')} ws whose
 * @param {http.ClientRequest|net.Socket} stream the request, or the socket it has become
 * @param {string} message why
 */
function abortHandshake(ws, stream, message) {
  ws._readyState = CLOSING;
  const error = new Error(message);
  Error.captureStackTrace(error, abortHandshake);

  if (!stream.setHeader) {
    stream.destroy(error);
    stream.once('error', (failure) => ws.emit('error', failure));
    stream.once('close', () => ws.emitClose());
    return;
  }
  stream[kAborted] = true;
  stream.abort();
  // A request that is complete leaves its socket alone.
  if (stream.socket && !stream.socket.destroyed) stream.socket.destroy();
  process.nextTick(emitErrorAndClose, ws, error);
}

function emitErrorAndClose(ws, error) {
  ws._readyState = CLOSING;
  ws._errorEmitted = true;
  ws.emit('error', error);
  ws.emitClose();
}

module.exports = { abortHandshake, connect };
