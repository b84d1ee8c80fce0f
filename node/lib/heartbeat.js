'use strict';

/**
 * The option `heartbeat`: finds connections that are broken without either side knowing.
 */

/** Half a minute, as programs written for `ws` have it. */
const INTERVAL = 30000;

/**
 * Pings the peer when nothing has come from it for an interval, and cuts the connection when nothing
 * has come for another.
 *
 * Whatever comes proves that the peer lives, not only pongs.
 *
 * @param {import('./websocket')} ws the connection
 * @param {true|number|{interval?: number}} option milliseconds between looks (default 30,000)
 * @throws {TypeError} if it is not a positive number
 */
function startHeartbeat(ws, option) {
  const interval = typeof option === 'number' ? option : (option.interval ?? INTERVAL);
  if (typeof interval !== 'number' || !(interval > 0)) {
    throw new TypeError(`The "heartbeat" interval must be a positive number of milliseconds, not ${interval}`);
  }

  let timer;
  const look = () => {
    if (ws.readyState !== ws.OPEN) return;
    // Nothing can come to a connection that is not read from: that is not the peer's fault.
    const reading = !ws.isPaused && !ws._socket.isPaused();
    if (!ws._heard && reading) {
      ws.terminate();
      return;
    }
    ws._heard = false;
    ws.ping();
  };
  const start = () => {
    ws._heard = true;
    timer = setInterval(look, interval);
    // A connection does not keep the process running by being looked after.
    timer.unref();
  };

  ws.once('open', start);
  ws.once('close', () => clearInterval(timer));
}

module.exports = { startHeartbeat };
