'use strict';

/**
 * An open connection: socket, receiver and sender, and what each does to the others until the end.
 *
 * ```
 * socket 'data' → receiver → 'message' … → WebSocket
 * WebSocket.send → sender → socket
 * ```
 */

const EventEmitter = require('events');

const { EMPTY_BUFFER, kStatusCode, kWebSocket, NOOP } = require('./constants');
const { kHeartbeat } = require('./heartbeat');
const { OPEN, CLOSING, CLOSED } = require('./states');
const Receiver = require('./receiver');
const Sender = require('./sender');
const { readShort } = require('./fast-path');

const { call, toString } = Function.prototype;

/** Where a `WebSocket` has its receiver once there is one, and what to make it with until then. */
const kReceiver = Symbol('receiver');
const kReceiverOptions = Symbol('receiver options');

/** The method of Node as Node has made it; null if somebody has replaced it before us, as `domain` does. */
const emit = /\bkErrorMonitor\b/.test(toString.call(EventEmitter.prototype.emit)) ? EventEmitter.prototype.emit : null;

/** Where an emitter keeps whether it looks after promises that listeners return. */
const kCapture = Object.getOwnPropertySymbols(new EventEmitter()).find(({ description }) => description === 'kCapture');

/**
 * Takes a socket over whose handshake is done.
 *
 * @param {import('./websocket')} ws whose it becomes
 * @param {import('stream').Duplex} socket the socket
 * @param {Buffer} head octets that came after the handshake
 * @param {object} options limits, `generateMask`, …
 */
function open(ws, socket, head, options) {
  ws[kReceiverOptions] = {
    allowSynchronousEvents: options.allowSynchronousEvents,
    extensions: ws._extensions,
    isServer: ws._isServer,
    maxBufferedChunks: options.maxBufferedChunks,
    maxFragments: options.maxFragments,
    maxPayload: options.maxPayload,
    skipUTF8Validation: options.skipUTF8Validation
  };
  const sender = new Sender(socket, ws._extensions, options.generateMask);

  ws._sender = sender;
  ws._socket = socket;
  sender[kWebSocket] = ws;
  socket[kWebSocket] = ws;

  sender.onerror = senderOnError;

  // Any duplex stream will do; these are a socket's.
  if (socket.setTimeout) socket.setTimeout(0);
  if (socket.setNoDelay) socket.setNoDelay();

  if (head.length > 0) socket.unshift(head);
  socket.on('close', socketOnClose);
  socket.on('data', socketOnData);
  socket.on('end', socketOnEnd);
  socket.on('error', socketOnError);
  readShort(socket, socketOnData, ws);

  ws._readyState = OPEN;
  ws[kHeartbeat]?.start();
  ws.emit('open');
}

/**
 * Gives what reads the messages of a connection. It is made when the first octets come, or somebody asks for it:
 * a connection that ends before does without.
 *
 * @param {import('./websocket')} ws
 * @returns {Receiver|null} null before the handshake is over
 */
function receiverOf(ws) {
  return ws[kReceiver] !== null || ws[kReceiverOptions] === null ? ws[kReceiver] : makeReceiver(ws);
}

function makeReceiver(ws) {
  const options = ws[kReceiverOptions];
  options.binaryType = ws.binaryType;
  const receiver = new Receiver(options);
  ws[kReceiver] = receiver;
  ws[kReceiverOptions] = null;
  receiver[kWebSocket] = ws;

  // Who asks when all is over gets what there would have been.
  if (ws.readyState !== CLOSED) {
    receiver.on('conclude', receiverOnConclude);
    receiver.on('drain', receiverOnDrain);
    receiver.on('error', receiverOnError);
    receiver.on('message', receiverOnMessage);
    receiver.onmessage = receiverOnMessage;
    receiver.on('ping', receiverOnPing);
    receiver.on('pong', receiverOnPong);
  }
  if (ws._socket[kWebSocket] === undefined) receiver.end();
  return receiver;
}

/** Ends our side of the socket once the peer has closed as well, or nothing of it can be read. */
function endIfAnswered(ws) {
  if (ws._closeFrameReceived || ws[kReceiver]?._writableState.errorEmitted) ws._socket.end();
}

/** Cuts the socket if the closing handshake takes too long. */
function startCloseTimer(ws) {
  const socket = ws._socket;
  ws._closeTimer = setTimeout(() => socket.destroy(), ws._closeTimeout);
}

function emitErrorOnce(ws, error) {
  if (ws._errorEmitted) return;
  ws._errorEmitted = true;
  ws.emit('error', error);
}

/** What comes after the end of the messages is read, so that the end of TCP is seen, and dropped. */
function stopReceiving(socket) {
  socket.removeListener('data', socketOnData);
  process.nextTick(() => socket.resume());
}

function receiverOnConclude(code, reason) {
  const ws = this[kWebSocket];
  ws._closeFrameReceived = true;
  ws._closeCode = code;
  // A copy of its own: neither the socket's buffer nor the pool of `Buffer` is held on to.
  ws._closeMessage = EMPTY_BUFFER;
  if (reason.length > 0) {
    ws._closeMessage = Buffer.allocUnsafeSlow(reason.length);
    ws._closeMessage.set(reason);
  }

  if (ws._socket[kWebSocket] === undefined) return;
  stopReceiving(ws._socket);
  if (code === 1005) ws.close();
  else ws.close(code, reason);
}

function receiverOnDrain() {
  const ws = this[kWebSocket];
  if (!ws.isPaused) ws._socket.resume();
}

function receiverOnError(error) {
  const ws = this[kWebSocket];
  if (ws._socket[kWebSocket] !== undefined) {
    stopReceiving(ws._socket);
    ws.close(error[kStatusCode]);
  }
  emitErrorOnce(ws, error);
}

function receiverOnMessage(data, isBinary) {
  const ws = this[kWebSocket];
  // As `emit` does it, for the one listener there nearly always is.
  const listener = ws._events.message;
  if (typeof listener === 'function' && ws.emit === emit && ws[kCapture] === false) {
    call.call(listener, ws, data, isBinary);
  } else {
    ws.emit('message', data, isBinary);
  }
}

function receiverOnPing(data) {
  const ws = this[kWebSocket];
  if (ws._autoPong && ws.readyState === OPEN) answerPing(ws, data);
  ws.emit('ping', data);
}

function answerPing(ws, data) {
  // A peer that pings and does not read would make us hold its pongs.
  if (ws._maxPendingAutoPongs > 0 && ws._pendingAutoPongs >= ws._maxPendingAutoPongs) {
    ws.terminate();
    return;
  }
  ws._pendingAutoPongs++;
  ws.pong(data, !ws._isServer, () => {
    ws._pendingAutoPongs--;
  });
}

function receiverOnPong(data) {
  this[kWebSocket].emit('pong', data);
}

function receiverOnEnd() {
  this[kWebSocket].emitClose();
}

function senderOnError(error) {
  const ws = this[kWebSocket];
  if (ws.readyState === CLOSED) return;
  if (ws.readyState === OPEN) {
    ws._readyState = CLOSING;
    startCloseTimer(ws);
  }
  // Ended and not destroyed: the peer may still be sending what it has.
  ws._socket.end();
  emitErrorOnce(ws, error);
}

function socketOnClose() {
  const ws = this[kWebSocket];
  this.removeListener('close', socketOnClose);
  this.removeListener('data', socketOnData);
  this.removeListener('end', socketOnEnd);
  ws._readyState = CLOSING;

  // A paused socket that was cut may hold octets that nobody has seen.
  const unread = this._readableState.length;
  const finished = ws._closeFrameReceived || ws[kReceiver]?._writableState.errorEmitted;
  if (unread !== 0 && !finished && !this._readableState.endEmitted) ws._receiver.write(this.read(unread));

  const receiver = ws[kReceiver];
  if (receiver !== null) receiver.end();
  this[kWebSocket] = undefined;
  clearTimeout(ws._closeTimer);

  if (receiver === null) {
    // When the end of one that has read nothing would be told.
    process.nextTick(emitClose, ws);
  } else if (receiver._writableState.finished || receiver._writableState.errorEmitted) {
    ws.emitClose();
  } else {
    receiver.on('error', receiverOnEnd);
    receiver.on('finish', receiverOnEnd);
  }
}

function emitClose(ws) {
  ws.emitClose();
}

function socketOnData(chunk) {
  const ws = this[kWebSocket];
  ws._heard = true;
  if (!ws._receiver.write(chunk)) this.pause();
}

function socketOnEnd() {
  const ws = this[kWebSocket];
  ws._readyState = CLOSING;
  ws._receiver.end();
  // Behind what the last messages were answered with.
  ws._sender.flush();
  this.end();
}

function socketOnError() {
  const ws = this[kWebSocket];
  this.removeListener('error', socketOnError);
  this.on('error', NOOP);
  if (ws) {
    ws._readyState = CLOSING;
    this.destroy();
  }
}

module.exports = { endIfAnswered, kReceiver, kReceiverOptions, open, receiverOf, startCloseTimer };
