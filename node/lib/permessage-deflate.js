'use strict';

/**
 * `PerMessageDeflate`: the extension of RFC 7692, negotiated and at work.
 *
 * Negotiation is in `deflate-params`; compressing is done by native contexts where there are, which work
 * at once on what is small, as long as it is not too much in one turn of the loop, and in the thread pool on
 * the rest, else by node:zlib, always in the pool.
 */

const Budget = require('./budget');
const codec = require('./codec');
const params = require('./deflate-params');
const Limiter = require('./limiter');
const { setImmediate } = require('./untouched');
const { toLimit } = require('./validation');
const { ZlibDeflate, ZlibInflate } = require('./zlib-contexts');

/** From this length on (octets of input) the thread pool pays. */
const POOL_FROM = 32 * 1024;
/** The same for what is inflated. */
const INFLATE_POOL_FROM = 8 * 1024;
/** It may grow a thousandfold: what is longer than this (octets of output) is finished in the thread pool. */
const INFLATE_STRETCH = 64 * 1024;

/** What is compressed at once in one turn of the loop (octets of input), and what is inflated (octets of output). */
const deflateBudget = new Budget(256 * 1024);
const inflateBudget = new Budget(1024 * 1024);

/** Options of zlib that native contexts have too, or that make no difference to what is sent: from, to. */
const NATIVE_OPTIONS = { chunkSize: [64, Infinity], level: [-1, 9], memLevel: [1, 9], windowBits: [8, 15] };

/** One for the process, as the thread pool is; the first options that come decide. */
let limiter;

/** What a connection compresses its messages with. */
class PerMessageDeflate {
  static get extensionName() {
    return 'permessage-deflate';
  }

  /**
   * @param {object} [options]
   * @param {boolean|number} [options.clientMaxWindowBits] the client's window: demanded, or `false` for
   *   no word about it
   * @param {boolean} [options.clientNoContextTakeover] the client forgets each message
   * @param {number} [options.concurrencyLimit=10] how many calls to the thread pool at a time, in the process
   * @param {boolean} [options.isServer=false] which side this is
   * @param {number} [options.maxPayload=0] octets that a message may inflate to; 0 for any number
   * @param {boolean|number} [options.serverMaxWindowBits] the server's window
   * @param {boolean} [options.serverNoContextTakeover] the server forgets each message
   * @param {number} [options.threshold=1024] shorter messages are not compressed without context takeover
   * @param {object} [options.zlibDeflateOptions] for zlib's deflate
   * @param {object} [options.zlibInflateOptions] for zlib's inflate
   */
  constructor(options) {
    this._options = options || {};
    const { concurrencyLimit = 10, maxPayload, threshold = 1024 } = this._options;
    this._threshold = threshold;
    this._maxPayload = toLimit(maxPayload);
    this._isServer = Boolean(this._options.isServer);
    this._deflate = null;
    this._inflate = null;
    /** What is agreed; null before `accept`. */
    this.params = null;
    limiter ??= new Limiter(concurrencyLimit);
  }

  /**
   * The offer of a client, for `extension.format`.
   *
   * @returns {object}
   */
  offer() {
    return params.offer(this._options);
  }

  /**
   * Accepts what the peer offers or answers; `params` has the result.
   *
   * @param {object[]} configurations as `extension.parse` gives them
   * @returns {object} what is agreed
   * @throws {Error} if nothing of it is acceptable
   */
  accept(configurations) {
    const normalized = this.normalizeParams(configurations);
    this.params = this._isServer ? this.acceptAsServer(normalized) : this.acceptAsClient(normalized);
    return this.params;
  }

  /** The half of `accept` that decides over a client's offers. */
  acceptAsServer(offers) {
    return params.acceptAsServer(offers, this._options);
  }

  /** The half of `accept` that decides over a server's answer. */
  acceptAsClient(response) {
    return params.acceptAsClient(response, this._options);
  }

  /** The half of `accept` that checks parameters and gives them their types, in place. */
  normalizeParams(configurations) {
    return params.normalize(configurations, this._isServer);
  }

  /** Lets go of the contexts; who waits for something compressed is told so. */
  cleanup() {
    this._inflate?.close();
    this._inflate = null;
    this._deflate?.close('The deflate stream was closed while data was being processed');
    this._deflate = null;
  }

  /**
   * Compresses a message, or a fragment of one.
   *
   * @param {Buffer|string} data the payload
   * @param {boolean} fin whether the message ends here
   * @param {(error: Error|null, data?: Buffer) => void} callback called later, in the order of the calls
   */
  compress(data, fin, callback) {
    this._deflate ??= deflateJobs(this);
    this._deflate.run(data, fin, callback);
  }

  /**
   * As `compress`, but at once; `take` must follow before anything else is compressed or inflated.
   *
   * @param {Buffer|string} data the payload
   * @param {boolean} fin whether the message ends here
   * @returns {number} how many octets there are to take; −1 if that is not possible, and `compress` has
   *   to be used: there is too much, other data is being compressed, or there is no native code
   */
  compressSync(data, fin) {
    this._deflate ??= deflateJobs(this);
    return this._deflate.runHeld(data, fin);
  }

  /**
   * Writes what `compressSync` has produced.
   *
   * @param {Buffer} target where there is room for it
   * @param {number} at from which octet on
   */
  take(target, at) {
    codec.take(target, at);
  }

  /**
   * Makes the next message that is compressed refer to nothing before it: after something was sent
   * that did not go through here. Only while nothing is being compressed.
   */
  forgetSent() {
    // A native context costs little to make anew.
    if (this._deflate !== null && !this._deflate.reset()) this._deflate = null;
  }

  /**
   * Decompresses a piece of a message.
   *
   * @param {Buffer} data the piece
   * @param {boolean} fin whether the message ends here
   * @param {(error: Error|null, data?: Buffer) => void} callback called later, in the order of the calls;
   *   an error has the close code under `kStatusCode`
   */
  decompress(data, fin, callback) {
    this._inflate ??= inflateJobs(this);
    this._inflate.run(data, fin, callback);
  }

  /**
   * As `decompress`, but at once.
   *
   * @param {Buffer} data the piece
   * @param {boolean} fin whether the message ends here
   * @returns {Buffer|null} null if `decompress` has to be used, as for `compressSync`
   * @throws {Error} as `decompress` calls back with
   */
  decompressSync(data, fin) {
    this._inflate ??= inflateJobs(this);
    return this._inflate.runSync(data, fin);
  }
}

/** The work of one direction of a connection: one piece after the other. */
class Jobs {
  /**
   * @param {object} context a native one or one of `zlib-contexts`
   * @param {number} poolFrom the length from which the thread pool does it; 0 if the context knows nothing else
   * @param {Budget} budget for what is done here
   */
  constructor(context, poolFrom, budget) {
    this._context = context;
    this._poolFrom = poolFrom;
    this._budget = budget;
    this._jobs = [];
    this._release = null;
    this._closed = false;
  }

  run(data, fin, callback) {
    this._jobs.push({ data, fin, callback });
    if (this._jobs.length === 1) this._start();
  }

  /** Whether something may be done in this thread, and now, if nothing is under way. */
  _mayRunHere(data) {
    return data.length < this._poolFrom && this._budget.isLeft();
  }

  /** @param {string} [message] what those who wait are told; nothing without it */
  close(message) {
    this._closed = true;
    // Native contexts are freed with their objects.
    this._context.close?.();
    this._giveBack();
    if (message === undefined) return;
    for (const { callback } of this._jobs) callback(new Error(message));
  }

  _start() {
    const { data, fin } = this._jobs[0];
    if (this._mayRunHere(data) && this._startHere(data, fin)) return;
    limiter.run((done) => {
      if (this._closed) {
        done();
        return;
      }
      this._release = done;
      this._later(data, fin, (error, output) => {
        this._giveBack();
        this._finish(error, output);
      });
    });
  }

  /** Leaves the place in the pool to others: after the work, or when it is closed, as zlib then never calls back. */
  _giveBack() {
    const release = this._release;
    this._release = null;
    release?.();
  }

  /**
   * In this thread; told in a later turn of the loop, as if it had come from the pool.
   *
   * @returns {boolean} false if there is more to do than may be done here
   */
  _startHere(data, fin) {
    let error = null;
    let output;
    try {
      output = this._now(data, fin);
    } catch (thrown) {
      error = thrown;
    }
    if (output === null) return false;
    setImmediate(() => this._finish(error, output));
    return true;
  }

  _finish(error, output) {
    if (this._closed) return;
    const { callback } = this._jobs.shift();
    // The next is begun first: what the callback throws stops nobody.
    if (this._jobs.length > 0) this._start();
    if (error) callback(error);
    else callback(null, output);
  }
}

class DeflateJobs extends Jobs {
  /** @returns {number} how many octets the codec holds; −1 if it cannot be done here */
  runHeld(data, fin) {
    if (this._jobs.length !== 0 || !this._mayRunHere(data)) return -1;
    this._budget.spend(octetsOf(data));
    return this._context.compressHeld(data, fin);
  }

  /** @returns {boolean} false if the context cannot forget */
  reset() {
    if (this._context.reset === undefined) return false;
    this._context.reset();
    return true;
  }

  _now(data, fin) {
    this._budget.spend(octetsOf(data));
    return this._context.compress(data, fin);
  }

  _later(data, fin, callback) {
    this._context.compressAsync(data, fin, callback);
  }
}

class InflateJobs extends Jobs {
  constructor(context, poolFrom, budget, limit) {
    super(context, poolFrom, budget);
    this._limit = limit;
    /** The context has stopped within the data that comes next: the pool has to go on with it. */
    this._isBegun = false;
  }

  /** @returns {Buffer|null} null if it cannot be done here, or not all of it */
  runSync(data, fin) {
    return this._jobs.length === 0 && this._mayRunHere(data) ? this._now(data, fin) : null;
  }

  _mayRunHere(data) {
    return !this._isBegun && super._mayRunHere(data);
  }

  _now(data, fin) {
    // What it was is known only afterwards, but for an error.
    let octets = INFLATE_STRETCH;
    try {
      const output = this._context.inflate(data, fin, this._limit, INFLATE_STRETCH);
      this._isBegun = output === null;
      if (output !== null) octets = Math.max(output.length, data.length);
      return output;
    } finally {
      this._budget.spend(octets);
    }
  }

  _later(data, fin, callback) {
    this._isBegun = false;
    this._context.inflateAsync(data, fin, this._limit, callback);
  }
}

function octetsOf(data) {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length;
}

function deflateJobs({ _options: options, _isServer: isServer, params: agreed }) {
  const { windowBits, noContextTakeover } = settingsOf(agreed, isServer ? 'server' : 'client');
  const zlibOptions = { ...options.zlibDeflateOptions, windowBits };
  if (codec.Deflate === null || !isNative(zlibOptions)) {
    return new DeflateJobs(new ZlibDeflate(zlibOptions, noContextTakeover), 0, deflateBudget);
  }
  const { level, memLevel } = zlibOptions;
  return new DeflateJobs(new codec.Deflate({ level, memLevel, windowBits, noContextTakeover }), POOL_FROM, deflateBudget);
}

function inflateJobs({ _options: options, _isServer: isServer, _maxPayload: limit, params: agreed }) {
  const { windowBits, noContextTakeover } = settingsOf(agreed, isServer ? 'client' : 'server');
  const zlibOptions = { ...options.zlibInflateOptions, windowBits };
  if (codec.Inflate === null || !isNative(zlibOptions)) {
    return new InflateJobs(new ZlibInflate(zlibOptions, noContextTakeover), 0, inflateBudget, limit);
  }
  return new InflateJobs(new codec.Inflate({ windowBits, noContextTakeover }), INFLATE_POOL_FROM, inflateBudget, limit);
}

/** What is agreed for the messages of one side. */
function settingsOf(agreed, side) {
  const bits = agreed[`${side}_max_window_bits`];
  return {
    windowBits: typeof bits === 'number' ? bits : 15,
    noContextTakeover: Boolean(agreed[`${side}_no_context_takeover`])
  };
}

/** What native contexts do not know, node:zlib does, or it says what is wrong with it. */
function isNative(zlibOptions) {
  return Object.entries(zlibOptions).every(([name, value]) => {
    if (!Object.hasOwn(NATIVE_OPTIONS, name)) return false;
    const [from, to] = NATIVE_OPTIONS[name];
    return value === undefined || (Number.isInteger(value) && value >= from && value <= to);
  });
}

module.exports = PerMessageDeflate;
