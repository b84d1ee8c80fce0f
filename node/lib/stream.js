'use strict';

/**
 * `createWebSocketStream`: a connection as a `Duplex` of Node.
 *
 * Every chunk written is a message, every message a chunk to be read. Backpressure works both ways: a
 * reader that does not keep up pauses the connection, and a write is done when its message has been
 * handed to the socket. Ending the stream closes the connection.
 */

const { Duplex } = require('stream');
const { CONNECTING, CLOSED } = require('./states');

const emitClose = (stream) => stream.emit('close');

class WebSocketStream extends Duplex {
  #ws;

  /** Destroying the stream cuts the connection, unless that is failing by itself. */
  #terminate = true;

  constructor(ws, options) {
    super({ ...options, autoDestroy: false, emitClose: false, objectMode: false, writableObjectMode: false });
    this.#ws = ws;

    ws.on('message', (message, isBinary) => {
      const asText = !isBinary && this._readableState.objectMode;
      if (!this.push(asText ? message.toString() : message)) ws.pause();
    });
    ws.once('error', (error) => {
      if (this.destroyed) return;
      // A receiver that fails closes the connection with the code that says why: cutting it now could
      // overtake that Close frame. A handshake that failed leaves nothing to cut.
      this.#terminate = false;
      this.destroy(error);
    });
    ws.once('close', () => {
      if (!this.destroyed) this.push(null);
    });

    this.on('end', () => {
      if (!this.destroyed && this._writableState.finished) this.destroy();
    });
    const onError = (error) => {
      this.removeListener('error', onError);
      this.destroy();
      // An error that nobody listens to is thrown, as on any emitter.
      if (this.listenerCount('error') === 0) this.emit('error', error);
    };
    this.on('error', onError);
  }

  _read() {
    if (this.#ws.isPaused) this.#ws.resume();
  }

  _write(chunk, encoding, callback) {
    if (this.#ws.readyState === CONNECTING) {
      this.#ws.once('open', () => this._write(chunk, encoding, callback));
      return;
    }
    this.#ws.send(chunk, callback);
  }

  _final(callback) {
    const ws = this.#ws;
    if (ws.readyState === CONNECTING) {
      ws.once('open', () => this._final(callback));
      return;
    }
    const socket = ws._socket;
    // The handshake failed: the error that says so destroys the stream.
    if (socket === null) return;
    if (socket._writableState.finished) {
      callback();
      if (this._readableState.endEmitted) this.destroy();
      return;
    }
    // The end of what is read comes later, with the `close` of the connection.
    socket.once('finish', () => callback());
    ws.close();
  }

  _destroy(error, callback) {
    const ws = this.#ws;
    if (ws.readyState === CLOSED) {
      callback(error);
      process.nextTick(emitClose, this);
      return;
    }
    let called = false;
    ws.once('error', (failure) => {
      called = true;
      callback(failure);
    });
    ws.once('close', () => {
      if (!called) callback(error);
      process.nextTick(emitClose, this);
    });
    if (this.#terminate) ws.terminate();
  }
}

/**
 * A duplex stream over a connection.
 *
 * @param {import('./websocket')} ws the connection, in any state
 * @param {import('stream').DuplexOptions} [options] for the `Duplex`; `readableObjectMode` gives text
 *   messages as strings
 * @returns {Duplex} the stream
 */
function createWebSocketStream(ws, options) {
  return new WebSocketStream(ws, options);
}

module.exports = createWebSocketStream;
