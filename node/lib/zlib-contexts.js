'use strict';

// Compression contexts over node:zlib, with the contract of `Deflate` and `Inflate` in codec/js.js,
// but only its asynchronous half: each call is a round trip to the thread pool.
//
// Used where there is no native code, or where options ask for what only zlib has.

const zlib = require('zlib');

const { concat } = require('./buffers');
const { kStatusCode } = require('./constants');
const { ERRORS, createError } = require('./errors');

/** The end of a flush, which a message loses on the wire (RFC 7692 §7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** Compresses the messages of one connection. */
class ZlibDeflate {
  /**
   * @param {object} options of `zlib.createDeflateRaw`
   * @param {boolean} noContextTakeover each message starts anew
   */
  constructor(options, noContextTakeover) {
    this._noContextTakeover = noContextTakeover;
    this._chunks = [];
    this._length = 0;
    this._stream = zlib.createDeflateRaw(options);
    this._stream.on('data', (chunk) => {
      this._chunks.push(chunk);
      this._length += chunk.length;
    });
  }

  compressAsync(data, fin, callback) {
    const stream = this._stream;
    stream.write(data);
    stream.flush(zlib.constants.Z_SYNC_FLUSH, () => {
      // Closed meanwhile.
      if (this._stream === null) return;
      const output = concat(this._chunks, this._length);
      this._chunks = [];
      this._length = 0;
      if (fin && this._noContextTakeover) stream.reset();
      callback(null, fin ? output.subarray(0, output.length - TAIL.length) : output);
    });
  }

  /** Forgets all messages. Only while none is being compressed. */
  reset() {
    this._stream.reset();
  }

  close() {
    this._stream.close();
    this._stream = null;
  }
}

/** Decompresses the messages of one connection. */
class ZlibInflate {
  /**
   * @param {object} options of `zlib.createInflateRaw`
   * @param {boolean} noContextTakeover each message starts anew
   */
  constructor(options, noContextTakeover) {
    this._options = options;
    this._noContextTakeover = noContextTakeover;
    this._stream = null;
    this._closed = false;
  }

  inflateAsync(data, fin, limit, callback) {
    const stream = this._stream ?? this._open();
    const chunks = [];
    let length = 0;
    let over = false;

    const finish = (error) => {
      if (over) return;
      over = true;
      stream.removeAllListeners('data');
      if (this._closed) return;
      if (error !== null) {
        this._drop();
        callback(error);
        return;
      }
      // A final block has ended the stream of this message; the next begins another.
      if (stream.readableEnded) this._drop();
      else if (fin && this._noContextTakeover) stream.reset();
      callback(null, concat(chunks, length));
    };

    stream.on('data', (chunk) => {
      length += chunk.length;
      if (limit > 0 && length > limit) {
        // What is left of a bomb is not inflated any more.
        finish(createError(ERRORS.UNSUPPORTED_MESSAGE_LENGTH));
        return;
      }
      chunks.push(chunk);
    });
    this._onError = (error) => {
      error[kStatusCode] = 1007;
      finish(error);
    };

    stream.write(data);
    if (fin) stream.write(TAIL);
    stream.flush(() => finish(null));
  }

  close() {
    this._closed = true;
    if (this._stream !== null) this._drop();
  }

  _open() {
    this._stream = zlib.createInflateRaw(this._options);
    this._stream.on('error', (error) => this._onError(error));
    return this._stream;
  }

  _drop() {
    this._stream.close();
    this._stream = null;
  }
}

module.exports = { ZlibDeflate, ZlibInflate };
