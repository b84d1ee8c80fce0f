'use strict';

// What a sender has framed and the socket has not been given yet.

const batch = require('./batch');
const { FastBuffer } = require('./buffers');

/** Frames are written into memory that all outboxes share, taken in pieces of this size. */
const ARENA = 32 * 1024;

/** A larger frame is not copied, but given to the socket with all before it. */
const LARGEST = 16 * 1024;

/** So much is gathered at most. */
const MOST = 64 * 1024;

let arena = null;
let top = ARENA;

class Outbox {
  /** @param {import('stream').Duplex} socket where it all goes */
  constructor(socket) {
    this._socket = socket;
    /** How many bytes are gathered. */
    this.length = 0;
    /** Where the room begins that `reserve` has made. */
    this.at = 0;

    // The last part of what is gathered, which grows as long as nobody else writes behind it, and
    // the parts before.
    this._memory = null;
    this._from = 0;
    this._to = 0;
    this._parts = null;
    this._callbacks = null;

    this._tick = -1;
    this._enlisted = false;
  }

  /**
   * Makes room for a frame of at most `LARGEST` bytes; `commit` must follow.
   *
   * @param {number} length
   * @returns {Buffer} the memory to write it into, from `this.at` on
   */
  reserve(length) {
    if (ARENA - top < length) {
      arena = Buffer.allocUnsafeSlow(ARENA);
      top = 0;
    }
    if (this._memory !== arena || this._to !== top) {
      if (this._memory !== null) this._closePart();
      this._memory = arena;
      this._from = top;
    }
    this.at = top;
    top += length;
    this._to = top;
    this.length += length;
    return arena;
  }

  _closePart() {
    if (this._parts === null) this._parts = [];
    this._parts.push(this._lastPart());
  }

  _lastPart() {
    const memory = this._memory;
    return new FastBuffer(memory.buffer, memory.byteOffset + this._from, this._to - this._from);
  }

  /**
   * The frame is complete: it leaves now, or with those that follow.
   *
   * @param {Function} [cb] called when it has been written
   */
  commit(cb) {
    if (cb !== undefined) this._notify(cb);

    if (batch.isGathering() || this._tick === batch.currentTick()) {
      if (this.length >= MOST) {
        this.flush();
      } else if (!this._enlisted) {
        this._enlisted = true;
        batch.enlist(this);
      }
      return;
    }
    this._tick = batch.currentTick();
    this.flush();
  }

  /** Of several callbacks one is a list, so that one alone needs none. */
  _notify(cb) {
    if (this._callbacks === null) this._callbacks = cb;
    else if (Array.isArray(this._callbacks)) this._callbacks.push(cb);
    else this._callbacks = [this._callbacks, cb];
  }

  /**
   * Writes buffers at once, behind what is gathered.
   *
   * @param {Buffer[]} list
   * @param {Function} [cb]
   */
  writeThrough(list, cb) {
    this._tick = batch.currentTick();
    if (list.length === 1 && this.length === 0) {
      this._socket.write(list[0], cb);
      return;
    }
    this._socket.cork();
    this.flush();
    for (let i = 0; i < list.length - 1; i++) this._socket.write(list[i]);
    this._socket.write(list[list.length - 1], cb);
    this._socket.uncork();
  }

  /** Writes what is gathered. */
  flush() {
    this._enlisted = false;
    if (this.length === 0) return;

    const socket = this._socket;
    const parts = this._parts;
    const last = this._lastPart();
    const callbacks = this._callbacks;
    const cb = Array.isArray(callbacks) ? (error) => callAll(callbacks, 0, error) : callbacks;
    this.length = 0;
    this._memory = null;
    this._parts = null;
    this._callbacks = null;

    if (parts === null) {
      socket.write(last, cb ?? undefined);
      return;
    }
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.write(last, cb ?? undefined);
    socket.uncork();
  }
}

/** Calls all, even if one throws. */
function callAll(callbacks, i, error) {
  try {
    while (i < callbacks.length) callbacks[i++](error);
  } finally {
    if (i < callbacks.length) callAll(callbacks, i, error);
  }
}

module.exports = { LARGEST, Outbox };
