'use strict';

// A message that comes in parts is gathered in one memory, into which the socket is read: nobody can tell.

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');

const Receiver = require('../../lib/receiver');
const { randomFrom, stream } = require('../native/support/streams');
const { connectRaw, serve } = require('./support/connections');
const { frame } = require('./support/frames');

// A connection that has come out of step waits for ever.
const reads = { timeout: 60000, skip: Boolean(process.env.HYBI_NO_FAST_PATH) && 'HYBI_NO_FAST_PATH is set' };

/** A receiver that tells its events, and keeps what it has told. */
function listen(options) {
  const receiver = new Receiver(options);
  const all = [];
  receiver.on('error', (error) => all.push(['error', error.message]));
  for (const event of ['message', 'ping', 'pong']) receiver.on(event, (...values) => all.push([event, ...values]));
  receiver.on('conclude', (...values) => all.push(['conclude', ...values]));
  return { receiver, all };
}

/** Gives a receiver octets as a socket does, in chunks of `next()` octets, and tells how often where it asked for. */
function read(receiver, octets, next) {
  const memory = Buffer.alloc(128 * 1024);
  let place = null;
  let placed = 0;
  for (let at = 0; at < octets.length && receiver.writable; ) {
    const into = place || memory;
    const length = Math.min(into.length, next(), octets.length - at);
    octets.copy(into, 0, at, at + length);
    at += length;
    if (place !== null) placed++;
    // Now and then they come through the stream.
    if (!receiver.canReceive() || next() % 5 === 0) {
      receiver.write(Buffer.from(into.subarray(0, length)));
      place = null;
    } else {
      place = receiver.receive(into, length);
    }
    if (into === memory) memory.fill(0xee, 0, length);
  }
  return placed;
}

/** Events with their octets as text: large Buffers are compared octet by octet. */
function readable(all) {
  const octets = (value) => (value instanceof ArrayBuffer || Buffer.isBuffer(value) ? Buffer.from(value).toString('latin1') : value);
  return all.map((values) => values.map((value) => (Array.isArray(value) ? value.map(octets) : octets(value))));
}

test('what is read into its message is what was written to the stream', async () => {
  let placed = 0;
  for (let seed = 1; seed < 300; seed++) {
    const random = randomFrom(seed);
    const isServer = random.chance(2);
    const options = {
      isServer,
      maxPayload: random.pick(0, 0, 100000),
      binaryType: random.pick('nodebuffer', 'arraybuffer', 'fragments')
    };
    const mask = isServer ? [...random.octets(4)] : undefined;
    const large = (opcode, fin) => frame(opcode, Buffer.alloc(random.below(500000), random.below(256)), { mask, fin });
    const octets = random.chance(2)
      ? stream(random, { isServer, rsv1Allowed: false })
      : Buffer.concat([large(2, true), large(2, false), large(0, true), large(1, true)]);
    const most = octets.length > 20000 ? random.pick(10000, 40000, 200000) : random.pick(10, 1000, 20000);
    const next = () => 1 + random.below(most);

    const expected = listen(options);
    expected.receiver.write(Buffer.from(octets));
    const got = listen(options);
    placed += read(got.receiver, octets, next);
    // Errors are emitted in a turn of their own.
    await new Promise(setImmediate);
    assert.deepStrictEqual(readable(got.all), readable(expected.all), `seed ${seed}`);
  }
  assert.ok(placed > 500, `${placed}`);
});

test('memory is taken for a small multiple of what has come, not for what a header claims', () => {
  const receiver = new Receiver({ maxPayload: 0 });
  const octets = frame(2, Buffer.alloc(100 << 20));
  const from = (at, length) => Buffer.from(octets.subarray(at, at + length));
  let come = 0;
  for (const length of [10, 1, 1000, 60000, 60000, 1 << 20]) {
    const place = receiver.receive(from(come, length), length);
    come += length;
    assert.ok(place === null || place.length < 16 * come, `${place?.length} for ${come}`);
  }
});

test('a large message is read into its own memory', reads, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  const given = [];
  const { receive } = server._receiver;
  server._receiver.receive = function (memory, length) {
    given.push(memory);
    return receive.call(this, memory, length);
  };
  const octets = frame(2, Buffer.alloc(200000, 7), { mask: [1, 2, 3, 4] });
  const [first, rest] = [octets.subarray(0, 20000), octets.subarray(20000)];
  socket.write(first);
  while (server._socket.bytesRead < first.length || given.length === 0) await new Promise(setImmediate);
  socket.write(rest);
  const [message] = await once(server, 'message');
  assert.ok(message.equals(Buffer.alloc(200000, 7)));
  assert.strictEqual(message.buffer.byteLength, 200000);
  assert.strictEqual(given.at(-1).buffer, message.buffer);

  // What comes next is read somewhere else.
  socket.write(frame(2, 'next', { mask: [0, 0, 0, 0] }));
  assert.strictEqual(String((await once(server, 'message'))[0]), 'next');
  assert.notStrictEqual(given.at(-1).buffer, message.buffer);
  assert.ok(message.equals(Buffer.alloc(200000, 7)));
});

test('a message whose listener throws is not read into again', reads, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  t.after(() => listeners.forEach((listener) => process.on('uncaughtException', listener)));
  const uncaught = once(process, 'uncaughtException');

  const all = [];
  server.on('message', (data) => {
    all.push(data);
    if (all.length === 1) throw new Error('of the listener');
  });
  const octets = frame(2, Buffer.alloc(200000, 7), { mask: [0, 0, 0, 0] });
  const before = server._socket.bytesRead;
  socket.write(octets.subarray(0, 20000));
  while (server._socket.bytesRead - before < 20000) await new Promise(setImmediate);
  socket.write(octets.subarray(20000));
  assert.strictEqual((await uncaught)[0].message, 'of the listener');
  for (let i = 1; i <= 3; i++) {
    socket.write(frame(2, Buffer.alloc(100000, i), { mask: [0, 0, 0, 0] }));
    while (all.length <= i) await new Promise(setImmediate);
  }
  for (const [i, [length, value]] of [[200000, 7], [100000, 1], [100000, 2], [100000, 3]].entries()) {
    assert.ok(all[i].equals(Buffer.alloc(length, value)), `message ${i}`);
  }
});

test('the rest of a message may come another way', reads, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  const octets = frame(2, Buffer.alloc(300000, 9), { mask: [5, 6, 7, 8] });
  const before = server._socket.bytesRead;
  const arrived = async (length) => {
    while (server._socket.bytesRead - before < length) await new Promise(setImmediate);
  };
  const message = once(server, 'message');
  socket.write(octets.subarray(0, 20000));
  await arrived(20000);
  server.pause();
  socket.write(octets.subarray(20000, 50000));
  await new Promise(setImmediate);
  server.resume();
  await arrived(50000);
  const seen = [];
  server._socket.on('data', (chunk) => seen.push(chunk.length));
  socket.write(octets.subarray(50000, 90000));
  await arrived(90000);
  server._socket.removeAllListeners('data').on('data', (chunk) => server._receiver.write(chunk));
  socket.write(octets.subarray(90000));
  assert.ok((await message)[0].equals(Buffer.alloc(300000, 9)));
  assert.ok(seen.reduce((sum, length) => sum + length, 0) >= 40000);
});
