'use strict';

/**
 * `for await (const message of ws)`: the messages of a connection, one after the other.
 */

const { CLOSED } = require('./states');

/** So many messages may wait for the loop before the connection is paused. */
const MANY = 16;

/** RFC 6455 §7.1.5: no Close frame has come. */
const ABNORMAL = 1006;

/** Where a `WebSocket` keeps what a loop that was left has not taken. */
const kUntaken = Symbol('untaken');

/**
 * @param {import('./websocket')} ws the connection
 * @returns {AsyncIterableIterator<string|Buffer|ArrayBuffer|Blob|Buffer[]>}
 */
function messages(ws) {
  const queue = ws[kUntaken] ?? [];
  const waiting = [];
  let ended = ws.readyState === CLOSED;
  let failure = ended && ws._closeCode === ABNORMAL ? cut() : null;
  let pausedHere = false;
  if (queue.length > 0) ws[kUntaken] = undefined;

  const onMessage = (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting.length > 0) {
      waiting.shift().resolve({ value: message, done: false });
      return;
    }
    queue.push(message);
    if (queue.length >= MANY && !ws.isPaused) {
      pausedHere = true;
      ws.pause();
    }
  };
  const onError = (error) => {
    failure = error;
  };
  const onClose = (code) => {
    if (failure === null && code === ABNORMAL) failure = cut();
    stop();
    while (waiting.length > 0) end(waiting.shift());
  };
  const end = ({ resolve, reject }) => {
    if (failure === null) {
      resolve({ value: undefined, done: true });
      return;
    }
    const error = failure;
    failure = null;
    reject(error);
  };
  const stop = () => {
    ended = true;
    ws.removeListener('message', onMessage);
    ws.removeListener('error', onError);
    ws.removeListener('close', onClose);
  };

  if (!ended) {
    ws.on('message', onMessage);
    ws.on('error', onError);
    ws.on('close', onClose);
  }

  return {
    next() {
      return new Promise((resolve, reject) => {
        if (queue.length > 0) {
          resolve({ value: queue.shift(), done: false });
          if (pausedHere && queue.length === 0) {
            pausedHere = false;
            ws.resume();
          }
        } else if (ended) {
          end({ resolve, reject });
        } else {
          waiting.push({ resolve, reject });
        }
      });
    },
    return(value) {
      stop();
      failure = null;
      if (queue.length > 0) ws[kUntaken] = queue.splice(0).concat(ws[kUntaken] ?? []);
      while (waiting.length > 0) waiting.shift().resolve({ value: undefined, done: true });
      if (pausedHere) ws.resume();
      return Promise.resolve({ value, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    }
  };
}

function cut() {
  const error = new Error('The connection was cut: no Close frame was received');
  error.code = 'WS_ERR_ABNORMAL_CLOSURE';
  error.closeCode = ABNORMAL;
  return error;
}

module.exports = { messages };
