'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');

const Receiver = require('../../lib/receiver');
const { kStatusCode } = require('../../lib/constants');
const { cuttings, frame } = require('./support/frames');

/** Writes chunks, and tells the events that come of them. */
async function events(chunks, options) {
  const receiver = new Receiver(options);
  const told = [];
  receiver.on('message', (data, isBinary) => told.push([isBinary ? 'binary' : 'text', String(data)]));
  receiver.on('ping', (data) => told.push(['ping', String(data)]));
  receiver.on('pong', (data) => told.push(['pong', String(data)]));
  receiver.on('conclude', (code, reason) => told.push(['conclude', code, String(reason)]));
  receiver.on('error', () => {});
  for (const chunk of chunks) {
    const error = await new Promise((resolve) => receiver.write(chunk, resolve));
    if (error) {
      told.push([error.name, error.code, error.message, error[kStatusCode]]);
      break;
    }
  }
  return told;
}

const EVERYTHING = Buffer.concat([
  frame(1, 'Hello'),
  frame(2, ''),
  frame(1, 'Hel', { fin: false }),
  frame(9, 'between'),
  frame(0, 'lo'),
  frame(10, ''),
  frame(2, 'x'.repeat(70000)),
  frame(8, Buffer.from([0x0b, 0xb8, 0x62, 0x79, 0x65])),
  frame(1, 'after the end')
]);

describe('events come in order, however the octets are cut', () => {
  for (const allowSynchronousEvents of [true, false]) {
    test(`allowSynchronousEvents: ${allowSynchronousEvents}`, async () => {
      for (const chunks of cuttings(EVERYTHING)) {
        if (chunks.length > 1000) continue;
        assert.deepStrictEqual(await events(chunks, { allowSynchronousEvents }), [
          ['text', 'Hello'],
          ['binary', ''],
          ['ping', 'between'],
          ['text', 'Hello'],
          ['pong', ''],
          ['binary', 'x'.repeat(70000)],
          ['conclude', 3000, 'bye']
        ]);
      }
    });
  }
});

test('an error has the text, the code and the close code of ws, and comes after the messages before it', async () => {
  const octets = Buffer.concat([frame(1, 'good'), frame(3, '')]);
  assert.deepStrictEqual(await events([octets]), [
    ['text', 'good'],
    ['RangeError', 'WS_ERR_INVALID_OPCODE', 'Invalid WebSocket frame: invalid opcode 3', 1002]
  ]);
});

test('the payload of a control frame that came in pieces is not written over by the next one', async () => {
  const receiver = new Receiver();
  const kept = [];
  receiver.on('ping', (data) => kept.push(data));
  for (const octet of Buffer.concat([frame(9, 'first'), frame(9, 'other')])) receiver.write(Buffer.from([octet]));
  assert.deepStrictEqual(kept.map(String), ['first', 'other']);
});

test('a thousand messages in a chunk', async () => {
  const octets = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(1, `message ${i}`, { mask: [1, 2, 3, 4] })));
  const expected = Array.from({ length: 1000 }, (_, i) => ['text', `message ${i}`]);
  assert.deepStrictEqual(await events([Buffer.from(octets)], { isServer: true }), expected);
  assert.deepStrictEqual(await events([Buffer.from(octets)], { isServer: true, allowSynchronousEvents: false }), expected);
});

test('without allowSynchronousEvents each event has a turn of its own', async () => {
  const receiver = new Receiver({ allowSynchronousEvents: false });
  let turn = 0;
  const turns = [];
  const count = () => {
    turn++;
    if (turns.length < 3) setImmediate(count);
  };
  setImmediate(count);
  receiver.on('message', () => turns.push(turn));
  receiver.write(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(1, 'c')]));
  assert.deepStrictEqual(turns, []);
  while (turns.length < 3) await new Promise(setImmediate);
  assert.strictEqual(new Set(turns).size, 3);
});

describe('binaryType', () => {
  const octets = () => Buffer.concat([frame(2, 'abc', { fin: false }), frame(0, '', { fin: false }), frame(0, 'def')]);
  const receive = async (binaryType, chunks) => {
    const receiver = new Receiver({ binaryType });
    const message = once(receiver, 'message');
    for (const chunk of chunks) receiver.write(chunk);
    return (await message)[0];
  };

  test('arraybuffer has only the octets of the message', async () => {
    assert.deepStrictEqual(await receive('arraybuffer', [octets()]), new Uint8Array(Buffer.from('abcdef')).buffer);
    assert.deepStrictEqual(await receive('arraybuffer', [frame(2, 'abc')]), new Uint8Array(Buffer.from('abc')).buffer);
  });

  test('fragments is a Buffer for each frame that has octets, however it is cut', async () => {
    for (const chunks of cuttings(octets())) {
      assert.deepStrictEqual(await receive('fragments', chunks), [Buffer.from('abc'), Buffer.from('def')]);
    }
    assert.deepStrictEqual(await receive('fragments', [frame(2, 'abc')]), [Buffer.from('abc')]);
    assert.deepStrictEqual(await receive('fragments', [frame(2, '')]), []);
  });

  test('blob', { skip: typeof Blob === 'undefined' }, async () => {
    for (const chunk of [octets(), frame(2, 'abcdef')]) {
      const blob = await receive('blob', [chunk]);
      assert.ok(blob instanceof Blob);
      assert.strictEqual(await blob.text(), 'abcdef');
    }
  });
});

test('a small message does not hold on to the chunk that it came in', () => {
  const receiver = new Receiver();
  const kept = [];
  receiver.on('message', (data) => kept.push(data));
  const messages = Array.from({ length: 400 }, (_, i) => String(i).padStart(100, '-'));
  receiver.write(Buffer.concat([...messages.map((m) => frame(2, m)), frame(2, 'x'.repeat(1500))]));
  receiver.write(Buffer.concat([frame(2, 'y'.repeat(40000)), frame(2, 'z')]));
  assert.deepStrictEqual(kept.slice(0, 400).map(String), messages);
  assert.deepStrictEqual(kept.slice(400).map((data) => data.length), [1500, 40000, 1]);
  for (const data of kept) {
    assert.ok(data.buffer.byteLength <= Math.max(Buffer.poolSize, 4 * data.length), `${data.length} of ${data.buffer.byteLength}`);
  }
});

test('a listener may write to another receiver while its chunk is worked off', () => {
  const outer = new Receiver();
  const inner = new Receiver();
  const told = [];
  outer.on('message', (data) => {
    told.push(String(data));
    inner.write(Buffer.concat([frame(2, 'inner 1'), frame(2, 'inner two')]));
  });
  inner.on('message', (data) => told.push(String(data)));
  outer.write(Buffer.concat([frame(1, 'a'), frame(1, 'bc'), frame(1, 'def')]));
  assert.deepStrictEqual(told, ['a', 'bc', 'def'].flatMap((m) => [m, 'inner 1', 'inner two']));
});

test('a listener that throws does not lose the messages after', async () => {
  const receiver = new Receiver();
  const told = [];
  receiver.on('message', (data) => {
    told.push(String(data));
    if (told.length === 1) throw new Error('a bug of the program');
  });
  await new Promise((resolve) => {
    const octets = Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(1, 'c')]);
    assert.throws(() => receiver.write(octets, resolve), /a bug of the program/);
  });
  assert.deepStrictEqual(told, ['a', 'b', 'c']);
});
