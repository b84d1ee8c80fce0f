'use strict';

// A connection has no receiver before something comes.

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');

const { kReceiver } = require('../../lib/connection');
const { connectRaw, serve } = require('./support/connections');
const { frame } = require('./support/frames');

test('it has none until the first octets come', async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  await new Promise(setImmediate);
  assert.strictEqual(server[kReceiver], null);
  // Whatever else is done with it.
  server.binaryType = 'arraybuffer';
  server.pause();
  server.resume();
  server.send('a');
  assert.strictEqual(server[kReceiver], null);

  socket.write(frame(2, Buffer.from('b'), { mask: [0, 0, 0, 0] }));
  const [data] = await once(server, 'message');
  assert.deepStrictEqual(data, new Uint8Array([0x62]).buffer);
  assert.strictEqual(server[kReceiver], server._receiver);
});

for (const [how, end] of [
  ['cut', (server) => server.terminate()],
  ['reset', (server, socket) => socket.resetAndDestroy()]
]) {
  test(`one that is ${how} before that ends without`, async (t) => {
    const { socket, server } = await connectRaw(t, await serve(t));
    await new Promise(setImmediate);
    const closed = once(server, 'close');
    end(server, socket);
    assert.deepStrictEqual(await closed, [1006, Buffer.alloc(0)]);
    assert.strictEqual(server[kReceiver], null);
  });
}

test('it has one as soon as somebody asks', async (t) => {
  const { server } = await connectRaw(t, await serve(t));
  const receiver = server._receiver;
  assert.strictEqual(server._receiver, receiver);
  assert.strictEqual(server[kReceiver], receiver);
  assert.strictEqual(receiver.listenerCount('message'), 1);
});
