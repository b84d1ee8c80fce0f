'use strict';

const { test } = require('node:test');
const assert = require('node:assert');
const zlib = require('node:zlib');
const native = require('../../lib/codec/native');
const { kStatusCode } = require('../../lib/constants');

const skip = native === null && 'no native half';
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const message = Buffer.from('once upon a time, and a second time, '.repeat(2000));

const later = (context, method, ...args) =>
  new Promise((resolve, reject) => {
    let returned = false;
    context[method](...args, (error, data) => {
      assert.ok(returned, 'the callback is never called at once');
      if (error) reject(error);
      else resolve(data);
    });
    returned = true;
  });

/** Inflates with node:zlib what one side sends, the window kept. */
function zlibInflate(messages, windowBits) {
  const wire = Buffer.concat(messages.map((m) => Buffer.concat([m, TAIL])));
  return zlib.inflateRawSync(wire, { finishFlush: zlib.constants.Z_SYNC_FLUSH, windowBits });
}

test('what is compressed, at once or in the pool, node:zlib inflates, for each window', { skip }, async () => {
  for (let windowBits = 8; windowBits <= 15; windowBits++) {
    const deflate = new native.Deflate({ windowBits });
    const sent = [
      deflate.compress(message, true),
      await later(deflate, 'compressAsync', message, true),
      deflate.compress('short: ü', true),
      await later(deflate, 'compressAsync', 'short: ü', true)
    ];
    const plain = zlibInflate(sent, Math.max(windowBits, 9));
    const expected = Buffer.concat([message, message, Buffer.from('short: üshort: ü')]);
    assert.ok(plain.equals(expected), `${windowBits} bits`);
  }
});

test('the context is kept between messages, or not', { skip }, () => {
  const small = Buffer.from(JSON.stringify({ user: 'someone', action: 'something', at: 1234567 }));
  const kept = new native.Deflate({});
  const first = kept.compress(small, true).length;
  assert.ok(kept.compress(small, true).length < first / 2);
  const alone = new native.Deflate({ noContextTakeover: true });
  assert.strictEqual(alone.compress(small, true).length, alone.compress(small, true).length);
});

test('fragments, at once and in the pool, inflate to one message', { skip }, async () => {
  const deflate = new native.Deflate({});
  const inflate = new native.Inflate({});
  for (let i = 0; i < 3; i++) {
    const fragments = [
      deflate.compress(message, false),
      await later(deflate, 'compressAsync', '', false),
      await later(deflate, 'compressAsync', message, false),
      deflate.compress('', true)
    ];
    const got = [
      inflate.inflate(fragments[0], false, 0),
      await later(inflate, 'inflateAsync', fragments[1], false, 0),
      await later(inflate, 'inflateAsync', fragments[2], false, 0),
      inflate.inflate(fragments[3], true, 0)
    ];
    assert.ok(Buffer.concat(got).equals(Buffer.concat([message, message])));
  }
});

test('what node:zlib has compressed is inflated', { skip }, async () => {
  const raw = zlib.deflateRawSync(message, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  const wire = raw.subarray(0, raw.length - 4);
  const inflate = new native.Inflate({});
  assert.ok(inflate.inflate(wire, true, message.length).equals(message));
  assert.ok((await later(inflate, 'inflateAsync', wire, true, message.length)).equals(message));
});

test('more than the limit is an error, at once and in the pool', { skip }, async () => {
  const wire = new native.Deflate({}).compress(message, true);
  const expected = { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', message: 'Max payload size exceeded', [kStatusCode]: 1009 };
  const limit = message.length - 1;
  assert.throws(() => new native.Inflate({}).inflate(wire, true, limit), expected);
  await assert.rejects(later(new native.Inflate({}), 'inflateAsync', wire, true, limit), expected);
});

test('what is not DEFLATE data is an error, at once and in the pool', { skip }, async () => {
  const wire = Buffer.alloc(20, 0xff);
  const expected = { message: 'invalid block type', code: 'Z_DATA_ERROR', errno: -3, [kStatusCode]: 1007 };
  assert.throws(() => new native.Inflate({}).inflate(wire, true, 0), expected);
  await assert.rejects(later(new native.Inflate({}), 'inflateAsync', wire, true, 0), expected);
});

test('a context whose message is in the pool refuses another one, and goes on after it', { skip }, async () => {
  const deflate = new native.Deflate({});
  const pending = later(deflate, 'compressAsync', message, true);
  assert.throws(() => deflate.compress('x', true), TypeError);
  const sent = [await pending, deflate.compress('x', true)];
  assert.strictEqual(zlibInflate(sent, 15).length, message.length + 1);
});

test('a buffer that is changed while the pool works on it changes nothing', { skip }, async () => {
  const deflate = new native.Deflate({});
  const copy = Buffer.from(message);
  const pending = later(deflate, 'compressAsync', copy, true);
  copy.fill(0);
  assert.ok(zlibInflate([await pending], 15).equals(message));
});
