'use strict';

/**
 * The option `heartbeat`: finds connections that are broken without either side knowing.
 */

/** Half a minute, as programs written for `ws` have it. */
const INTERVAL = 30000;
/** What a timer of Node can wait at most. */
const LONGEST = 2 ** 31 - 1;

/** Where a `WebSocket` has its heartbeat. */
const kHeartbeat = Symbol('heartbeat');

/**
 * Reads the option.
 *
 * @param {boolean|number|{interval?: number}|null} [option] `true`, milliseconds, or an object with them
 * @returns {number} milliseconds; 0 for no heartbeat
 * @throws {TypeError} if it is neither `false` nor a number that a timer can wait
 */
function heartbeatInterval(option) {
  let interval = option ?? false;
  if (typeof interval === 'object' && !Array.isArray(interval)) interval = interval.interval ?? INTERVAL;
  if (interval === true) interval = INTERVAL;
  if (interval === false || interval === 0) return 0;
  if (typeof interval !== 'number' || !(interval > 0) || interval > LONGEST) {
    throw new TypeError(
      `The "heartbeat" interval must be a number of milliseconds from 1 to ${LONGEST}, or 0 for none, ` +
        `not ${Array.isArray(interval) ? 'an array' : String(interval)}`
    );
  }
  return interval;
}

/**
 * Pings the peer every interval, and cuts the connection when nothing has come between two pings.
 *
 * Whatever comes proves that the peer lives, not only pongs; and so does that it takes what is sent, because
 * a ping waits behind that.
 */
class Heartbeat {
  /**
   * @param {import('./websocket')} ws the connection
   * @param {number} interval milliseconds
   */
  constructor(ws, interval) {
    this._ws = ws;
    this._interval = interval;
    this._timer = null;
    /** The peer has been pinged, and can be heard. */
    this._expects = false;
    /** What waited for the peer after the last ping. */
    this._waited = { inKernelsQueue: undefined, inStream: 0 };
  }

  /** The connection is open. */
  start() {
    this._ws._heard = false;
    this._timer = setInterval(() => this._look(), this._interval);
    // A connection does not keep the process running by being looked after.
    this._timer.unref();
  }

  /** The connection is over. */
  stop() {
    clearInterval(this._timer);
  }

  _look() {
    const ws = this._ws;
    if (ws.readyState !== ws.OPEN) return;
    const socket = ws._socket;
    // Nothing can come to a connection that is not read from: that is not the peer's fault.
    const isPaused = ws.isPaused || socket.isPaused();
    if (this._expects && !ws._heard && !isPaused && !this._isTaking(socket)) {
      ws.terminate();
      return;
    }
    ws._heard = false;
    this._expects = !isPaused;
    ws.ping();
    this._waited = waiting(ws._socket);
  }

  /** Whether the peer has taken some of what waited for it. */
  _isTaking(socket) {
    const before = this._waited;
    const now = waiting(socket);
    if (now.inKernelsQueue === undefined) return now.inStream < before.inStream;
    // Until it is empty nothing is added to it: what is sent meanwhile is in the stream.
    return before.inKernelsQueue > 0 && now.inKernelsQueue !== before.inKernelsQueue;
  }
}

/** How many octets the peer has not taken; of a large message the stream does not know how far it is. */
function waiting(socket) {
  // Under TLS there is another handle.
  const handle = socket._handle?._parent ?? socket._handle;
  return { inKernelsQueue: handle?.writeQueueSize, inStream: socket.writableLength };
}

module.exports = { Heartbeat, heartbeatInterval, kHeartbeat };
