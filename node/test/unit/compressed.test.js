'use strict';

const assert = require('node:assert');
const { randomBytes } = require('node:crypto');
const { Writable } = require('node:stream');
const { describe, test } = require('node:test');
const zlib = require('node:zlib');

const PerMessageDeflate = require('../../lib/permessage-deflate');
const Receiver = require('../../lib/receiver');
const Sender = require('../../lib/sender');
const { kStatusCode } = require('../../lib/constants');
const { cuttings, frame } = require('./support/frames');
const { settled } = require('./support/memory');

const RSV1 = { rsv: 4 };

/** A message as a peer compresses it, without context. */
function deflated(text) {
  return zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

function extensions(options) {
  const deflate = new PerMessageDeflate({ threshold: 0, ...options });
  deflate.accept([{}]);
  return { 'permessage-deflate': deflate };
}

/** Writes chunks, and tells the events that come of them, and the error. */
async function events(chunks, { maxPayload = 0, ...options } = {}) {
  const receiver = new Receiver({ ...options, maxPayload, extensions: extensions({ maxPayload }) });
  const told = [];
  for (const event of ['message', 'ping']) receiver.on(event, (data) => told.push([event, String(data)]));
  receiver.on('error', () => {});
  for (const chunk of chunks) {
    const error = await new Promise((resolve) => receiver.write(chunk, resolve));
    if (error) {
      told.push([error.code, error[kStatusCode]]);
      break;
    }
  }
  return told;
}

test('compressed and other messages come in order, however they are cut', async () => {
  const long = Buffer.from(Array.from({ length: 60000 }, (_, i) => (i * i * 7919) >> 5));
  const half = deflated('two fragments');
  const octets = Buffer.concat([
    frame(1, 'a'),
    frame(1, deflated('b'.repeat(100)), RSV1),
    frame(1, deflated('c'), RSV1),
    frame(9, 'd'),
    frame(1, half.subarray(0, 4), { ...RSV1, fin: false }),
    frame(9, 'e'),
    frame(0, half.subarray(4)),
    frame(2, deflated(long), RSV1),
    frame(1, deflated(''), RSV1),
    frame(1, deflated('f'), RSV1),
    frame(1, 'g')
  ]);
  const expected = [
    ['message', 'a'],
    ['message', 'b'.repeat(100)],
    ['message', 'c'],
    ['ping', 'd'],
    ['ping', 'e'],
    ['message', 'two fragments'],
    ['message', String(long)],
    ['message', ''],
    ['message', 'f'],
    ['message', 'g']
  ];
  for (const allowSynchronousEvents of [true, false]) {
    for (const chunks of cuttings(octets)) {
      if (chunks.length > 500) continue;
      assert.deepStrictEqual(await events(chunks, { allowSynchronousEvents }), expected);
    }
  }
});

test('a receiver that has nothing to do holds on to no chunk', async () => {
  const receiver = new Receiver({ extensions: extensions() });
  const kept = [];
  receiver.on('message', (data) => kept.push(String(data)));
  const write = () => {
    // Those after the first have to wait for it; the small ones that are not compressed are copied together.
    const messages = [frame(1, deflated('a'), RSV1), ...Array(100).fill(frame(1, 'b'.repeat(100)))];
    const chunk = Buffer.concat(messages);
    return new Promise((resolve) => receiver.write(chunk, () => resolve(new WeakRef(chunk))));
  };
  const chunk = await write();
  assert.strictEqual(kept.length, 101);
  await settled();
  assert.strictEqual(chunk.deref(), undefined);
});

test('a thousand compressed messages in a chunk', async () => {
  const texts = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
  const octets = Buffer.concat(texts.map((text) => frame(1, deflated(text), RSV1)));
  assert.deepStrictEqual(await events([octets]), texts.map((text) => ['message', text]));
});

describe('what is wrong with a compressed message comes after the messages before it', () => {
  const good = frame(1, deflated('good'), RSV1);
  const wrong = {
    'data that is not compressed': [[0xf8, 0xff, 1, 2, 3], 'Z_DATA_ERROR', 1007],
    'text that is not UTF-8': [deflated(Buffer.from([0x61, 0xff])), 'WS_ERR_INVALID_UTF8', 1007],
    'text that ends within a character': [deflated(Buffer.from([0xe2, 0x82])), 'WS_ERR_INVALID_UTF8', 1007],
    'a bomb': [deflated(Buffer.alloc(1e6)), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]
  };
  for (const [name, [payload, code, status]] of Object.entries(wrong)) {
    test(name, async () => {
      const octets = Buffer.concat([good, good, frame(1, payload, RSV1), good]);
      for (const chunks of [[octets], [octets.subarray(0, good.length), octets.subarray(good.length)]]) {
        const told = await events(chunks.map((chunk) => Buffer.from(chunk)), { maxPayload: 100000 });
        assert.deepStrictEqual(told, [['message', 'good'], ['message', 'good'], [code, status]]);
      }
    });
  }

  test('a bomb in pieces, each of which is small', async () => {
    const pieces = Array.from({ length: 20 }, (_, i) => {
      const flushed = zlib.deflateRawSync(Buffer.alloc(10000), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
      return frame(i === 0 ? 2 : 0, flushed, { fin: i === 19, rsv: i === 0 ? 4 : 0 });
    });
    assert.deepStrictEqual(await events(pieces, { maxPayload: 100000 }), [['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]]);
  });
});

test('UTF-8 may be cut by the frames of a compressed message', async () => {
  const sync = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
  const octets = Buffer.from('€€');
  const first = zlib.deflateRawSync(octets.subarray(0, 4), sync);
  const second = zlib.deflateRawSync(octets.subarray(4), sync).subarray(0, -4);
  const frames = [frame(1, first, { ...RSV1, fin: false }), frame(0, second)];
  assert.deepStrictEqual(await events(frames), [['message', '€€']]);
});

test('what a sender compresses a receiver inflates, in order, and each callback is called', async () => {
  for (const mask of [false, true]) {
    // It hardly gets smaller: a frame of its own, of what is compressed at once.
    const random = randomBytes(18000).toString('base64');
    const texts = ['a', '', '', 'b'.repeat(100000), random, ...Array.from({ length: 200 }, (_, i) => `message ${i}`)];
    const sent = [];
    const socket = new Writable({
      write(chunk, encoding, cb) {
        sent.push(Buffer.from(chunk));
        cb();
      }
    });
    const sender = new Sender(socket, extensions({ isServer: !mask }));
    const called = [];
    texts.forEach((text, i) => sender.send(text, { fin: true, compress: i % 7 !== 6, mask }, () => called.push(i)));
    assert.strictEqual(sender._bufferedBytes, texts.reduce((sum, text) => sum + text.length, 0));
    await new Promise((resolve) => sender.close(1000, '', mask, resolve));
    assert.strictEqual(sender._bufferedBytes, 0);
    assert.deepStrictEqual(called, texts.map((_, i) => i));

    const receiver = new Receiver({ isServer: mask, extensions: extensions({ isServer: mask }) });
    const received = [];
    receiver.on('message', (data) => received.push(String(data)));
    const over = new Promise((resolve) => receiver.on('conclude', resolve));
    receiver.write(Buffer.concat(sent));
    assert.strictEqual(await over, 1000);
    assert.deepStrictEqual(received, texts);
  }
});

test('messages come while timers are faked', { timeout: 10000 }, async (t) => {
  const { setImmediate } = globalThis;
  t.after(() => Object.assign(globalThis, { setImmediate }));
  globalThis.setImmediate = () => {};

  for (const allowSynchronousEvents of [true, false]) {
    const receiver = new Receiver({ allowSynchronousEvents, extensions: extensions() });
    const received = [];
    const over = new Promise((resolve) => receiver.on('conclude', resolve));
    receiver.on('message', (data) => received.push(String(data)));
    receiver.write(Buffer.concat([frame(1, deflated('compressed'), RSV1), frame(1, 'plain'), frame(8)]));
    await over;
    assert.deepStrictEqual(received, ['compressed', 'plain']);
  }

  // More than is inflated, or copied from the pool, in one turn of the loop.
  const large = Buffer.alloc(1024 * 1024);
  const receiver = new Receiver({ extensions: extensions() });
  const received = [];
  const over = new Promise((resolve) => receiver.on('conclude', resolve));
  receiver.on('message', (data) => received.push(data.length));
  for (let i = 0; i < 8; i++) receiver.write(frame(2, deflated(large), RSV1));
  receiver.write(frame(8));
  await over;
  assert.deepStrictEqual(received, Array(8).fill(large.length));
});
