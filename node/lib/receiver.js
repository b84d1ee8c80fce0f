'use strict';

// Octets → events. The codec knows the rules; here messages are put together, and events are
// emitted in order, at the right time, and never faster than messages can be inflated.

const { Writable } = require('stream');

const batch = require('./batch');
const { FastBuffer, concat, toArrayBuffer } = require('./buffers');
const { Decoder, Utf8Validator, records } = require('./codec');
const R = require('./codec/records');
const { BINARY_TYPES, EMPTY_BUFFER, kWebSocket } = require('./constants');
const { ERRORS, createError } = require('./errors');
const { extensionName } = require('./permessage-deflate');
const { setImmediate } = require('./untouched');
const { toLimit } = require('./validation');

/** A message that lies in more foreign octets than this is copied out of them, unless it is large itself. */
const MOST_PINNED = 4095;

/** So many octets are copied faster in a loop. */
const LOOP_UP_TO = 64;

/** Compressed octets of an unfinished frame wait for each other until there are so many. */
const INFLATE_FROM = 16 * 1024;

/** So many octets that will come are read into their message, rather than copied there. */
const READ_FROM = 16 * 1024;

/** Memory is taken for so many times what has come of a message at most: a header that claims a lot costs nothing. */
const AHEAD = 16;

/** What is written to the stream in place of octets that `receive` has begun to work off. */
const INTERRUPTED = Buffer.alloc(0);

// How a step of the delivery ends.
const NEXT = 0;
const WAIT = 1;
const STOP = 2;

/**
 * The receiving half of a connection: a stream to which the octets of the socket are written.
 *
 * Events: `'message'(data, isBinary)`, `'ping'(data)`, `'pong'(data)`, `'conclude'(code, reason)` for
 * the Close frame, `'error'(error)` with the code of `ws` and the close code under `kStatusCode`.
 * The chunks that are written may be modified.
 */
class Receiver extends Writable {
  /**
   * @param {object} [options]
   * @param {boolean} [options.allowSynchronousEvents=true] emit several events in one tick
   * @param {string} [options.binaryType='nodebuffer'] in which form binary messages come
   * @param {object} [options.extensions] the negotiated extensions by name
   * @param {boolean} [options.isServer=false] frames must be masked, rather than must not
   * @param {number} [options.maxBufferedChunks=0] chunks that an unfinished frame may come in; 0: any number
   * @param {number} [options.maxFragments=0] frames of a message; 0: any number
   * @param {number} [options.maxPayload=0] bytes of a message; 0: any number
   * @param {boolean} [options.skipUTF8Validation=false] let any octets pass as text
   */
  constructor(options = {}) {
    super();

    this._allowSynchronousEvents = options.allowSynchronousEvents ?? true;
    this._binaryType = options.binaryType || BINARY_TYPES[0];
    this._extensions = options.extensions || {};
    this._isServer = !!options.isServer;
    this._maxBufferedChunks = toLimit(options.maxBufferedChunks);
    this._maxFragments = toLimit(options.maxFragments);
    this._maxPayload = toLimit(options.maxPayload);
    this._skipUTF8Validation = !!options.skipUTF8Validation;
    this[kWebSocket] = undefined;
    /** The listener of the connection that it belongs to. */
    this.onmessage = null;

    this._decoder = new Decoder({
      isServer: this._isServer,
      rsv1Allowed: this._extensions[extensionName] !== undefined,
      maxPayload: this._maxPayload,
      maxFragments: this._maxFragments,
      maxBufferedChunks: this._maxBufferedChunks,
      skipUTF8Validation: this._skipUTF8Validation
    });

    // The message in progress.
    this._pieces = [];
    this._messageLength = 0;
    this._frameAt = 0;
    /** Memory for the next of its pieces, of which `_filled` octets have come. */
    this._room = null;
    this._filled = 0;
    /** The view of the rest of it that `receive` has asked for. */
    this._place = null;

    // Of it, what is to be inflated.
    this._deflated = [];
    this._deflatedLength = 0;
    this._utf8 = null;
    /** What is inflated before has taken us to a later turn. */
    this._isLate = false;

    // The records that have to wait until an event has been emitted or something inflated.
    this._rest = null;
    // What `receive` has found to be wrong, on its way through the stream.
    this._fault = null;

    // The small messages of a chunk are copied out of it together: see `_take`.
    this._block = null;
    this._blockAt = 0;
    this._blockOf = null;
  }

  _write(chunk, encoding, cb) {
    if (chunk === INTERRUPTED) this._waitLater(cb);
    // Chunks that have waited are written although the one before them has failed.
    else if (this.errored) cb();
    else this._decode(chunk, 0, chunk.length, cb);
  }

  /** Whether octets may be given to `receive`: all before them has been worked off. */
  canReceive() {
    const state = this._writableState;
    return (
      this._allowSynchronousEvents &&
      this._rest === null &&
      state.length === 0 &&
      !state.ending &&
      !state.destroyed &&
      !state.errored
    );
  }

  /**
   * Takes octets as `write` does, but past the buffer of the stream, and from memory that is used again
   * after the call.
   *
   * @param {Buffer} memory
   * @param {number} length of the octets, from the beginning of the memory on
   * @param {ArrayBuffer|null} [whole] what the memory is all of, if that is known
   * @returns {Buffer|null} where the octets that come next belong: if they are there when they are given
   *   to `receive`, and as this Buffer, they are not copied
   */
  receive(memory, length, whole = null) {
    if (this[kWebSocket] !== undefined) this[kWebSocket]._heard = true;
    const decoder = this._decoder;
    if (whole === null || decoder.read === undefined || batch.isInside()) {
      this._decode(memory, 0, length, null);
      return this._place;
    }
    const data = decoder.read(whole, length);
    if (data !== null) this._emitOnly(data, decoder.isBinary);
    else this._workOff(decoder.count, memory, length, null);
    return this._place;
  }

  /** Emits the message that was all there was in a chunk. */
  _emitOnly(data, isBinary) {
    let survived = false;
    try {
      this._emitMessage(isBinary ? this._binary(data) : data, isBinary);
      survived = true;
    } finally {
      if (!survived) {
        this._rest = { table: null, count: 0, chunk: EMPTY_BUFFER, to: 0, cb: null };
        this._interrupt(null);
        setImmediate(resume, this);
      }
    }
  }

  /** Goes on in the stream with what `receive` could not finish, so that what comes has to wait. */
  _interrupt(error) {
    this._fault = error;
    this.write(INTERRUPTED);
  }

  _waitLater(cb) {
    if (this._fault !== null) cb(this._fault);
    else this._rest.cb = cb;
  }

  /** Decodes a chunk from an octet on, and calls `cb` when all of its events have been emitted. */
  _decode(chunk, from, to, cb) {
    // If a listener of another receiver has written here, the records that it works off come back.
    const outer = batch.isInside() ? records.slice() : null;
    try {
      this._workOff(this._decoder.decode(chunk, from, to), chunk, to, cb);
    } finally {
      if (outer !== null) records.set(outer);
    }
  }

  /** Works off the records of a chunk, those that the table has no room for as well. */
  _workOff(count, chunk, to, cb) {
    try {
      for (;;) {
        const from = this._decoder.consumed;
        if (!this._deliver(records, count, chunk, to, cb)) return;
        if (from >= to) break;
        count = this._decoder.decode(chunk, from, to);
      }
    } finally {
      this._block = this._blockOf = null;
    }
    if (cb !== null) cb();
  }

  /**
   * Works off records in order.
   *
   * @returns {boolean} false if the rest waits in `_rest` or there was an error: `cb` is taken care of
   */
  _deliver(table, count, chunk, to, cb) {
    // What a listener sends after the only message of a chunk need not wait for others.
    const together = count > 1;
    if (together) batch.begin();

    let i = 0;
    let step;
    try {
      do {
        step = NEXT;
        if (i === count) return true;
        step = undefined;
        batch.look();
        const at = i++ * R.WORDS;
        step = this._record(table[at], table[at + 1], table[at + 2], table[at + 3], chunk, cb);
      } while (step === NEXT);
      return false;
    } finally {
      if (together) batch.end();
      if (step === WAIT || step === undefined) {
        const rest = table.slice(i * R.WORDS, count * R.WORDS);
        let kept = chunk;
        if (cb === null) {
          // The memory of `receive` is used again.
          const isDone = i === count && this._decoder.consumed === to;
          kept = isDone ? EMPTY_BUFFER : Buffer.from(chunk.subarray(0, to));
        }
        this._rest = { table: rest, count: count - i, chunk: kept, to, cb };
        if (cb === null) this._interrupt(null);
      }
      // A listener has thrown. If the program survives that, the connection does.
      if (step === undefined) setImmediate(resume, this);
    }
  }

  /** Goes on after what `_deliver` had to wait for. */
  _resume() {
    const { table, count, chunk, to, cb } = this._rest;
    this._rest = null;
    if (!this._deliver(table, count, chunk, to, cb)) return;
    // An idle connection holds on to nothing that it has received.
    this._block = this._blockOf = null;
    if (this._decoder.consumed < to) this._decode(chunk, this._decoder.consumed, to, cb);
    else if (cb !== null) cb();
  }

  /** Works off one record. */
  _record(head, offset, length, extra, chunk, cb) {
    const octets = (head & R.FLAG_SIDE) === 0 ? chunk : this._decoder.side;

    switch (head & R.KIND) {
      case R.TEXT:
        return this._emitMessage(this._take(octets, offset, length, cb), false);
      case R.BINARY:
        return this._emitMessage(this._binary(this._take(octets, offset, length, cb)), true);
      case R.PIECE:
        return this._piece(head, octets, offset, length, extra, cb);
      case R.PING:
        return this._emitControl('ping', this._takeControl(octets, offset, length, cb));
      case R.PONG:
        return this._emitControl('pong', this._takeControl(octets, offset, length, cb));
      case R.CLOSE:
        this.emit('conclude', extra, this._takeControl(octets, offset, length, cb));
        this.end();
        return NEXT;
      default:
        this._fail(createError(extra, length), cb);
        return STOP;
    }
  }

  _fail(error, cb) {
    if (cb === null) this._interrupt(error);
    else cb(error);
  }

  /** Emits a message, now or in a turn of its own. */
  _emitMessage(data, isBinary) {
    if (this._allowSynchronousEvents) {
      // As `emit` does it, for the one listener there nearly always is.
      if (this._events.message === this.onmessage) this.onmessage(data, isBinary);
      else this.emit('message', data, isBinary);
      return NEXT;
    }
    setImmediate(emitAndResume, this, 'message', data, isBinary);
    return WAIT;
  }

  /** The same for a ping or a pong. */
  _emitControl(event, data) {
    if (this._allowSynchronousEvents) {
      this.emit(event, data);
      return NEXT;
    }
    setImmediate(emitAndResume, this, event, data);
    return WAIT;
  }

  /**
   * Gives octets of a chunk the form of a `Buffer` that holds on to little else.
   *
   * A message that is kept must not keep 64 KiB of others with it. A large one, or one in a small
   * chunk, is a view; of small ones as many as may be held on to together are copied at once.
   */
  _take(chunk, offset, length, cb) {
    if (length === 0) return EMPTY_BUFFER;

    const pinned = chunk.buffer.byteLength;
    if (cb !== null && (pinned <= MOST_PINNED || pinned <= length * 4)) {
      return new FastBuffer(chunk.buffer, chunk.byteOffset + offset, length);
    }

    // Of `receive` it may be the only message, and then shares a copy with nobody.
    if (length > MOST_PINNED / 4 || (cb === null && this._decoder.consumed === offset + length)) {
      const copy = Buffer.allocUnsafe(length);
      if (length > LOOP_UP_TO) chunk.copy(copy, 0, offset, offset + length);
      else for (let i = 0; i < length; i++) copy[i] = chunk[offset + i];
      return copy;
    }

    let at = offset - this._blockAt;
    if (this._blockOf !== chunk || at < 0 || at + length > this._block.length) {
      // What lies beyond `consumed` is still masked.
      const end = Math.min(this._decoder.consumed, offset + MOST_PINNED);
      this._block = Buffer.allocUnsafe(end - offset);
      this._blockAt = offset;
      this._blockOf = chunk;
      chunk.copy(this._block, 0, offset, end);
      at = 0;
    }
    return new FastBuffer(this._block.buffer, this._block.byteOffset + at, length);
  }

  /** A compressed part of a message; a whole frame that is inflated next is not copied before. */
  _takeDeflated(flags, chunk, offset, length, cb) {
    const isInflatedNext = (flags & R.FLAG_END_OF_FRAME) !== 0;
    // The memory of `receive` is used again before another thread might have read it.
    if (cb === null || !isInflatedNext) return this._take(chunk, offset, length, cb);
    return new FastBuffer(chunk.buffer, chunk.byteOffset + offset, length);
  }

  /** The payload of a control frame; the side buffer of the decoder is used again. */
  _takeControl(octets, offset, length, cb) {
    return octets === this._decoder.side
      ? Buffer.from(octets.subarray(offset, offset + length))
      : this._take(octets, offset, length, cb);
  }

  /** Gives a binary message in one piece the form that `binaryType` asks for. */
  _binary(data) {
    switch (this._binaryType) {
      case 'nodebuffer':
        return data;
      case 'arraybuffer':
        return toArrayBuffer(data);
      case 'blob':
        return new Blob([data]);
      default:
        return data.length === 0 ? [] : [data];
    }
  }

  /** Takes a part of a message; so many octets of its frame, the `rest`, are still to come. */
  _piece(flags, chunk, offset, length, rest, cb) {
    if ((flags & R.FLAG_FIRST) !== 0) {
      this._pieces = [];
      this._messageLength = 0;
      this._frameAt = 0;
    }

    if ((flags & R.FLAG_COMPRESSED) !== 0) {
      return this._deflatedPiece(flags, this._takeDeflated(flags, chunk, offset, length, cb), cb);
    }

    this._gather(chunk, offset, length, rest, cb);
    return this._endOfPiece(flags);
  }

  /** Adds octets to the message: into the room for them, or as a piece of their own. */
  _gather(chunk, offset, length, rest, cb) {
    const place = this._place;
    this._place = null;
    if (this._room === null && cb === null) this._makeRoom(length, rest);

    while (this._room !== null && length > 0) {
      const fits = Math.min(length, this._room.length - this._filled);
      if (chunk !== place) chunk.copy(this._room, this._filled, offset, offset + fits);
      this._filled += fits;
      offset += fits;
      length -= fits;
      if (this._filled === this._room.length) {
        this._push(this._room);
        this._room = null;
        this._makeRoom(length, rest);
      }
    }
    if (length > 0) this._push(this._take(chunk, offset, length, cb));

    if (this._room !== null && this._room.length - this._filled >= READ_FROM) {
      const { buffer, byteOffset } = this._room;
      this._place = new FastBuffer(buffer, byteOffset + this._filled, this._room.length - this._filled);
    }
  }

  /** Takes memory for octets and for the `rest` of their frame, as far as that is not too much for what has come. */
  _makeRoom(length, rest) {
    if (rest === 0) return;
    const ahead = Math.min(rest, (this._messageLength + length) * (AHEAD - 1));
    this._room = Buffer.allocUnsafe(length + ahead);
    this._filled = 0;
  }

  _push(data) {
    if (data.length === 0) return;
    this._pieces.push(data);
    this._messageLength += data.length;
  }

  /** Gathers compressed octets, and inflates them when it is worth it. */
  _deflatedPiece(flags, data, cb) {
    if (data.length !== 0) {
      this._deflated.push(data);
      this._deflatedLength += data.length;
    }
    if ((flags & R.FLAG_END_OF_FRAME) === 0 && this._deflatedLength < INFLATE_FROM) return NEXT;

    const deflated = concat(this._deflated, this._deflatedLength);
    const last = isLast(flags);
    this._deflated = [];
    this._deflatedLength = 0;

    if (this._isLate && this._allowSynchronousEvents) {
      const step = this._inflateNow(flags, deflated, cb);
      if (step !== null) return step;
    }
    this._extensions[extensionName].decompress(deflated, last, (error, inflated) => {
      error = error || this._inflated(flags, inflated);
      if (error) {
        // What called `receive` has another one by now.
        const waiting = this._rest.cb;
        this._rest = null;
        waiting(error);
        return;
      }
      this._goOn(last ? this._message(flags) : null);
    });
    return WAIT;
  }

  /** Inflates at once what need not wait for a turn of its own; `null` if that is not possible. */
  _inflateNow(flags, deflated, cb) {
    let error;
    try {
      const inflated = this._extensions[extensionName].decompressSync(deflated, isLast(flags));
      if (inflated === null) return null;
      error = this._inflated(flags, inflated);
    } catch (thrown) {
      error = thrown;
    }
    if (error) {
      this._fail(error, cb);
      return STOP;
    }
    return isLast(flags) ? this._emitMessage(...this._message(flags)) : NEXT;
  }

  /** Goes on after something has been inflated, in a later turn: emits the message, then works off the rest. */
  _goOn(message) {
    const together = this._rest.count > 0;
    if (together) batch.begin();
    this._isLate = true;
    try {
      if (message === null) this._resume();
      else emitAndResume(this, 'message', ...message);
    } finally {
      this._isLate = false;
      if (together) batch.end();
    }
  }

  /** Takes inflated octets, and tells what is wrong with them. */
  _inflated(flags, data) {
    this._push(data);
    if (this._maxPayload > 0 && this._messageLength > this._maxPayload) {
      return createError(ERRORS.UNSUPPORTED_MESSAGE_LENGTH);
    }
    if ((flags & R.FLAG_TEXT) !== 0 && !this._skipUTF8Validation) {
      if (this._utf8 === null) this._utf8 = new Utf8Validator();
      if (!this._utf8.push(data, isLast(flags))) return createError(ERRORS.INVALID_UTF8);
    }
    this._endOfFrame(flags);
    return null;
  }

  _endOfPiece(flags) {
    this._endOfFrame(flags);
    if (!isLast(flags)) return NEXT;
    const [data, isBinary] = this._message(flags);
    return this._emitMessage(data, isBinary);
  }

  /** In `'fragments'` each frame is one Buffer, in however many chunks it came. */
  _endOfFrame(flags) {
    if (this._binaryType !== 'fragments' || (flags & R.FLAG_END_OF_FRAME) === 0) return;
    const pieces = this._pieces.splice(this._frameAt);
    if (pieces.length > 0) this._pieces.push(Buffer.concat(pieces));
    this._frameAt = this._pieces.length;
  }

  /** Puts the message together. */
  _message(flags) {
    const pieces = this._pieces;
    const length = this._messageLength;
    this._pieces = [];
    this._messageLength = 0;

    if ((flags & R.FLAG_TEXT) !== 0) return [concat(pieces, length), false];
    switch (this._binaryType) {
      case 'nodebuffer':
        return [concat(pieces, length), true];
      case 'arraybuffer':
        return [toArrayBuffer(concat(pieces, length)), true];
      case 'blob':
        return [new Blob(pieces), true];
      default:
        return [pieces, true];
    }
  }
}

function isLast(flags) {
  return (flags & R.FLAG_FIN) !== 0 && (flags & R.FLAG_END_OF_FRAME) !== 0;
}

function resume(receiver) {
  receiver._resume();
}

/** Emits an event that others wait for, and goes on with those. */
function emitAndResume(receiver, event, ...values) {
  let survived = false;
  try {
    receiver.emit(event, ...values);
    survived = true;
  } finally {
    if (!survived) setImmediate(resume, receiver);
  }
  receiver._resume();
}

module.exports = Receiver;
