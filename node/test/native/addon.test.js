'use strict';

const { test } = require('node:test');
const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const addon = require('../../lib/native');
const native = require('../../lib/codec/native');
const js = require('../../lib/codec/js');

const root = path.join(__dirname, '../..');
const skip = native === null && 'no native half';

test('the native half is there, unless HYBI_NO_NATIVE says that it need not', () => {
  if (process.env.HYBI_NO_NATIVE !== '1') assert.ok(native !== null, 'run `npm run build`');
});

test('each variable that says so keeps native code out', () => {
  const program = "const codec = require('./lib/codec'); console.log(codec === require('./lib/codec/js'))";
  const { HYBI_NO_NATIVE, WS_NO_BUFFER_UTIL, WS_NO_UTF_8_VALIDATE, ...clean } = process.env;
  const isJs = (env) => execFileSync(process.execPath, ['-e', program], { cwd: root, env: { ...clean, ...env }, encoding: 'utf8' }).trim();
  for (const name of ['HYBI_NO_NATIVE', 'WS_NO_BUFFER_UTIL', 'WS_NO_UTF_8_VALIDATE']) {
    assert.strictEqual(isJs({ [name]: '1' }), 'true', name);
  }
  assert.strictEqual(isJs({}), String(require('../../lib/native') === null));
});

test('arguments of the wrong kind throw and do nothing else', { skip }, () => {
  const refused = [
    () => addon.decode(),
    () => addon.decode(1e9, Buffer.alloc(1), 0, 1),
    () => addon.decode(-1, Buffer.alloc(1), 0, 1),
    () => addon.decode('0', Buffer.alloc(1), 0, 1),
    () => addon.newDecoder(),
    () => addon.freeDecoder(4e9),
    () => addon.mask(Buffer.alloc(4), Buffer.alloc(4), 1, 4, 0),
    () => addon.mask(Buffer.alloc(3), Buffer.alloc(8), 0, 4, 0),
    () => addon.mask(Buffer.alloc(8), Buffer.alloc(8), Number.MAX_SAFE_INTEGER, 4, 0),
    () => addon.mask({}, Buffer.alloc(8), 0, 4, 0),
    () => addon.mask(Buffer.alloc(8), Buffer.alloc(8), 0, -1, 0),
    () => addon.take(Buffer.alloc(1), 2),
    () => addon.read(),
    () => addon.read(1e9, new ArrayBuffer(9), 9, new ArrayBuffer(9), 0),
    () => addon.sendFrame(),
    () => addon.sendFrame(-1, 0x82, Buffer.alloc(1)),
    () => addon.sendFrame(1, 0x82, new ArrayBuffer(1)),
    () => addon.sendFrame(1, 0x82, Buffer.alloc(65536)),
    () => addon.compress(0, null, true),
    () => addon.compressLater(addon.newCompressor(15, false, 6, 8), Buffer.alloc(1), true),
    () => addon.decompressLater(1e9, Buffer.alloc(1), true, 0, () => {})
  ];
  for (const call of refused) assert.throws(call, TypeError, call.toString());
  const decoder = new native.Decoder({ isServer: false, maxPayload: 0, maxFragments: 0, maxBufferedChunks: 0 });
  for (const chunk of [undefined, null, 'text', 1, {}]) assert.throws(() => decoder.decode(chunk), TypeError);
  assert.strictEqual(decoder.decode(Buffer.from([0x81, 0x00])), 1);
});

test('a message is read to where there is room for it, and nowhere else', { skip }, () => {
  const number = addon.newDecoder(false, false, 0, 0, 0, true);
  const chunk = () => Uint8Array.from([0x82, 3, 1, 2, 3, 0xff]).buffer;
  const read = (end, target, offset) => addon.read(number, chunk(), end, target, offset);
  const target = new ArrayBuffer(8);
  const ONLY_3 = (3 << 10) | 2;
  assert.strictEqual(read(5, target, 1), ONLY_3);
  assert.strictEqual(read(5, target, 5), ONLY_3);
  assert.deepStrictEqual([...new Uint8Array(target)], [0, 1, 2, 3, 0, 1, 2, 3]);
  for (const offset of [6, 8, 9, 4e9]) assert.strictEqual(read(5, target, offset), 1);
  assert.deepStrictEqual([...new Uint8Array(target)], [0, 1, 2, 3, 0, 1, 2, 3]);

  const gone = new ArrayBuffer(8);
  structuredClone(gone, { transfer: [gone] });
  assert.strictEqual(read(5, gone, 0), 1);
  for (const wrong of [undefined, {}, Buffer.alloc(8)]) assert.throws(() => read(5, wrong, 0), TypeError);
  const same = chunk();
  assert.throws(() => addon.read(number, same, 5, same, 0), TypeError);
  // What lies beyond the end is not there: the whole of it would be two frames, the second of them wrong.
  assert.strictEqual(read(6, target, 0), 1);
  addon.freeDecoder(number);
});

test('masking is that of JavaScript for every length, offset and overlap', { skip }, () => {
  const key = Buffer.from([1, 0x82, 3, 0xf4]);
  for (let length = 0; length < 300; length++) {
    for (const offset of [0, 1, 2, 3, 7]) {
      const source = Buffer.from(Array.from({ length: length + 8 }, (_, i) => (i * 7) & 0xff));
      const [a, b] = [Buffer.alloc(length + 8), Buffer.alloc(length + 8)];
      native.mask(source, key, a, offset, length);
      js.mask(source, key, b, offset, length);
      assert.deepStrictEqual(a, b);

      const [c, d] = [Buffer.from(source), Buffer.from(source)];
      native.mask(c.subarray(1), key, c, 1, length);
      js.mask(d.subarray(1), key, d, 1, length);
      assert.deepStrictEqual(c, d);

      const part = c.subarray(offset);
      native.unmask(part, key);
      js.unmask(d.subarray(offset), key);
      assert.deepStrictEqual(c, d);
    }
  }
});

const WORKER = `
  const native = require(${JSON.stringify(require.resolve('../../lib/codec/native'))});
  const { parentPort } = require('node:worker_threads');
  const options = { isServer: false, rsv1Allowed: false, maxPayload: 0, maxFragments: 0, maxBufferedChunks: 0 };
  let messages = 0;
  for (let i = 0; i < 2000; i++) {
    const decoder = new native.Decoder(options);
    messages += decoder.decode(Buffer.from([0x82, 0x01, i & 0xff, 0x81, 0x01, 0x61]));
  }
  const deflate = new native.Deflate({});
  const data = Buffer.alloc(100000, 'abc');
  deflate.compressAsync(data, true, (error, wire) => {
    const plain = new native.Inflate({}).inflate(wire, true, 0);
    parentPort.postMessage({ messages, same: plain.equals(data) });
    // What is still in the pool when the worker ends harms nobody.
    for (let i = 0; i < 8; i++) new native.Deflate({}).compressAsync(data, true, () => {});
    if (process.argv[2] === 'exit') process.exit(0);
  });
`;

test('worker threads have the native half each for itself, and end with work in the pool', { skip }, async () => {
  for (const argv of [[], ['exit'], [], ['exit']]) {
    const workers = Array.from({ length: 3 }, () => new Worker(WORKER, { eval: true, argv }));
    const ends = workers.map((worker) => once(worker, 'exit'));
    const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
    for (const [answer] of answers) assert.deepStrictEqual(answer, { messages: 4000, same: true });
    for (const [code] of await Promise.all(ends)) assert.strictEqual(code, 0);
  }
});

test('a worker that is ended in the middle of its work harms nobody', { skip }, async () => {
  const script = WORKER + 'for (;;) new native.Deflate({}).compress(data, true);';
  const workers = Array.from({ length: 3 }, () => new Worker(script, { eval: true }));
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  await Promise.all(workers.map((worker) => worker.terminate()));
});
