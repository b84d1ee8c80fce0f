'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');

const { connect, serve } = require('./support/connections');

test('for await gives the messages in order, text as strings, and ends with the connection', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  server.send('text');
  server.send(Buffer.from([1, 2]));
  server.send('');
  server.close(1000);

  const messages = [];
  for await (const message of client) messages.push(message);
  assert.deepStrictEqual(messages, ['text', Buffer.from([1, 2]), '']);
  assert.strictEqual(client.readyState, client.CLOSED);
});

test('for await throws the error of the connection, after the messages before it', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  server.send('before');
  server._socket.write(Buffer.from([0x83, 0x00]));

  const messages = [];
  await assert.rejects(
    async () => {
      for await (const message of client) messages.push(message);
    },
    { code: 'WS_ERR_INVALID_OPCODE' }
  );
  assert.deepStrictEqual(messages, ['before']);
});

test('for await over a connection that failed to open throws why', async (t) => {
  const wss = await serve(t, { verifyClient: () => false });
  const WebSocket = require('../..');
  const client = new WebSocket(wss.url);
  await assert.rejects(client[Symbol.asyncIterator]().next(), { message: 'Unexpected server response: 401' });
});

test('a loop that is slow slows the connection down, and loses nothing', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  const iterator = client[Symbol.asyncIterator]();
  const count = 1000;
  for (let i = 0; i < count; i++) server.send(`${i} ${'x'.repeat(1000)}`);
  server.close();

  assert.match((await iterator.next()).value, /^0 /);
  // Nobody takes the next ones: what waits is bounded.
  while (!client.isPaused) await new Promise(setImmediate);
  let i = 1;
  for await (const message of iterator) assert.strictEqual(parseInt(message, 10), i++);
  assert.strictEqual(i, count);
});

test('leaving the loop early leaves the connection as it is', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  for (let i = 0; i < 100; i++) server.send('x');
  for await (const message of client) {
    assert.strictEqual(message, 'x');
    break;
  }
  assert.strictEqual(client.isPaused, false);
  assert.strictEqual(client.readyState, client.OPEN);
  assert.strictEqual(client.listenerCount('message'), 0);
  const last = new Promise((resolve) => {
    client.on('message', (data) => {
      if (String(data) === 'last') resolve();
    });
  });
  server.send('last');
  await last;
});

test('what waits for a message ends when the loop is left', async (t) => {
  const wss = await serve(t);
  const { client } = await connect(t, wss);
  const iterator = client[Symbol.asyncIterator]();
  const pending = iterator.next();
  assert.deepStrictEqual(await iterator.return('value'), { value: 'value', done: true });
  assert.deepStrictEqual(await pending, { value: undefined, done: true });
  assert.deepStrictEqual(await iterator.next(), { value: undefined, done: true });
});

test('for await over a closed connection ends at once', async (t) => {
  const wss = await serve(t);
  const { client } = await connect(t, wss);
  client.close();
  await once(client, 'close');
  for await (const message of client) assert.fail(message);
});

test('what a loop that is left has not taken is there for the next one, and comes before what comes then', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  const count = 100;
  for (let i = 0; i < count; i++) server.send(String(i));
  const messages = [];
  for await (const message of client) {
    messages.push(message);
    // All of them have come with the first.
    if (messages.length === 10) break;
  }
  for await (const message of client) {
    if (messages.push(message) === 20) break;
  }
  server.send('last');
  server.close();
  for await (const message of client) messages.push(message);
  assert.deepStrictEqual(messages, [...Array.from({ length: count }, (_, i) => String(i)), 'last']);
});

test('what is kept for the next loop is there when the connection is over', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  for (const text of ['a', 'b', 'c']) server.send(text);
  server.close();
  for await (const message of client) {
    assert.strictEqual(message, 'a');
    break;
  }
  await once(client, 'close');
  const messages = [];
  for await (const message of client) messages.push(message);
  assert.deepStrictEqual(messages, ['b', 'c']);
});

test('for await throws when the connection is cut, after the messages before it, and once', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  const cut = { code: 'WS_ERR_ABNORMAL_CLOSURE', closeCode: 1006 };
  const iterator = client[Symbol.asyncIterator]();
  server.send('before');
  server.terminate();
  await once(client, 'close');
  assert.deepStrictEqual(await iterator.next(), { value: 'before', done: false });
  await assert.rejects(iterator.next(), cut);
  assert.deepStrictEqual(await iterator.next(), { value: undefined, done: true });
  // So does one that begins when it has been.
  await assert.rejects(client[Symbol.asyncIterator]().next(), cut);
});

test('for await ends with a Close frame, whatever its code is', async (t) => {
  const wss = await serve(t);
  for (const code of [undefined, 1000, 1011, 4000]) {
    const { client, server } = await connect(t, wss);
    const closed = once(client, 'close');
    server.close(code);
    for await (const message of client) assert.fail(message);
    assert.strictEqual((await closed)[0], code ?? 1005);
  }
});
