'use strict';

/**
 * The option `heartbeat`: finds connections that are broken without either side knowing.
 */

/** Half a minute, as programs written for `ws` have it. */
const INTERVAL = 30000;
/** What a timer of Node can wait at most. */
const LONGEST = 2 ** 31 - 1;

/**
 * Reads the option.
 *
 * @param {boolean|number|{interval?: number}} [option] `true`, milliseconds, or an object with them
 * @returns {number} milliseconds; 0 for no heartbeat
 * @throws {TypeError} if it is not a positive number
 */
function heartbeatInterval(option) {
  if (option === undefined || option === null || option === false) return 0;
  let interval = option;
  if (option === true) interval = INTERVAL;
  else if (typeof option === 'object') interval = option.interval ?? INTERVAL;
  if (typeof interval !== 'number' || !(interval > 0) || interval > LONGEST) {
    throw new TypeError(
      `The "heartbeat" interval must be a number of milliseconds between 1 and ${LONGEST}, not ${interval}`
    );
  }
  return interval;
}

/**
 * Pings the peer when nothing has come from it for an interval, and cuts the connection when nothing
 * has come for another.
 *
 * Whatever comes proves that the peer lives, not only pongs.
 *
 * @param {import('./websocket')} ws the connection
 * @param {number} interval milliseconds between looks
 */
function startHeartbeat(ws, interval) {
  let timer;
  let pinged = false;
  const look = () => {
    if (ws.readyState !== ws.OPEN) return;
    // Nothing can come to a connection that is not read from: that is not the peer's fault.
    if (ws._heard || ws.isPaused || ws._socket.isPaused()) {
      ws._heard = false;
      pinged = false;
    } else if (pinged) {
      ws.terminate();
    } else {
      pinged = true;
      ws.ping();
    }
  };

  ws.once('open', () => {
    ws._heard = false;
    timer = setInterval(look, interval);
    // A connection does not keep the process running by being looked after.
    timer.unref();
  });
  ws.once('close', () => clearInterval(timer));
}

module.exports = { heartbeatInterval, startHeartbeat };
