'use strict';

// What a sender has framed and the socket has not been given yet.

const { AsyncResource } = require('async_hooks');
const net = require('net');

const batch = require('./batch');
const { FastBuffer } = require('./buffers');
const { writableHandle, write, writeFrameShort, writeShort } = require('./fast-path');

/** Frames are written into memory that all outboxes share, taken in pieces of this size. */
const ARENA = 32 * 1024;

/** A larger frame is not copied, but given to the socket with all before it. */
const LARGEST = 16 * 1024;

/** So much is gathered at most. */
const MOST = 64 * 1024;

const kOutbox = Symbol('outbox');

let arena = null;
let top = ARENA;

class Outbox {
  /** @param {import('stream').Duplex} socket where it all goes */
  constructor(socket) {
    this._socket = socket;
    /** How many bytes are gathered. */
    this.length = 0;
    /** How many bytes have gone to the kernel past the stream. */
    this.sent = 0;
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
    this._handle = writableHandle(socket);
    /** What the method `write` of the socket is, unless somebody has replaced it. */
    this._write = write;
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
    if (batch.isGathering() || this._tick === batch.currentTick()) {
      if (cb !== undefined) this._notify(new Callback(cb));
      if (this.length >= MOST) {
        this.flush();
      } else if (!this._enlisted) {
        this._enlisted = true;
        if (this._write !== GUARDS.write) comeBefore(this, this._socket);
        batch.enlist(this);
      }
      return;
    }
    this._tick = batch.currentTick();
    if (cb === undefined || this._callbacks === null) {
      this.flush(cb);
      return;
    }
    this._notify(new Callback(cb));
    this.flush();
  }

  _notify(callback) {
    if (this._callbacks === null) this._callbacks = [callback];
    else this._callbacks.push(callback);
  }

  /**
   * Writes buffers at once, behind what is gathered.
   *
   * @param {Buffer[]} list
   * @param {Function} [cb]
   */
  writeThrough(list, cb) {
    this._tick = batch.currentTick();
    if (this._handle !== null && cb === undefined && this.length === 0 && list.length <= 2) {
      list = this._writeListShort(list);
      if (list.length === 0) return;
    }
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

  /** Writes one or two buffers, and tells what is left of them. */
  _writeListShort(list) {
    const [head, rest] = list;
    let sent = this._writeShort(head, 0, head.length, rest);
    if (sent === 0) return list;
    if (sent < head.length) return [head.subarray(sent), ...list.slice(1)];
    sent -= head.length;
    return rest === undefined || sent === rest.length ? [] : [rest.subarray(sent)];
  }

  _writeShort(head, from, to, rest) {
    return this._count(writeShort(this._socket, this._handle, this._write, head, from, to, rest));
  }

  /**
   * Writes an unmasked frame at once, if it is its turn.
   *
   * @param {number} first its first octet
   * @param {Buffer} payload
   * @returns {number} how many of its octets are written: what is left has to be written at once as well
   */
  writeFrame(first, payload) {
    if (this._handle === null || this.length !== 0 || batch.isGathering()) return 0;
    const tick = batch.currentTick();
    if (this._tick === tick) return 0;
    const sent = this._count(writeFrameShort(this._socket, this._handle, this._write, first, payload));
    if (sent > 0) this._tick = tick;
    return sent;
  }

  _count(sent) {
    if (this.sent === 0 && sent > 0) {
      this._socket[kOutbox] = this;
      Object.defineProperty(this._socket, '_bytesDispatched', BYTES_DISPATCHED);
    }
    this.sent += sent;
    return sent;
  }

  /**
   * Writes what is gathered.
   *
   * @param {Function} [cb] called when it has been written, in place of gathered callbacks
   */
  flush(cb) {
    this._enlisted = false;
    if (this.length === 0) return;

    const socket = this._socket;
    const parts = this._parts;
    const callbacks = this._callbacks;
    if (parts === null && callbacks === null && cb === undefined && this._handle !== null) {
      const from = this._from;
      const to = this._to;
      this._from += this._writeShort(this._memory, from, to, undefined);
      if (this._from === to) {
        // The kernel has it all: what comes next is written over it.
        if (this._memory === arena && to === top) top = from;
        this.length = 0;
        this._memory = null;
        return;
      }
    }
    const last = this._lastPart();
    if (callbacks !== null) cb = (error) => callAll(callbacks, 0, error);
    this.length = 0;
    this._memory = null;
    this._parts = null;
    this._callbacks = null;

    if (parts === null) {
      socket.write(last, cb);
      return;
    }
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.write(last, cb);
    socket.uncork();
  }
}

/** A callback that is called later, in the asynchronous context in which it was given. */
class Callback extends AsyncResource {
  constructor(cb) {
    super('WebSocket.send');
    this._cb = cb;
  }

  call(error) {
    this.runInAsyncScope(this._cb, undefined, error);
  }
}

/** Calls all, even if one throws. */
function callAll(callbacks, i, error) {
  try {
    while (i < callbacks.length) callbacks[i++].call(error);
  } finally {
    if (i < callbacks.length) process.nextTick(callAll, callbacks, i, error);
  }
}

/**
 * From now on, whatever is done to the socket itself comes after what has been sent. Who has the socket from
 * elsewhere (`request.socket`) does not know that something waits here.
 *
 * Not before something waits: methods of its own make a socket slower to open and to close.
 */
function comeBefore(outbox, socket) {
  outbox._write = GUARDS.write;
  socket[kOutbox] = outbox;
  for (const method of METHODS) {
    // A method that somebody has put there stays in use.
    socket[method] = Object.hasOwn(socket, method) ? guard(socket[method]) : GUARDS[method];
  }
  Object.defineProperties(socket, COUNTS);
}

function guard(method) {
  return function (...args) {
    this[kOutbox].flush();
    return method.apply(this, args);
  };
}

/** What `socket.bytesWritten` counts from: what has gone past the stream as well. */
const { get: bytesDispatched } = Object.getOwnPropertyDescriptor(net.Socket.prototype, '_bytesDispatched');
const BYTES_DISPATCHED = {
  configurable: true,
  get() {
    return bytesDispatched.call(this) + this[kOutbox].sent;
  }
};

/** The same for the methods of the class, without a closure for each connection. */
const GUARDS = {
  write(...args) {
    this[kOutbox].flush();
    return Object.getPrototypeOf(this).write.apply(this, args);
  },
  end(...args) {
    this[kOutbox].flush();
    return Object.getPrototypeOf(this).end.apply(this, args);
  },
  destroy(...args) {
    this[kOutbox].flush();
    return Object.getPrototypeOf(this).destroy.apply(this, args);
  }
};

const METHODS = Object.keys(GUARDS);

/** What a socket tells of itself after what has been sent. */
const COUNTS = { bytesWritten: count('bytesWritten'), writableLength: count('writableLength') };

function count(name) {
  return {
    configurable: true,
    get() {
      this[kOutbox].flush();
      return Reflect.get(Object.getPrototypeOf(this), name, this);
    }
  };
}

module.exports = { LARGEST, Outbox };
