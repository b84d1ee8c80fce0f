'use strict';

const assert = require('node:assert');
const EventEmitter = require('node:events');
const { test } = require('node:test');

const WebSocket = require('../..');
const { heartbeatInterval, startHeartbeat } = require('../../lib/heartbeat');

/** A connection that writes down what is done to it. */
class Connection extends EventEmitter {
  OPEN = 1;
  readyState = 1;
  isPaused = false;
  _heard = false;
  _socket = { isPaused: () => false };
  log = [];

  ping() {
    this.log.push('ping');
  }

  terminate() {
    this.log.push('terminate');
    this.readyState = 3;
    this.emit('close');
  }
}

/** Runs a script with a clock that only the script advances, by intervals. (`mock.timers` came with Node 20.4.) */
function withClock(script) {
  const { setInterval, clearInterval } = globalThis;
  const timers = new Set();
  globalThis.setInterval = (callback, interval) => {
    const timer = { callback, interval, keepsRunning: true, unref: () => (timer.keepsRunning = false) };
    timers.add(timer);
    return timer;
  };
  globalThis.clearInterval = (timer) => timers.delete(timer);
  try {
    const ws = new Connection();
    startHeartbeat(ws, 1000);
    assert.strictEqual(timers.size, 0);
    ws.emit('open');
    const [{ interval, keepsRunning }] = timers;
    assert.deepStrictEqual([timers.size, interval, keepsRunning], [1, 1000, false]);
    script(ws, (intervals = 1) => {
      for (let i = 0; i < intervals; i++) for (const timer of timers) timer.callback();
    });
    ws.emit('close');
    assert.strictEqual(timers.size, 0);
  } finally {
    Object.assign(globalThis, { setInterval, clearInterval });
  }
}

test('a silent peer is pinged after an interval, and cut after another', () => {
  withClock((ws, tick) => {
    tick();
    assert.deepStrictEqual(ws.log, ['ping']);
    tick();
    assert.deepStrictEqual(ws.log, ['ping', 'terminate']);
    tick(5);
    assert.deepStrictEqual(ws.log, ['ping', 'terminate']);
  });
});

test('whatever comes proves that the peer lives', () => {
  withClock((ws, tick) => {
    for (let i = 0; i < 5; i++) {
      ws._heard = true;
      tick();
    }
    assert.deepStrictEqual(ws.log, []);
    tick();
    ws._heard = true;
    tick();
    tick();
    assert.deepStrictEqual(ws.log, ['ping', 'ping']);
  });
});

test('a peer that is not read from is not blamed for silence', () => {
  withClock((ws, tick) => {
    ws.isPaused = true;
    tick(5);
    ws.isPaused = false;
    ws._socket.isPaused = () => true;
    tick(5);
    assert.deepStrictEqual(ws.log, []);
  });
});

test('nothing is done while the connection closes', () => {
  withClock((ws, tick) => {
    ws.readyState = 2;
    tick(5);
    assert.deepStrictEqual(ws.log, []);
  });
});

test('the interval is 30 seconds, or what is given', () => {
  assert.strictEqual(heartbeatInterval(undefined), 0);
  assert.strictEqual(heartbeatInterval(false), 0);
  assert.strictEqual(heartbeatInterval(true), 30000);
  assert.strictEqual(heartbeatInterval({}), 30000);
  assert.strictEqual(heartbeatInterval(10), 10);
  assert.strictEqual(heartbeatInterval({ interval: 10 }), 10);
});

test('an interval that is none is refused before anything is begun', () => {
  for (const heartbeat of [-1, NaN, Infinity, 2 ** 31, 'a', { interval: 0 }]) {
    assert.throws(() => new WebSocket('ws://127.0.0.1:1', { heartbeat }), TypeError);
    assert.throws(() => new WebSocket.Server({ noServer: true, heartbeat }), TypeError);
  }
});
