'use strict';

// What is compressed and inflated in one turn of the loop is bounded over all connections; what is
// beyond goes to the thread pool, and nobody can tell but by the clock. Calls are counted, not timed.

const assert = require('node:assert');
const { once } = require('node:events');
const { Writable } = require('node:stream');
const { describe, test } = require('node:test');
const zlib = require('node:zlib');

const Budget = require('../../lib/budget');
const codec = require('../../lib/codec');
const addon = require('../../lib/native');
const PerMessageDeflate = require('../../lib/permessage-deflate');
const Receiver = require('../../lib/receiver');
const Sender = require('../../lib/sender');
const Turns = require('../../lib/turns');
const { kStatusCode } = require('../../lib/constants');
const { ZlibDeflate, ZlibInflate } = require('../../lib/zlib-contexts');
const { randomFrom } = require('../native/support/streams');
const { connect, serve } = require('./support/connections');
const { frame } = require('./support/frames');

const native = { skip: codec.Deflate === null && 'node:zlib does it all in the thread pool' };
const KIB = 1024;

/** Counts the calls of contexts: those that are done at once, and those of the thread pool. */
function counting(t) {
  const count = { here: 0, unfinished: 0, pool: 0 };
  const watch = (prototype, name, told) => {
    const original = prototype[name];
    prototype[name] = function (...args) {
      const result = original.apply(this, args);
      told(result);
      return result;
    };
    t.after(() => (prototype[name] = original));
  };
  const { Deflate, Inflate } = codec;
  for (const name of ['compress', 'compressHeld']) watch(Deflate.prototype, name, () => count.here++);
  watch(Inflate.prototype, 'inflate', (result) => (result === null ? count.unfinished++ : count.here++));
  watch(Deflate.prototype, 'compressAsync', () => count.pool++);
  watch(Inflate.prototype, 'inflateAsync', () => count.pool++);
  return count;
}

/** Until the budgets are whole again. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function accepted(options) {
  const deflate = new PerMessageDeflate({ threshold: 0, ...options });
  deflate.accept([{}]);
  return deflate;
}

const deflated = (data) => zlib.deflateRawSync(data, { level: 9, finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

const call = (side, method, data, fin = true) =>
  new Promise((resolve, reject) => {
    side[method](data, fin, (error, output) => (error ? reject(error) : resolve(output)));
  });

test('a budget is spent in a turn, and whole in the next', async () => {
  const budget = new Budget(10);
  budget.spend(9);
  assert.ok(budget.isLeft());
  budget.spend(9);
  assert.ok(!budget.isLeft());
  await null;
  assert.ok(!budget.isLeft());
  await turn();
  budget.spend(9);
  assert.ok(budget.isLeft());
  budget.spend(1);
  assert.ok(!budget.isLeft());
});

test('work takes turns in order, and goes on after some of it has thrown', async (t) => {
  const turns = new Turns(10);
  const done = [];
  const caught = [];
  // What is thrown in a later turn is an uncaught exception.
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error.message));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  for (let i = 0; i < 7; i++) {
    turns.add(4, () => {
      done.push(i);
      if (i === 4) throw new Error('a mistake in a listener');
    });
  }
  assert.deepStrictEqual(done, [0, 1, 2]);
  for (let i = 0; i < 10 && done.length < 7; i++) await turn();
  assert.deepStrictEqual(done, [0, 1, 2, 3, 4, 5, 6]);
  assert.deepStrictEqual(caught, ['a mistake in a listener']);
});

describe('how much is done at once', native, () => {
  test('of messages to many connections in a turn, so many octets are compressed at once', async (t) => {
    await turn();
    const count = counting(t);
    const connections = Array.from({ length: 100 }, () => accepted({ isServer: true }));
    for (const length of [16 * KIB, 8 * KIB]) {
      Object.assign(count, { here: 0, pool: 0 });
      const all = connections.map((deflate) => call(deflate, 'compress', Buffer.alloc(length, 'a')));
      assert.strictEqual(count.here, (256 * KIB) / length);
      await Promise.all(all);
      assert.strictEqual(count.here + count.pool, connections.length);
      await turn();
    }
  });

  test('text counts as the octets that it is sent as', async (t) => {
    await turn();
    const count = counting(t);
    const all = Array.from({ length: 30 }, () => call(accepted(), 'compress', '€'.repeat(16 * KIB)));
    assert.strictEqual(count.here, 6);
    await Promise.all(all);
    await turn();
    for (let i = 0; i < 30; i++) accepted().compressSync('€'.repeat(16 * KIB), true);
    assert.strictEqual(count.here, 12);
  });

  test('what inflates to more than 64 KiB is finished in the thread pool', async (t) => {
    await turn();
    const count = counting(t);
    const deflate = accepted();
    for (const [length, expected] of [
      [60 * KIB, { here: 1, unfinished: 0, pool: 0 }],
      [200 * KIB, { here: 0, unfinished: 1, pool: 1 }],
      [4000 * KIB, { here: 0, unfinished: 1, pool: 1 }]
    ]) {
      Object.assign(count, { here: 0, unfinished: 0, pool: 0 });
      assert.ok((await call(deflate, 'decompress', deflated(Buffer.alloc(length)))).equals(Buffer.alloc(length)));
      assert.deepStrictEqual(count, expected, `${length} octets`);
      await turn();
    }
  });

  test('of messages from many connections in a turn, so many octets are inflated at once', async (t) => {
    await turn();
    const count = counting(t);
    const inflating = (length) => {
      const data = deflated(Buffer.alloc(length));
      return Array.from({ length: 100 }, () => call(accepted(), 'decompress', data));
    };
    let all = inflating(32 * KIB);
    assert.deepStrictEqual(count, { here: 32, unfinished: 0, pool: 10 });
    await Promise.all(all);
    assert.strictEqual(count.here + count.pool, 100);
    await turn();
    Object.assign(count, { here: 0, unfinished: 0, pool: 0 });
    all = inflating(1000 * KIB);
    assert.deepStrictEqual(count, { here: 0, unfinished: 16, pool: 10 });
    await Promise.all(all);
    await turn();
    // What is wrong costs as much as what is right.
    Object.assign(count, { here: 0, unfinished: 0, pool: 0 });
    all = Array.from({ length: 100 }, () => call(accepted(), 'decompress', Buffer.alloc(10, 0xff)).catch(() => {}));
    assert.strictEqual(count.pool, 10);
    await Promise.all(all);
  });

  test('what the pool has inflated is copied in turns', async (t) => {
    const { fetch } = addon;
    t.after(() => (addon.fetch = fetch));
    const perTurn = [0];
    addon.fetch = (number) => {
      perTurn[perTurn.length - 1]++;
      fetch(number);
    };
    let isOver = false;
    const nextTurn = () => {
      perTurn.push(0);
      if (!isOver) setImmediate(nextTurn);
    };
    nextTurn();
    const data = deflated(Buffer.alloc(1.5e6));
    const all = Promise.all(Array.from({ length: 10 }, () => call(accepted(), 'decompress', data)));
    // Meanwhile the pool does them all, most likely: without turns they would then come together.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    for (const plain of await all) assert.strictEqual(plain.length, 1.5e6);
    isOver = true;
    assert.strictEqual(perTurn.reduce((sum, n) => sum + n), 10);
    // A turn of ours may be the end of one of the loop and the beginning of the next.
    assert.ok(Math.max(...perTurn) <= 4, String(perTurn));
  });

  test('data that was begun at once and is not finished is for the pool alone', async () => {
    await turn();
    const deflate = accepted();
    const data = deflated(Buffer.alloc(1e6));
    assert.strictEqual(deflate.decompressSync(data, true), null);
    await turn();
    assert.strictEqual(deflate.decompressSync(data, true), null);
    assert.strictEqual((await call(deflate, 'decompress', data)).length, 1e6);
    await turn();
    assert.strictEqual(String(deflate.decompressSync(deflated('next'), true)), 'next');
  });
});

/** Uses up what may be done at once in this turn. */
function spend() {
  for (let i = 0; i < 20; i++) accepted().compressSync(Buffer.alloc(30 * KIB), true);
  const data = deflated(Buffer.alloc(32 * KIB));
  for (let i = 0; i < 40; i++) accepted().decompressSync(data, true);
}

/** What is done at once has different limits in each turn: nothing is left in some of them. */
async function sometimes(random) {
  if (random.chance(3)) await turn();
  if (random.chance(3)) spend();
}

/** Text that refers to what was before it, and now and then to itself a thousand times. */
function textOf(random) {
  const words = ['once', 'upon', 'a', 'time', 'ü', '€', '{"id":', '"name":', '},'];
  let text = '';
  for (let i = random.pick(0, 1, 5, 50, 500, 5000); i > 0; i--) text += `${random.pick(...words)} ${random.below(50)}`;
  return Buffer.from(random.chance(4) ? text.repeat(random.pick(2, 20, 200)).slice(0, 1e6) : text);
}

test('at once or in the pool, with contexts kept: the same text comes out as from the codec in JavaScript', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = randomFrom(seed);
    const noContextTakeover = random.chance(4);
    const ours = new PerMessageDeflate({ isServer: true, serverNoContextTakeover: noContextTakeover, clientNoContextTakeover: noContextTakeover });
    ours.accept([{}]);
    const peer = { deflate: new ZlibDeflate({}, noContextTakeover), inflate: new ZlibInflate({}, noContextTakeover) };
    const expected = [];
    const all = [];
    for (let i = 0; i < 40; i++) {
      const fin = random.chance(2) || i === 39;
      const text = textOf(random);
      const data = await call(peer.deflate, 'compressAsync', text, fin);
      expected.push([text, fin]);
      await sometimes(random);
      all.push([call(ours, 'decompress', data, fin), call(ours, 'compress', text, fin)]);
    }
    for (const [i, [text, fin]] of expected.entries()) {
      const [plain, compressed] = await Promise.all(all[i]);
      assert.ok(plain.equals(text), `seed ${seed}: message ${i} is not inflated`);
      const back = await new Promise((resolve, reject) => {
        peer.inflate.inflateAsync(compressed, fin, 0, (error, data) => (error ? reject(error) : resolve(data)));
      });
      assert.ok(back.equals(text), `seed ${seed}: message ${i} is not what was compressed`);
    }
  }
});

test('events come in order, and errors at their place, whatever is left of a turn', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomFrom(seed);
    const maxPayload = 500 * KIB;
    const expected = [];
    const chunks = [];
    let octets = [];
    const write = new ZlibDeflate({}, false);
    for (let i = 0; i < 20; i++) {
      const text = textOf(random).subarray(0, maxPayload);
      if (random.chance(4)) {
        expected.push(['ping', String(i)]);
        octets.push(frame(9, String(i)));
      } else if (random.chance(5)) {
        expected.push(['message', String(i)]);
        octets.push(frame(1, String(i)));
      } else {
        const data = await call(write, 'compressAsync', text);
        const at = random.chance(2) ? random.below(data.length) : -1;
        expected.push(['message', text.toString('latin1')]);
        if (at < 0) octets.push(frame(2, data, { rsv: 4 }));
        else octets.push(frame(2, data.subarray(0, at), { rsv: 4, fin: false }), frame(0, data.subarray(at)));
      }
      if (random.chance(4)) {
        chunks.push(Buffer.concat(octets));
        octets = [];
      }
    }
    const [payload, ...error] = random.pick(
      [deflated(Buffer.alloc(maxPayload + 1)), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
      [deflated(Buffer.alloc(50 * maxPayload)), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
      [Buffer.concat([zlib.deflateRawSync(Buffer.alloc(100 * KIB), { finishFlush: zlib.constants.Z_SYNC_FLUSH }), Buffer.from([0xff])]), 'Z_DATA_ERROR', 1007]
    );
    expected.push(error);
    chunks.push(Buffer.concat([...octets, frame(2, payload, { rsv: 4 }), frame(1, 'behind')]));

    const receiver = new Receiver({ maxPayload, extensions: { 'permessage-deflate': accepted({ maxPayload }) } });
    const told = [];
    receiver.on('message', (data) => {
      told.push(['message', data.toString('latin1')]);
      if (random.chance(3)) spend();
    });
    receiver.on('ping', (data) => told.push(['ping', String(data)]));
    const failed = once(receiver, 'error');
    for (const chunk of chunks) {
      await sometimes(random);
      receiver.write(chunk);
    }
    const [{ code, [kStatusCode]: status }] = await failed;
    told.push([code, status]);
    assert.strictEqual(told.length, expected.length, `seed ${seed}`);
    for (const [i, event] of expected.entries()) assert.ok(String(told[i]) === String(event), `seed ${seed}: event ${i}`);
  }
});

test('what is sent leaves in order, and the Close frame last, whatever is left of a turn', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = randomFrom(seed);
    const sent = [];
    const socket = new Writable({
      write(chunk, encoding, cb) {
        sent.push(Buffer.from(chunk));
        cb();
      }
    });
    const sender = new Sender(socket, { 'permessage-deflate': accepted({ isServer: true }) });
    const expected = [];
    const called = [];
    for (let i = 0; i < 40; i++) {
      await sometimes(random);
      const data = textOf(random);
      expected.push(data.toString('latin1'));
      sender.send(data, { binary: true, fin: true, compress: !random.chance(4) }, () => called.push(i));
    }
    await new Promise((resolve) => sender.close(1000, '', false, resolve));
    assert.strictEqual(sender._bufferedBytes, 0);
    assert.deepStrictEqual(called, expected.map((_, i) => i));

    const receiver = new Receiver({ extensions: { 'permessage-deflate': accepted() } });
    const received = [];
    receiver.on('message', (data) => received.push(data.toString('latin1')));
    const over = once(receiver, 'conclude');
    receiver.write(Buffer.concat(sent));
    await over;
    assert.ok(received.length === expected.length && received.every((data, i) => data === expected[i]), `seed ${seed}`);
  }
});

test('a loop over all clients compresses little at once, and each gets what was sent to it, in order', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true });
  const pairs = [];
  for (let i = 0; i < 30; i++) pairs.push(await connect(t, wss));
  await turn();
  const document = JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, name: `name ${id * 7919}` }))).slice(0, 20000);
  const received = pairs.map(({ client }) => {
    const all = [];
    client.on('message', (data) => all.push(String(data)));
    return once(client, 'close').then(([code]) => [...all, code]);
  });
  const count = codec.Deflate === null ? null : counting(t);
  for (const { server } of pairs) server.send(document);
  // The pool has ten places.
  if (count !== null) assert.deepStrictEqual(count, { here: Math.ceil((256 * KIB) / document.length), unfinished: 0, pool: 10 });
  for (const { server } of pairs) {
    server.send('behind it');
    server.close(4000);
  }
  for (const all of await Promise.all(received)) assert.deepStrictEqual(all, [document, 'behind it', 4000]);
});
