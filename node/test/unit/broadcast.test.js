'use strict';

const assert = require('node:assert');
const { once } = require('node:events');
const { test } = require('node:test');
const zlib = require('node:zlib');

const { connect, connectRaw, serve } = require('./support/connections');
const { frame } = require('./support/frames');

const DEFLATE = ['Sec-WebSocket-Extensions: permessage-deflate'];
const text = 'all the same '.repeat(200);

/** The messages that a connection receives, until there are so many. */
async function received(ws, count) {
  const messages = [];
  await new Promise((resolve) => {
    ws.on('message', (data, isBinary) => {
      messages.push(isBinary ? data : data.toString());
      if (messages.length === count) resolve();
    });
  });
  return messages;
}

test('a broadcast reaches every open connection but those that are left out', async (t) => {
  const wss = await serve(t);
  const pairs = [];
  for (let i = 0; i < 5; i++) pairs.push(await connect(t, wss));
  const all = pairs.map(({ client }, i) => received(client, i < 3 ? 1 : 2));

  assert.strictEqual(wss.broadcast('to four', { except: pairs[0].server }), 4);
  assert.strictEqual(wss.broadcast('to two', { except: pairs.slice(0, 3).map(({ server }) => server) }), 2);
  pairs[0].server.send('to one');
  assert.deepStrictEqual(await Promise.all(all), [
    ['to one'],
    ['to four'],
    ['to four'],
    ['to four', 'to two'],
    ['to four', 'to two']
  ]);

  pairs[1].server.close();
  assert.strictEqual(wss.broadcast('to those that are open'), 4);
});

test('strings and numbers are text, the rest is binary, unless the option says otherwise', async (t) => {
  const wss = await serve(t);
  const { socket, read } = await connectRaw(t, wss);
  wss.broadcast('a');
  wss.broadcast(Buffer.from('b'));
  wss.broadcast('c', { binary: true });
  wss.broadcast(Buffer.from('d'), { binary: false });
  wss.broadcast(5);
  const expected = Buffer.concat([frame(1, 'a'), frame(2, 'b'), frame(2, 'c'), frame(1, 'd'), frame(1, '5')]);
  assert.deepStrictEqual(await read(expected.length), expected);
  assert.ok(!socket.destroyed);
});

test('a broadcast keeps its place among other messages', async (t) => {
  const wss = await serve(t, { perMessageDeflate: { threshold: 0 } });
  const { client, server } = await connect(t, wss);
  const expected = [];
  const messages = received(client, 90);
  for (let i = 0; i < 30; i++) {
    server.send(`${i} a ${text}`);
    wss.broadcast(`${i} b ${text}`);
    server.send(`${i} c ${text}`, { compress: false });
    expected.push(`${i} a ${text}`, `${i} b ${text}`, `${i} c ${text}`);
  }
  assert.deepStrictEqual(await messages, expected);
});

test('a broadcast between messages that share a context leaves that intact', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true });
  const { client, server } = await connect(t, wss);
  const messages = [];
  client.on('message', (data) => messages.push(data.toString()));
  const expected = [];
  for (let i = 0; i < 20; i++) {
    for (const message of [`own ${text} ${i}`, `again ${text} ${i}`, `once more ${text} ${i}`]) {
      await new Promise((resolve) => server.send(message, resolve));
      expected.push(message);
    }
    // Nothing is being compressed now: what comes next is sent as it was made for all.
    wss.broadcast(`broadcast ${text} ${i}`);
    expected.push(`broadcast ${text} ${i}`);
  }
  server.close();
  await once(client, 'close');
  assert.deepStrictEqual(messages, expected);
});

test('every connection gets the same compressed octets, made without a context', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true });
  const raw = [];
  for (let i = 0; i < 3; i++) raw.push(await connectRaw(t, wss, DEFLATE));
  const deflated = zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const expected = frame(1, deflated, { rsv: 4 });

  for (let i = 0; i < 2; i++) {
    assert.strictEqual(wss.broadcast(text), 3);
    for (const { read } of raw) assert.deepStrictEqual(await read(expected.length), expected);
  }
});

test('what is short, gets no shorter, or is not to be compressed is sent as it is', async (t) => {
  const wss = await serve(t, { perMessageDeflate: { threshold: 100 } });
  const { read } = await connectRaw(t, wss, DEFLATE);
  const noise = require('node:crypto').randomBytes(1000);
  wss.broadcast('x'.repeat(99));
  wss.broadcast(noise);
  wss.broadcast(text, { compress: false });
  const expected = Buffer.concat([frame(1, 'x'.repeat(99)), frame(2, noise), frame(1, text)]);
  assert.deepStrictEqual(await read(expected.length), expected);
});

test('a connection with the smallest window gets what it can read', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true });
  const { client, server } = await connect(t, wss, { perMessageDeflate: { serverMaxWindowBits: 9 } });
  assert.match(String(server._extensions['permessage-deflate'].params.server_max_window_bits), /^9$/);
  const messages = received(client, 1);
  wss.broadcast(text);
  assert.deepStrictEqual(await messages, [text]);
});

test('a broadcast between the fragments of a message is one of them, as what is sent there is', async (t) => {
  const wss = await serve(t);
  const { socket, server, read } = await connectRaw(t, wss);
  server.send('a', { fin: false });
  wss.broadcast('b');
  const expected = Buffer.concat([frame(1, 'a', { fin: false }), frame(0, 'b')]);
  assert.deepStrictEqual(await read(expected.length), expected);
  assert.ok(!socket.destroyed);
});

test('a server that does not track its clients cannot broadcast', async (t) => {
  const WebSocket = require('../..');
  const wss = new WebSocket.Server({ noServer: true, clientTracking: false });
  assert.throws(() => wss.broadcast('x'), { message: 'broadcast needs the option "clientTracking"' });
});
