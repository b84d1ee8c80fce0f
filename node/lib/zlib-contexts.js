'use strict';

// Compression contexts over node:zlib, with the contract of `Deflate` and `Inflate` in codec/js.js,
// but only its asynchronous half.
//
// Each call is one round trip to the thread pool: a stream that flushes with every write needs neither
// a call of `flush` nor a write for the tail.
//
// Used where there is no native code, or where options ask for what only zlib has.

const zlib = require('zlib');

const { concat } = require('./buffers');
const { EMPTY_BUFFER, kStatusCode } = require('./constants');
const { ERRORS, createError } = require('./errors');

const { Z_FULL_FLUSH, Z_SYNC_FLUSH } = zlib.constants;

/** The end of a flush, which a message loses on the wire (RFC 7692 §7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** RFC 7692 §7.2.3.6: an empty message. zlib says nothing if it has just been flushed. */
const EMPTY = Buffer.from([0x00]);

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
    // No other flush ends as a message has to.
    const flush = options.flush === Z_FULL_FLUSH ? Z_FULL_FLUSH : Z_SYNC_FLUSH;
    this._options = { ...options, flush };
    // At once: what is wrong with the options is thrown before anything is begun. But a window is right, and
    // streams for hundreds of connections are long work in one turn of the loop.
    this._stream = Object.keys(options).some((name) => name !== 'windowBits') ? this._open() : null;
  }

  _open() {
    const stream = zlib.createDeflateRaw(this._options);
    stream.on('data', (chunk) => {
      this._chunks.push(chunk);
      this._length += chunk.length;
    });
    return stream;
  }

  compressAsync(data, fin, callback) {
    this._stream ??= this._open();
    const stream = this._stream;
    stream.write(data, () => {
      // Closed meanwhile.
      if (this._stream === null) return;
      const output = concat(this._chunks, this._length);
      this._chunks = [];
      this._length = 0;
      if (fin && this._noContextTakeover) stream.reset();
      if (!fin) callback(null, output);
      else if (output.length === 0) callback(null, EMPTY);
      else callback(null, output.subarray(0, output.length - TAIL.length));
    });
  }

  /** Forgets all messages. Only while none is being compressed. */
  reset() {
    this._stream?.reset();
  }

  close() {
    this._stream?.close();
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
    this._options = { ...options, flush: Z_SYNC_FLUSH };
    this._noContextTakeover = noContextTakeover;
    // At once: what is wrong with the options is thrown before anything is begun.
    this._stream = this._open();
    this._isInMessage = false;
    this._closed = false;
  }

  inflateAsync(data, fin, limit, callback) {
    const isNothing = data.length === 0 && !this._isInMessage;
    this._isInMessage = !fin && !isNothing;
    if (isNothing) {
      // A message without the octet of `EMPTY`: behind nothing, the tail would be something else.
      process.nextTick(() => {
        if (!this._closed) callback(null, EMPTY_BUFFER);
      });
      return;
    }
    this._stream ??= this._open();
    const stream = this._stream;
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
      // A copy even of one chunk: what zlib writes to next must not go to another thread with the message.
      callback(null, Buffer.concat(chunks, length));
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

    // Node 18 emits `end` only after the callback.
    stream.write(fin ? Buffer.concat([data, TAIL]) : data, () => process.nextTick(finish, null));
  }

  close() {
    this._closed = true;
    if (this._stream !== null) this._drop();
  }

  _open() {
    const stream = zlib.createInflateRaw(this._options);
    stream.on('error', (error) => this._onError(error));
    return stream;
  }

  _drop() {
    this._stream.close();
    this._stream = null;
  }
}

module.exports = { ZlibDeflate, ZlibInflate };
