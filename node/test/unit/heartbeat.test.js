'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('../..');
const { Heartbeat, kHeartbeat, heartbeatInterval } = require('../../lib/heartbeat');
const { connect, connectRaw, serve } = require('./support/connections');

/** A connection that writes down what is done to it. */
class Connection {
  OPEN = 1;
  readyState = 1;
  isPaused = false;
  _heard = false;
  _socket = { isPaused: () => false, writableLength: 0 };
  log = [];

  ping() {
    this.log.push('ping');
  }

  terminate() {
    this.log.push('terminate');
    this.readyState = 3;
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
    const heartbeat = new Heartbeat(ws, 1000);
    assert.strictEqual(timers.size, 0);
    heartbeat.start();
    const [{ interval, keepsRunning }] = timers;
    assert.deepStrictEqual([timers.size, interval, keepsRunning], [1, 1000, false]);
    script(ws, (intervals = 1) => {
      for (let i = 0; i < intervals; i++) for (const timer of timers) timer.callback();
    });
    heartbeat.stop();
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

test('a peer is pinged every interval, whatever comes, and whatever comes proves that it lives', () => {
  withClock((ws, tick) => {
    for (let i = 0; i < 5; i++) {
      ws._heard = true;
      tick();
    }
    assert.deepStrictEqual(ws.log, Array(5).fill('ping'));
    tick();
    assert.deepStrictEqual(ws.log, [...Array(5).fill('ping'), 'terminate']);
  });
});

test('a peer that is not read from is not blamed for silence', () => {
  withClock((ws, tick) => {
    ws.isPaused = true;
    tick(5);
    ws.isPaused = false;
    ws._socket.isPaused = () => true;
    tick(5);
    // What was to be heard may not have been read yet.
    ws._socket.isPaused = () => false;
    tick();
    assert.deepStrictEqual(ws.log, Array(11).fill('ping'));
    tick();
    assert.strictEqual(ws.log.at(-1), 'terminate');
  });
});

for (const [name, set] of [
  ['of a socket', (socket, octets) => (socket._handle = { writeQueueSize: octets })],
  ['of a socket under TLS', (socket, octets) => (socket._handle = { writeQueueSize: 9, _parent: { writeQueueSize: octets } })],
  ['of any stream', (socket, octets) => (socket.writableLength = octets)]
]) {
  test(`a peer that takes what is sent lives: ${name}`, () => {
    withClock((ws, tick) => {
      for (let octets = 50; octets >= 0; octets -= 10) {
        set(ws._socket, octets);
        tick();
      }
      assert.deepStrictEqual(ws.log, Array(6).fill('ping'));
      tick();
      assert.strictEqual(ws.log.at(-1), 'terminate');
    });
  });

  test(`what is sent to a peer that takes nothing does not make it live: ${name}`, () => {
    withClock((ws, tick) => {
      tick();
      set(ws._socket, 10);
      tick();
      assert.deepStrictEqual(ws.log, ['ping', 'terminate']);
    });
  });
}

test('a peer that reads a large message slowly is not cut, as long as it reads', async (t) => {
  const MIB = 1024 * 1024;
  const wss = await serve(t, { heartbeat: 3_600_000 });
  const { socket, server } = await connectRaw(t, wss);
  // It answers no ping, and keeps nothing.
  socket.removeAllListeners('data');
  socket.pause();
  let left = 0;
  let hasRead = null;
  socket.on('data', ({ length }) => {
    left -= length;
    if (left > 0) return;
    socket.pause();
    hasRead();
  });
  const read = (octets) =>
    new Promise((resolve) => {
      left = octets;
      hasRead = resolve;
      socket.resume();
    });
  const look = () => server[kHeartbeat]._look();

  server.send(Buffer.alloc(256 * MIB));
  look();
  for (let i = 0; i < 3; i++) {
    // More than the kernel holds (of tcp_rmem and tcp_wmem at most): the rest has come closer.
    await read(48 * MIB);
    look();
    assert.strictEqual(server.readyState, WebSocket.OPEN);
  }
  look();
  assert.strictEqual(server.readyState, WebSocket.CLOSING);
});

test('a client that has lost its listeners keeps its heartbeat', async (t) => {
  const wss = await serve(t);
  const connection = once(wss, 'connection');
  const client = new WebSocket(wss.url, { heartbeat: 10 });
  t.after(() => client.terminate());
  client.removeAllListeners();
  const [server] = await connection;
  await once(server, 'ping');
  await once(server, 'ping');
});

test('a peer that is silent is cut, which is seen as 1006', async (t) => {
  const wss = await serve(t, { heartbeat: 10 });
  const { client, server } = await connect(t, wss, { autoPong: false });
  client.on('error', () => {});
  assert.strictEqual((await once(server, 'close'))[0], 1006);
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
  for (const none of [false, null, 0, { interval: 0 }, { interval: false }]) assert.strictEqual(heartbeatInterval(none), 0);
  assert.strictEqual(heartbeatInterval(true), 30000);
  assert.strictEqual(heartbeatInterval({}), 30000);
  assert.strictEqual(heartbeatInterval(10), 10);
  assert.strictEqual(heartbeatInterval({ interval: 10 }), 10);
});

test('an interval that is none is refused before anything is begun', () => {
  for (const heartbeat of [-1, NaN, Infinity, 2 ** 31, 'a', '', [], [10], () => 10, Symbol('a'), 10n, { interval: '10' }, { interval: -1 }]) {
    assert.throws(() => new WebSocket('ws://127.0.0.1:1', { heartbeat }), TypeError);
    assert.throws(() => new WebSocket.Server({ noServer: true, heartbeat }), TypeError);
  }
});
