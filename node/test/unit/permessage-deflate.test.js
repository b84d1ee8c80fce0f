'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { describe, test } = require('node:test');
const zlib = require('node:zlib');

const codec = require('../../lib/codec');
const PerMessageDeflate = require('../../lib/permessage-deflate');
const { kStatusCode } = require('../../lib/constants');

/** The two sides of a connection, agreed on what the server's options make of the client's offer. */
function pair({ client = {}, server = {} } = {}) {
  const asLists = (params) => Object.fromEntries(Object.entries(params).map(([name, value]) => [name, [value]]));
  const sides = {
    client: new PerMessageDeflate({ ...client, isServer: false }),
    server: new PerMessageDeflate({ ...server, isServer: true })
  };
  const agreed = sides.server.accept([asLists(sides.client.offer())]);
  sides.client.accept([asLists(agreed)]);
  return sides;
}

const call = (side, method, data, fin = true) =>
  new Promise((resolve, reject) => {
    side[method](data, fin, (error, output) => (error ? reject(error) : resolve(output)));
  });

test('what one side compresses the other decompresses, with every agreement', async () => {
  for (const server of [
    {},
    { serverNoContextTakeover: true, clientNoContextTakeover: true },
    { serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
    { zlibDeflateOptions: { level: 1, memLevel: 4, strategy: zlib.constants.Z_HUFFMAN_ONLY } }
  ]) {
    const sides = pair({ server });
    for (const [from, to] of [[sides.client, sides.server], [sides.server, sides.client]]) {
      for (const text of ['', 'a', 'Hello '.repeat(10), 'Hello '.repeat(10), 'é'.repeat(40000)]) {
        const compressed = await call(from, 'compress', text);
        assert.strictEqual((await call(to, 'decompress', compressed)).toString(), text);
      }
      from.cleanup();
    }
  }
});

test('the fragments of a message continue each other', async () => {
  const { client, server } = pair();
  const first = await call(client, 'compress', 'Hello, ', false);
  const last = await call(client, 'compress', 'world', true);
  assert.strictEqual((await call(server, 'decompress', first, false)).toString(), 'Hello, ');
  assert.strictEqual((await call(server, 'decompress', last, true)).toString(), 'world');
});

test('calls that do not wait for each other end in order', async () => {
  const { client, server } = pair();
  const texts = ['a'.repeat(100000), 'b', 'c'.repeat(100000), 'd'];
  const compressed = await Promise.all(texts.map((text) => call(client, 'compress', text)));
  const plain = await Promise.all(compressed.map((data) => call(server, 'decompress', data)));
  assert.deepStrictEqual(plain.map(String), texts);
});

test('a callback never comes at once', (t, done) => {
  const { client } = pair();
  let returned = false;
  client.compress('a', true, () => {
    assert.ok(returned);
    done();
  });
  returned = true;
});

test('data is compressed at once only if nothing is under way', async () => {
  const { client, server } = pair();
  const pending = call(client, 'compress', 'first');
  assert.strictEqual(client.compressSync('second', true), -1);
  assert.strictEqual((await call(server, 'decompress', await pending)).toString(), 'first');
  const length = client.compressSync('third', true);
  if (codec.Deflate === null) {
    assert.strictEqual(length, -1);
    return;
  }
  const now = Buffer.alloc(length);
  client.take(now, 0);
  assert.strictEqual(server.decompressSync(now, true).toString(), 'third');
});

test('a bomb is stopped at maxPayload', async () => {
  const bomb = zlib.deflateRawSync(Buffer.alloc(50 * 1024 * 1024));
  const { server } = pair({ server: { maxPayload: 1000 } });
  await assert.rejects(call(server, 'decompress', bomb), {
    code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    message: 'Max payload size exceeded',
    [kStatusCode]: 1009
  });
});

test('what does not inflate is an error with close code 1007', async () => {
  const { server } = pair();
  await assert.rejects(call(server, 'decompress', Buffer.from([0xff, 0xff])), { code: 'Z_DATA_ERROR', [kStatusCode]: 1007 });
});

test('messages go on after one whose stream has ended', async () => {
  const { server } = pair();
  for (const text of ['one', 'two']) {
    assert.strictEqual((await call(server, 'decompress', zlib.deflateRawSync(text))).toString(), text);
  }
});

test('a message that refers to the one before is refused, where that was agreed not to happen', async () => {
  const deflate = zlib.createDeflateRaw();
  const message = () =>
    new Promise((resolve) => {
      deflate.write('the same words, the same words', () => deflate.flush(zlib.constants.Z_SYNC_FLUSH, () => resolve(deflate.read().subarray(0, -4))));
    });
  const messages = [await message(), await message()];
  // The second pair has node:zlib do it.
  for (const zlibInflateOptions of [{}, { finishFlush: zlib.constants.Z_SYNC_FLUSH }]) {
    const { server } = pair({ server: { clientNoContextTakeover: true, zlibInflateOptions } });
    assert.strictEqual(String(await call(server, 'decompress', messages[0])), 'the same words, the same words');
    await assert.rejects(call(server, 'decompress', messages[1]), { code: 'Z_DATA_ERROR' });
  }
});

test('cleanup tells who waits for something compressed, and gives the places in the pool back', async () => {
  for (let i = 0; i < 30; i++) {
    // Every other time node:zlib does it, which then never calls back.
    const zlibDeflateOptions = i % 2 === 0 ? {} : { strategy: zlib.constants.Z_DEFAULT_STRATEGY };
    const { client, server } = pair({ client: { zlibDeflateOptions } });
    const data = Buffer.alloc(100000, 'x');
    const pending = call(client, 'compress', data);
    server.decompress(zlib.deflateRawSync(data), true, () => assert.fail('nobody waits for it any more'));
    client.cleanup();
    server.cleanup();
    await assert.rejects(pending, { message: 'The deflate stream was closed while data was being processed' });
  }
  const { client } = pair();
  assert.ok((await call(client, 'compress', Buffer.alloc(100000))).length > 0);
});

test('options that zlib refuses are refused with its words, at the first message, and hold nobody up', async () => {
  for (const options of [
    { level: 99 }, { level: -2 }, { level: 'x' }, { level: null }, { memLevel: 0 }, { memLevel: 10 }, { chunkSize: 1 }, { chunkSize: 'x' },
    { strategy: 99 }, { dictionary: 5 }, { windowBits: 15, level: 10 }, { windowBits: 15, memLevel: -1 }
  ]) {
    for (const [setting, call, create] of [
      ['zlibDeflateOptions', 'compress', zlib.createDeflateRaw],
      ['zlibInflateOptions', 'decompress', zlib.createInflateRaw]
    ]) {
      let expected;
      try {
        create(options);
      } catch (error) {
        expected = { name: error.name, code: error.code, message: error.message };
      }
      const deflate = new PerMessageDeflate({ [setting]: options });
      deflate.accept([{}]);
      if (expected === undefined) deflate[call](Buffer.from([1, 0]), true, () => {});
      else assert.throws(() => deflate[call](Buffer.from([1, 0]), true, () => {}), expected);
      deflate.cleanup();
    }
  }

  // The thread pool has as many places for this process as before.
  const deflate = new PerMessageDeflate({ zlibDeflateOptions: { strategy: 0 } });
  deflate.accept([{}]);
  const [error] = await new Promise((resolve) => deflate.compress(Buffer.alloc(100), true, (...args) => resolve(args)));
  assert.strictEqual(error, null);
});

test('a limit that is no number above zero is none, and one that is fits into no 32 bits', async () => {
  const message = zlib.deflateRawSync(Buffer.alloc(3000), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  for (const [maxPayload, ok] of [
    [undefined, true], [0, true], [-1, true], [NaN, true], [Infinity, true], ['x', true], [2 ** 31, true], [2 ** 32, true], [2 ** 32 + 1, true],
    [Number.MAX_SAFE_INTEGER, true], [1e300, true], [3000, true], [3000.9, true], ['3000', true], [2999, false], [2999.9, false]
  ]) {
    const deflate = new PerMessageDeflate({ maxPayload });
    deflate.accept([{}]);
    const [error, data] = await new Promise((resolve) => deflate.decompress(message, true, (...args) => resolve(args)));
    assert.strictEqual(error === null, ok, `maxPayload: ${maxPayload}: ${error}`);
    if (ok) assert.strictEqual(data.length, 3000);
  }
});

test('the limit is that of each message, whatever came before', async () => {
  const compressed = (length) =>
    zlib.deflateRawSync(Buffer.alloc(length), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  // The second has node:zlib do it.
  for (const zlibInflateOptions of [{}, { finishFlush: zlib.constants.Z_SYNC_FLUSH }]) {
    const deflate = new PerMessageDeflate({ maxPayload: 3000, zlibInflateOptions });
    deflate.accept([{}]);
    for (let i = 0; i < 3; i++) assert.strictEqual((await call(deflate, 'decompress', compressed(3000))).length, 3000);
    await assert.rejects(call(deflate, 'decompress', compressed(3001)), { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' });
  }
});

test('a parameter must be known, single and in range', () => {
  const accept = (isServer, params) => new PerMessageDeflate({ isServer }).accept([params]);
  assert.throws(() => accept(true, { foo: [true] }), { message: 'Unknown parameter "foo"' });
  assert.throws(() => accept(true, { server_no_context_takeover: [true, true] }), {
    message: 'Parameter "server_no_context_takeover" must have only a single value'
  });
  for (const bits of ['7', '16', '', 'x', '10.5']) {
    assert.throws(() => accept(true, { client_max_window_bits: [bits] }), {
      name: 'TypeError',
      message: `Invalid value for parameter "client_max_window_bits": ${bits}`
    });
  }
  assert.throws(() => accept(false, { client_max_window_bits: [true] }), { name: 'TypeError' });
  assert.throws(() => accept(true, { server_max_window_bits: [true] }), { name: 'TypeError' });
  assert.deepStrictEqual({ ...accept(true, { client_max_window_bits: ['08'] }) }, { client_max_window_bits: 8 });
});

test('the first acceptable offer is taken', () => {
  const server = new PerMessageDeflate({ isServer: true, serverNoContextTakeover: false, clientMaxWindowBits: 10 });
  const agreed = server.accept([
    { server_no_context_takeover: [true], client_max_window_bits: [true] },
    {},
    { client_max_window_bits: ['9'] },
    { client_max_window_bits: ['12'] }
  ]);
  assert.deepStrictEqual({ ...agreed }, { client_max_window_bits: 10 });
  assert.throws(() => server.accept([{}]), { message: 'None of the extension offers can be accepted' });
});

describe('contexts over node:zlib', () => {
  const { ZlibDeflate, ZlibInflate } = require('../../lib/zlib-contexts');

  function contexts() {
    const deflate = new ZlibDeflate({}, false);
    const inflate = new ZlibInflate({}, false);
    const compress = (data, fin = true) => call(deflate, 'compressAsync', data, fin);
    const decompress = (data, fin = true) =>
      new Promise((resolve, reject) => {
        inflate.inflateAsync(data, fin, 0, (error, plain) => (error ? reject(error) : resolve(String(plain))));
      });
    return { deflate, inflate, compress, decompress };
  }

  test('a message is one round trip to the thread pool', async () => {
    const { deflate, inflate, compress, decompress } = contexts();
    await decompress(await compress('first'));
    let trips = 0;
    for (const { _handle } of [deflate._stream, inflate._stream]) {
      const { write } = _handle;
      _handle.write = function (...args) {
        trips++;
        return write.apply(this, args);
      };
    }
    const compressed = await compress('second');
    assert.strictEqual(trips, 1);
    assert.strictEqual(await decompress(compressed), 'second');
    assert.strictEqual(trips, 2);
  });

  test('an empty message is one octet, or none', async () => {
    const { compress, decompress } = contexts();
    for (const text of ['', 'one', '', '', 'two']) {
      const compressed = await compress(text);
      if (text === '') assert.deepStrictEqual(compressed, Buffer.from([0x00]));
      assert.strictEqual(await decompress(compressed), text);
      assert.strictEqual(await decompress(Buffer.alloc(0)), '');
    }
    // Within a message the last fragment may be empty.
    assert.strictEqual(await decompress(await compress('three', false), false), 'three');
    assert.strictEqual(await decompress(await compress('', true), true), '');
    assert.strictEqual(await decompress(await compress('four')), 'four');
  });

  test('the way of flushing is ours, but for a full one', async () => {
    const { Z_FULL_FLUSH, Z_NO_FLUSH } = zlib.constants;
    for (const flush of [Z_NO_FLUSH, Z_FULL_FLUSH]) {
      const deflate = new ZlibDeflate({ flush }, false);
      const { decompress } = contexts();
      for (const text of ['once upon a time', 'once upon a time']) {
        const compressed = await call(deflate, 'compressAsync', text);
        assert.strictEqual(await decompress(compressed), text);
        // After a full flush nothing refers to what was before.
        if (flush === Z_FULL_FLUSH) assert.ok(compressed.length > 16, String(compressed.length));
      }
    }
  });
});

test('a message that zlib has inflated may be given to another thread', () => {
  // What zlib writes to next must not be gone: that ends the process, so it is one of its own.
  const program = `
    const zlib = require('node:zlib');
    const { ZlibInflate } = require(${JSON.stringify(require.resolve('../../lib/zlib-contexts'))});
    const inflate = new ZlibInflate({}, false);
    const data = zlib.deflateRawSync(Buffer.alloc(5000, 'x'), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
    let left = 3;
    (function next() {
      inflate.inflateAsync(data, true, 0, (error, message) => {
        const { length } = structuredClone(message, { transfer: [message.buffer] });
        console.log(length, message.length);
        if (--left > 0) next();
      });
    })();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
  assert.strictEqual(stdout + stderr, '5000 0\n'.repeat(3));
});
