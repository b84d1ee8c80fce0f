'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('../..');
const { connect, serve } = require('./support/connections');

test('sendAsync is fulfilled when the message is with the operating system', async (t) => {
  const wss = await serve(t);
  const { client, server } = await connect(t, wss);
  const received = once(server, 'message');
  assert.strictEqual(await client.sendAsync('text', { binary: true }), undefined);
  assert.strictEqual(client.bufferedAmount, 0);
  assert.deepStrictEqual(await received, [Buffer.from('text'), true]);
});

test('sendAsync is rejected while the connection is not open', async (t) => {
  const wss = await serve(t);
  const client = new WebSocket(wss.url);
  await assert.rejects(client.sendAsync('early'), { message: 'WebSocket is not open: readyState 0 (CONNECTING)' });
  await once(client, 'open');
  client.terminate();
  await assert.rejects(client.sendAsync('late'), { message: 'WebSocket is not open: readyState 2 (CLOSING)' });
});

test('sendAsync is rejected for what cannot be sent', async (t) => {
  const wss = await serve(t);
  const { client } = await connect(t, wss);
  await assert.rejects(client.sendAsync(true), TypeError);
});

test('send returns nothing, whether it succeeds or not', async (t) => {
  const wss = await serve(t);
  const { client } = await connect(t, wss);
  assert.strictEqual(client.send('x'), undefined);
  client.terminate();
  assert.strictEqual(client.send('x'), undefined);
});
