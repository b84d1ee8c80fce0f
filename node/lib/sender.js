'use strict';

// Messages → octets. One message after the other: while one is compressed, or a Blob is read, those
// behind it wait.

const {
  types: { isUint8Array }
} = require('util');

const { Buffer } = require('buffer');

const batch = require('./batch');
const { FastBuffer, toBuffer } = require('./buffers');
const codec = require('./codec');
const { EMPTY_BUFFER, kWebSocket, NOOP } = require('./constants');
const { firstOctet, headerLength, writeHeader } = require('./frame');
const { LARGEST, Outbox } = require('./outbox');
const { extensionName } = require('./permessage-deflate');
const { isBlob, isValidStatusCode } = require('./validation');

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The longest payload of a control frame (RFC 6455 §5.5). */
const MAX_CONTROL_PAYLOAD = 125;
/** Of a Close frame two bytes are the code. */
const MAX_REASON = MAX_CONTROL_PAYLOAD - 2;

// What the messages behind have to wait for.
const DEFAULT = 0;
const DEFLATING = 1;
const GET_BLOB_DATA = 2;

/** Where a masking key is before it is in a frame. */
const sharedMaskBuffer = Buffer.alloc(4);

/** The sending half of a connection. */
class Sender {
  /**
   * @param {import('stream').Duplex} socket
   * @param {object} [extensions] the negotiated extensions by name
   * @param {Function} [generateMask] writes a masking key into the four bytes that it is given
   */
  constructor(socket, extensions, generateMask) {
    this._extensions = extensions || {};
    this._generateMask = generateMask || codec.generateMask;
    this._maskBuffer = generateMask ? Buffer.alloc(4) : sharedMaskBuffer;
    this._socket = socket;
    this._outbox = new Outbox(socket);

    this._firstFragment = true;
    this._compress = false;

    /** Bytes of messages that wait here. */
    this._waitingBytes = 0;
    this._queue = [];
    this._state = DEFAULT;
    this.onerror = NOOP;
    this[kWebSocket] = undefined;
  }

  /** Bytes that the socket has not been given yet; with what waits in the socket, `bufferedAmount`. */
  get _bufferedBytes() {
    return this._waitingBytes + this._outbox.length;
  }

  set _bufferedBytes(bytes) {
    this._waitingBytes = bytes - this._outbox.length;
  }

  /**
   * Frames data.
   *
   * @param {Buffer|string} data
   * @param {object} options
   * @param {number} options.opcode
   * @param {boolean} [options.fin=false] the last frame of its message
   * @param {boolean} [options.rsv1=false] the first frame of a compressed message
   * @param {boolean} [options.mask=false] mask the payload, as a client must
   * @param {boolean} [options.readOnly=false] mask a copy, rather than `data` itself
   * @param {Function} [options.generateMask] writes the masking key
   * @param {Buffer} [options.maskBuffer] into which
   * @returns {Buffer[]} one or two buffers
   */
  static frame(data, options) {
    if (typeof data === 'string') data = Buffer.from(data);
    const { length } = data;
    if (!options.mask) {
      const header = Buffer.allocUnsafe(headerLength(length, false));
      writeHeader(header, 0, length, options, null);
      return length === 0 ? [header] : [header, data];
    }

    const mask = options.maskBuffer || sharedMaskBuffer;
    (options.generateMask || codec.generateMask)(mask);
    // Masking with zeros changes nothing.
    const plain = (mask[0] | mask[1] | mask[2] | mask[3]) === 0;
    const copy = options.readOnly && !plain;
    const headLength = headerLength(length, true);
    const header = Buffer.allocUnsafe(copy ? headLength + length : headLength);
    const at = writeHeader(header, 0, length, options, mask);
    if (length === 0) return [header];
    if (copy) {
      codec.mask(data, mask, header, at, length);
      return [header];
    }
    if (!plain) codec.mask(data, mask, data, 0, length);
    return [header, data];
  }

  /**
   * Sends a Close frame.
   *
   * @param {number} [code]
   * @param {string|Uint8Array} [data] the reason, at most 123 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [cb]
   * @throws {TypeError} if the code may not be sent
   * @throws {RangeError} if the reason is too long
   */
  close(code, data, mask, cb) {
    const frame = controlFrame(CLOSE, mask);
    this._submit(measure(closeBody(code, data), frame), false, frame, cb);
  }

  /**
   * Sends a ping.
   *
   * @param {*} data at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [cb]
   * @throws {RangeError} if the data is too long
   */
  ping(data, mask, cb) {
    this._control(PING, data, mask, cb);
  }

  /**
   * Sends a pong.
   *
   * @param {*} data at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [cb]
   * @throws {RangeError} if the data is too long
   */
  pong(data, mask, cb) {
    this._control(PONG, data, mask, cb);
  }

  _control(opcode, data, mask, cb) {
    const frame = controlFrame(opcode, mask);
    data = measure(data, frame);
    if (frame.byteLength > MAX_CONTROL_PAYLOAD) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    this._submit(data, false, frame, cb);
  }

  /**
   * Sends a message, or a fragment of one.
   *
   * @param {*} data
   * @param {object} options
   * @param {boolean} [options.binary=false] binary rather than text
   * @param {boolean} [options.compress=false] compress it, if the connection can
   * @param {boolean} [options.fin=false] the last fragment
   * @param {boolean} [options.mask=false]
   * @param {Function} [cb]
   */
  send(data, options, cb) {
    const frame = {
      opcode: options.binary ? BINARY : TEXT,
      fin: options.fin,
      rsv1: false,
      mask: options.mask,
      readOnly: false,
      byteLength: 0,
      isBlob: false
    };
    data = measure(data, frame);

    if (this._firstFragment) {
      this._firstFragment = false;
      this._compress = options.compress && this._isWorthCompressing(frame.byteLength);
      frame.rsv1 = this._compress;
    } else {
      frame.opcode = CONTINUATION;
    }
    if (options.fin) this._firstFragment = true;

    this._submit(data, this._compress, frame, cb);
  }

  /** Without the context of earlier messages small ones do not get smaller. */
  _isWorthCompressing(byteLength) {
    const deflate = this._extensions[extensionName];
    if (deflate === undefined) return true;
    const side = deflate._isServer ? 'server' : 'client';
    return !deflate.params[`${side}_no_context_takeover`] || byteLength >= deflate._threshold;
  }

  /**
   * Sends an unmasked frame that was made for several connections.
   *
   * @param {Buffer} frame
   * @param {Function} [cb]
   * @returns {boolean} false if it cannot be sent now, because something before it waits or is unfinished
   */
  sendEncoded(frame, cb) {
    if (this._state !== DEFAULT || !this._firstFragment) return false;
    if (frame.length > LARGEST) {
      this._outbox.writeThrough([frame], cb);
    } else {
      const memory = this._outbox.reserve(frame.length);
      memory.set(frame, this._outbox.at);
      this._outbox.commit(cb);
    }
    return true;
  }

  /**
   * Writes a frame that `Sender.frame` has made, at once, whatever waits here for compression.
   *
   * @param {Buffer[]} list
   * @param {Function} [cb]
   */
  sendFrame(list, cb) {
    this._outbox.writeThrough(list, cb);
  }

  /** Gives the socket what has been gathered, so that what is done to it comes after. */
  flush() {
    this._outbox.flush();
  }

  /** Sends something, now or after what waits. */
  _submit(data, compress, frame, cb) {
    if (this._state !== DEFAULT) {
      this._waitingBytes += frame.byteLength;
      this._queue.push({ data, compress, frame, cb });
    } else {
      this._dispatch(data, compress, frame, cb);
    }
  }

  /** Sends what has waited, until it has to wait again. */
  _dequeue() {
    while (this._state === DEFAULT && this._queue.length !== 0) {
      const { data, compress, frame, cb } = this._queue.shift();
      this._waitingBytes -= frame.byteLength;
      if (!compress || frame.isBlob || !this._deflateNow(data, frame, cb)) {
        this._dispatch(data, compress, frame, cb);
      }
    }
  }

  _dispatch(data, compress, frame, cb) {
    if (frame.isBlob) this._readBlob(data, compress, frame, cb);
    else if (compress) this._deflate(data, frame, cb);
    else this._write(data, frame, cb);
  }

  _readBlob(blob, compress, frame, cb) {
    this._waitingBytes += frame.byteLength;
    this._state = GET_BLOB_DATA;

    blob.arrayBuffer().then(
      // Out of the promise: an error that a callback throws is an error of the program.
      (octets) => process.nextTick(sendRead, this, toBuffer(octets), compress, frame, cb),
      (error) => process.nextTick(fail, this, error, cb)
    );
  }

  _deflate(data, frame, cb) {
    this._waitingBytes += frame.byteLength;
    this._state = DEFLATING;

    this._extensions[extensionName].compress(data, frame.fin, (error, deflated) => {
      if (this._socket.destroyed) {
        failAll(this, new Error('The socket was closed while data was being compressed'), cb);
        return;
      }
      this._waitingBytes -= frame.byteLength;
      this._state = DEFAULT;
      // What has waited for it leaves with it.
      batch.begin();
      try {
        frame.byteLength = deflated.length;
        frame.readOnly = false;
        this._write(deflated, frame, cb);
        this._dequeue();
      } finally {
        batch.end();
      }
    });
  }

  /** Compresses what has waited long enough, if that can be done at once. */
  _deflateNow(data, frame, cb) {
    const length = this._extensions[extensionName].compressSync(data, frame.fin);
    if (length < 0) return false;
    frame.byteLength = length;
    frame.readOnly = false;
    this._write(null, frame, cb);
    return true;
  }

  /**
   * Frames what is ready.
   *
   * @param {Buffer|string|null} data null for what `compressSync` has just produced
   * @param {object} frame
   * @param {Function} [cb]
   */
  _write(data, frame, cb) {
    if (typeof cb !== 'function') cb = undefined;

    const { byteLength, mask } = frame;
    const length = headerLength(byteLength, mask) + byteLength;
    const outbox = this._outbox;
    if (length > LARGEST) {
      if (data === null) {
        data = Buffer.allocUnsafe(byteLength);
        this._extensions[extensionName].take(data, 0);
      }
      frame.generateMask = this._generateMask;
      frame.maskBuffer = this._maskBuffer;
      outbox.writeThrough(Sender.frame(data, frame), cb);
      return;
    }

    if (!mask && cb === undefined && data !== null && typeof data !== 'string') {
      const sent = outbox.writeFrame(firstOctet(frame), data);
      if (sent === length) return;
      if (sent > 0) {
        outbox.writeThrough([Buffer.concat(Sender.frame(data, frame)).subarray(sent)]);
        return;
      }
    }

    const memory = outbox.reserve(length);
    const payloadAt = outbox.at + length - byteLength;
    // First of all: a program's `generateMask` may do anything.
    if (data === null) this._extensions[extensionName].take(memory, payloadAt);
    const key = mask ? this._maskBuffer : null;
    if (mask) this._generateMask(key);
    writeHeader(memory, outbox.at, byteLength, frame, key);
    if (data !== null && typeof data !== 'string') {
      if (mask) codec.mask(data, key, memory, payloadAt, byteLength);
      else memory.set(data, payloadAt);
    } else {
      if (data !== null) memory.write(data, payloadAt, byteLength, 'utf8');
      if (mask) codec.unmask(new FastBuffer(memory.buffer, memory.byteOffset + payloadAt, byteLength), key);
    }
    outbox.commit(cb);
  }
}

function controlFrame(opcode, mask) {
  return { opcode, fin: true, rsv1: false, mask, readOnly: false, byteLength: 0, isBlob: false };
}

/** Gives data the form in which it is sent, and notes in `frame` what is known of it. */
function measure(data, frame) {
  if (typeof data === 'string') {
    frame.byteLength = Buffer.byteLength(data);
    return data;
  }
  if (!(data instanceof Buffer) && isBlob(data)) {
    frame.byteLength = data.size;
    frame.isBlob = true;
    return data;
  }
  const buffer = toBuffer(data);
  frame.byteLength = buffer.length;
  frame.readOnly = toBuffer.readOnly;
  return buffer;
}

/** The payload of a Close frame (RFC 6455 §5.5.1). */
function closeBody(code, reason) {
  if (code === undefined) return EMPTY_BUFFER;
  if (typeof code !== 'number' || !isValidStatusCode(code)) {
    throw new TypeError('First argument must be a valid error code number');
  }

  const length = reason === undefined || !reason.length ? 0 : Buffer.byteLength(reason);
  if (length > MAX_REASON) {
    throw new RangeError('The message must not be greater than 123 bytes');
  }
  const body = Buffer.allocUnsafe(2 + length);
  body.writeUInt16BE(code, 0);
  if (length === 0) return body;
  if (typeof reason === 'string') body.write(reason, 2);
  else if (isUint8Array(reason)) body.set(reason, 2);
  else throw new TypeError('Second argument must be a string or a Uint8Array');
  return body;
}

/** Sends the octets of a Blob. */
function sendRead(sender, data, compress, frame, cb) {
  if (sender._socket.destroyed) {
    failAll(sender, new Error('The socket was closed while the blob was being read'), cb);
    return;
  }
  sender._waitingBytes -= frame.byteLength;
  sender._state = DEFAULT;
  frame.isBlob = false;
  frame.readOnly = true;
  sender._dispatch(data, compress, frame, cb);
  sender._dequeue();
}

/** Tells a callback, and those of all that waits behind, that nothing will be sent any more. */
function failAll(sender, error, cb) {
  if (typeof cb === 'function') cb(error);
  for (const waiting of sender._queue) {
    if (typeof waiting.cb === 'function') waiting.cb(error);
  }
}

function fail(sender, error, cb) {
  failAll(sender, error, cb);
  sender.onerror(error);
}

module.exports = Sender;
