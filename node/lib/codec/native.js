'use strict';

// The codec in Rust, with the contract that is the head comment of js.js. `null` where there is
// no native half for this platform.
//
// What is no faster in Rust is that of js.js: UTF-8 (Node has it in C++) and masking keys.

const { markAsUntransferable } = require('worker_threads');

const addon = require('../native');
const { kStatusCode } = require('../constants');
const { ERRORS, createError } = require('../errors');
const js = require('./js');
const Turns = require('../turns');
const { BINARY, CAPACITY, KIND, WORDS } = require('./records');

// The words that Rust shares with us (crates/hybi-node/src/records.rs): the table, then where
// decoding stopped, then a control payload that came in several chunks. They must never be
// transferred to another thread.
const CONSUMED = CAPACITY * WORDS;
const SIDE_LENGTH = CONSUMED + 1;
const SIDE = SIDE_LENGTH + 1;

/** Octets that the pool has inflated and that are copied in one turn of the loop; fresh memory for them costs more than the copy. */
const FETCHED_IN_A_TURN = 2 * 1024 * 1024;
/** So few need not wait for their turn. */
const FETCHED_AT_ONCE = 64 * 1024;

const FastBuffer = Buffer[Symbol.species];

// What `read` tells is a number of records, or from here on the kind of a message, and its length in the upper bits.
const LENGTH = 10;
const ONLY = 1 << LENGTH;

/** Small messages are copied into memory that they share, of the size of that of `Buffer.allocUnsafe`. */
const SLAB = 8 * 1024;
/** A read that is longer is no small message, with its header. */
const MOST = SLAB / 2 + 8;

/** Below this length a call into Rust costs more than a loop. */
const MASK_NATIVE_FROM = 64;

// What Rust says in place of a length (crates/hybi-node/src/deflate.rs).
const TOO_LARGE = -1;
const UNFINISHED = -3;
/** So much less the length of the reason, which is taken as the output. */
const INVALID = -16;

if (addon !== null) {
  const { shared } = addon;
  let slab = null;
  let top = SLAB;
  const sideOctets = Buffer.from(shared.buffer, SIDE * 4);

  // What Rust holds for an object is freed with it.
  const decoders = new FinalizationRegistry(addon.freeDecoder);
  const compressors = new FinalizationRegistry(addon.freeCompressor);
  const decompressors = new FinalizationRegistry(addon.freeDecompressor);

  /** Decodes the frames of one connection; see the contract in js.js. */
  class Decoder {
    constructor(options) {
      // What the collector has to tell Rust of costs more than making it: not before something comes.
      this._options = options;
      this._number = -1;
      this.consumed = 0;
      this.side = null;
      this.count = 0;
      this.isBinary = false;
    }

    _begin() {
      const options = this._options;
      this._options = null;
      this._number = addon.newDecoder(
        Boolean(options.isServer),
        Boolean(options.rsv1Allowed),
        options.maxPayload,
        options.maxFragments,
        options.maxBufferedChunks,
        !options.skipUTF8Validation
      );
      decoders.register(this, this._number);
    }

    decode(chunk, from = 0, end = chunk.length) {
      if (this._number < 0) this._begin();
      return this._decoded(addon.decode(this._number, chunk, from, end));
    }

    read(memory, end) {
      if (this._number < 0) this._begin();
      // Most headers have eight octets. Where they have fewer, it may be too little room.
      if (slab === null || (SLAB - top < end - 8 && end <= MOST)) {
        slab = Buffer.allocUnsafeSlow(SLAB).buffer;
        markAsUntransferable(slab);
        top = 0;
      }
      const told = addon.read(this._number, memory, end, slab, top);
      if (told < ONLY) {
        // There was too little room, or somebody has taken the memory away (`ArrayBuffer.prototype.transfer`).
        if (told === 1 && ((SLAB - top < end && end <= MOST) || slab.byteLength === 0)) slab = null;
        this.count = this._decoded(told);
        return null;
      }
      const length = told >>> LENGTH;
      const message = new FastBuffer(slab, top, length);
      top += (length + 7) & ~7;
      this.isBinary = (told & KIND) === BINARY;
      return message;
    }

    _decoded(count) {
      this.consumed = shared[CONSUMED];
      if (shared[SIDE_LENGTH] !== 0) {
        // A copy: the next decoder writes to the same place.
        this.side = Buffer.from(sideOctets.subarray(0, shared[SIDE_LENGTH]));
      }
      return count;
    }
  }

  /** XORs `length` octets of `source` with the key into `output` at `offset`. */
  const mask = (source, mask, output, offset, length) => {
    if (length < MASK_NATIVE_FROM) js.mask(source, mask, output, offset, length);
    else addon.mask(source, output, offset, length, keyOf(mask));
  };

  /** XORs a buffer with the key, in place. */
  const unmask = (buffer, mask) => {
    const { length } = buffer;
    if (length < MASK_NATIVE_FROM) js.unmask(buffer, mask);
    else addon.mask(buffer, buffer, 0, length, keyOf(mask));
  };

  const keyOf = (mask) => (mask[0] | (mask[1] << 8) | (mask[2] << 16) | (mask[3] << 24)) >>> 0;

  const fetches = new Turns(FETCHED_IN_A_TURN);

  /** The output of the last call, `length` octets. */
  const take = (length) => {
    const output = Buffer.allocUnsafe(length);
    addon.take(output, 0);
    return output;
  };

  /** Compresses the messages of one connection. */
  class Deflate {
    constructor({ level = 6, memLevel = 8, windowBits = 15, noContextTakeover = false } = {}) {
      this._number = addon.newCompressor(
        windowBits,
        Boolean(noContextTakeover),
        // zlib's own default, −1, is 6.
        level < 0 ? 6 : level,
        memLevel
      );
      compressors.register(this, this._number);
    }

    compress(data, fin) {
      return result(addon.compress(this._number, toBuffer(data), Boolean(fin)));
    }

    compressHeld(data, fin) {
      const length = addon.compress(this._number, toBuffer(data), Boolean(fin));
      if (length < 0) throw errorOf(length);
      return length;
    }

    compressAsync(data, fin, cb) {
      // `this` is held, and with it the number, until the pool has called back.
      addon.compressLater(this._number, toBuffer(data), Boolean(fin), (length) => {
        callBack(this, length, cb);
      });
    }
  }

  /** Decompresses the messages of one connection. */
  class Inflate {
    constructor({ windowBits = 15, noContextTakeover = false } = {}) {
      this._number = addon.newDecompressor(windowBits, Boolean(noContextTakeover));
      decompressors.register(this, this._number);
    }

    inflate(data, fin, limit, stretch = Number.MAX_SAFE_INTEGER) {
      const length = addon.decompress(this._number, data, Boolean(fin), limit, stretch);
      return length === UNFINISHED ? null : result(length);
    }

    inflateAsync(data, fin, limit, cb) {
      addon.decompressLater(this._number, data, Boolean(fin), limit, (length) => {
        const fetch = () => {
          addon.fetch(this._number);
          callBack(this, length, cb);
        };
        if (length < FETCHED_AT_ONCE) fetch();
        else fetches.add(length, fetch);
      });
    }
  }

  const toBuffer = (data) => (typeof data === 'string' ? Buffer.from(data) : data);

  const result = (length) => {
    if (length < 0) throw errorOf(length);
    return take(length);
  };

  const callBack = (_context, length, cb) => {
    if (length < 0) cb(errorOf(length));
    else cb(null, take(length));
  };

  const errorOf = (number) => {
    if (number === TOO_LARGE) return createError(ERRORS.UNSUPPORTED_MESSAGE_LENGTH);
    if (number > INVALID) return new Error('hybi: internal error (please report it)');
    // As node:zlib has it.
    const error = new Error(take(INVALID - number).toString());
    error.code = 'Z_DATA_ERROR';
    error.errno = -3;
    error[kStatusCode] = 1007;
    return error;
  };

  module.exports = {
    Decoder,
    Deflate,
    Inflate,
    Utf8Validator: js.Utf8Validator,
    generateMask: js.generateMask,
    isValidUTF8: js.isValidUTF8,
    mask,
    send: addon.send,
    sendFrame: addon.sendFrame,
    records: shared.subarray(0, CAPACITY * WORDS),
    take: addon.take,
    unmask
  };
} else {
  module.exports = null;
}
