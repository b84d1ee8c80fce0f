'use strict';

// Sockets are read into one memory, and plain ones written past the stream, and nobody can tell.

const assert = require('node:assert');
const { once } = require('node:events');
const { createServer } = require('node:https');
const { test } = require('node:test');

const { WebSocketServer } = require('../..');
const Receiver = require('../../lib/receiver');
const codec = require('../../lib/codec');
const certificate = require('./support/certificate');
const { connect, connectRaw, serve } = require('./support/connections');
const { frame } = require('./support/frames');

const off = Boolean(process.env.HYBI_NO_FAST_PATH);
const reads = { skip: off && 'HYBI_NO_FAST_PATH is set' };
const writes = { skip: (off || codec.send === null) && 'nothing here writes past the stream' };

/** A masked text of one letter, with a key of zeros. */
const letter = (text) => Buffer.concat([Buffer.from([0x81, 0x81, 0, 0, 0, 0]), Buffer.from(text)]);

/** Counts the reads that come past the stream. */
function countReceived(ws) {
  const counter = { received: 0 };
  const { receive } = ws._receiver;
  ws._receiver.receive = function (...args) {
    counter.received++;
    return receive.apply(this, args);
  };
  return counter;
}

/** Keeps what comes, and answers each. */
function keep(ws) {
  const kept = [];
  ws.on('message', (data) => {
    kept.push(data);
    ws.send('next');
  });
  return kept;
}

/** As `connect`, over TLS. */
async function connectSecurely(t) {
  const https = createServer(certificate).listen(0, '127.0.0.1');
  await once(https, 'listening');
  t.after(() => https.close());
  const wss = new WebSocketServer({ server: https });
  wss.url = `wss://127.0.0.1:${https.address().port}`;
  return connect(t, wss, { ca: certificate.cert });
}

/** Lets the loop turn until something has happened. */
async function until(happened) {
  while (!happened()) await new Promise(setImmediate);
}

test('what is read past the stream is counted, and what is kept of it stays', reads, async (t) => {
  const { client, server } = await connect(t, await serve(t));
  const counter = countReceived(server);
  const before = server._socket.bytesRead;
  const kept = keep(server);
  for (const size of [10, 1023, 1024, 5000, 70000, 10]) {
    client.send(Buffer.alloc(size, kept.length + 1));
    await once(client, 'message');
  }
  assert.deepStrictEqual(kept, [10, 1023, 1024, 5000, 70000, 10].map((size, i) => Buffer.alloc(size, i + 1)));
  assert.ok(counter.received >= 6);
  assert.strictEqual(server._socket.bytesRead - before, 10 + 1023 + 1024 + 5000 + 70000 + 10 + 6 * 6 + 3 * 2 + 8);
});

test('over TLS, what is read past the stream is counted, kept, and ends', reads, async (t) => {
  const { client, server } = await connectSecurely(t);
  const counter = countReceived(server);
  const before = server._socket.bytesRead;
  const kept = keep(server);
  const sizes = [10, 1023, 5000, 70000, 300000, 10];
  for (const size of sizes) {
    client.send(Buffer.alloc(size, kept.length + 1));
    await once(client, 'message');
  }
  assert.ok(counter.received >= sizes.length);
  const heads = sizes.reduce((sum, size) => sum + (size < 126 ? 6 : size < 65536 ? 8 : 14), 0);
  assert.strictEqual(server._socket.bytesRead - before, heads + sizes.reduce((sum, size) => sum + size));
  kept.forEach((data, i) => assert.ok(data.equals(Buffer.alloc(sizes[i], i + 1)), `message ${i}`));

  client.close(1000, 'done');
  const [code, reason] = await once(server, 'close');
  assert.deepStrictEqual([code, String(reason)], [1000, 'done']);
});

test('over TLS, another listener for data sees all of it from then on', reads, async (t) => {
  const { client, server } = await connectSecurely(t);
  const counter = countReceived(server);
  client.send('a');
  await once(server, 'message');
  assert.strictEqual(counter.received, 1);
  let seen = 0;
  server._socket.on('data', (chunk) => (seen += chunk.length));
  client.send('b');
  await once(server, 'message');
  assert.strictEqual(seen, 7);
  assert.strictEqual(counter.received, 1);
});

test('another listener for data sees all of it from then on', reads, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  const counter = countReceived(server);
  socket.write(letter('a'));
  await once(server, 'message');
  assert.strictEqual(counter.received, 1);

  const seen = [];
  const see = (chunk) => seen.push(Buffer.from(chunk));
  server._socket.prependListener('data', see);
  socket.write(letter('b'));
  await once(server, 'message');
  assert.deepStrictEqual(seen, [letter('b')]);
  assert.strictEqual(counter.received, 1);

  server._socket.removeListener('data', see);
  socket.write(letter('c'));
  await once(server, 'message');
  assert.strictEqual(counter.received, 2);
});

test('what comes while the socket is paused comes before what comes then', reads, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  const counter = countReceived(server);
  server.pause();
  socket.write(letter('a'));
  await until(() => server._socket.readableLength > 0);
  const all = [];
  server.on('message', (data) => all.push(String(data)));
  server.resume();
  socket.write(Buffer.concat([letter('b'), letter('c')]));
  await until(() => all.length === 3);
  socket.write(letter('d'));
  await until(() => all.length === 4);
  assert.deepStrictEqual(all, ['a', 'b', 'c', 'd']);
  assert.ok(counter.received >= 1);
});

test('when a listener throws, what was read with it is kept, and what comes has to wait', async () => {
  const receiver = new Receiver({ isServer: true });
  const all = [];
  receiver.on('message', (data) => {
    all.push(String(data));
    if (all.length === 1) throw new Error('of the listener');
  });
  const memory = Buffer.concat([letter('a'), letter('b'), letter('c'), letter('-')]);
  assert.strictEqual(receiver.canReceive(), true);
  assert.throws(() => receiver.receive(memory, 21), /of the listener/);
  memory.fill(0);
  assert.strictEqual(receiver.canReceive(), false);
  receiver.write(letter('d'));
  await until(() => all.length === 4);
  assert.deepStrictEqual(all, ['a', 'b', 'c', 'd']);
  assert.strictEqual(receiver.canReceive(), true);
});

test('when a listener throws at the only message of a read, what comes has to wait', async () => {
  const receiver = new Receiver({ isServer: true });
  const all = [];
  receiver.on('message', (data) => {
    all.push(String(data));
    if (all.length === 1) throw new Error('of the listener');
  });
  const memory = new Uint8Array(letter('a')).buffer;
  assert.throws(() => receiver.receive(Buffer.from(memory), 7, memory), /of the listener/);
  assert.strictEqual(receiver.canReceive(), false);
  receiver.write(letter('b'));
  assert.deepStrictEqual(all, ['a']);
  await until(() => all.length === 2);
  assert.deepStrictEqual(all, ['a', 'b']);
  assert.strictEqual(receiver.canReceive(), true);
});

test('small messages that are kept hold on to little else, and no one can take it from the others', reads, async (t) => {
  const { client, server } = await connect(t, await serve(t));
  const kept = keep(server);
  const sizes = Array.from({ length: 40 }, (_, i) => [1, 125, 126, 1000, 1024, 4000, 4095, 4096][i % 8]);
  for (const [i, size] of sizes.entries()) {
    client.send(Buffer.alloc(size, i));
    await once(client, 'message');
    const { buffer } = kept[i];
    assert.ok(buffer.byteLength <= 8300, `${buffer.byteLength} for ${size}`);
    if (size < 4096) {
      try {
        structuredClone(buffer, { transfer: [buffer] });
      } catch (error) {
        assert.strictEqual(error.name, 'DataCloneError');
      }
    }
    // They belong to the listener.
    kept[i].fill(i + 100);
  }
  kept.forEach((data, i) => assert.ok(data.equals(Buffer.alloc(sizes[i], i + 100)), `message ${i}`));
});

test('a large message does not cost the memory of small ones', writes, async (t) => {
  const { client, server } = await connect(t, await serve(t));
  const kept = keep(server);
  // The first may be the last that has room in its memory.
  for (const size of [4000, 100, 10000, 65536, 100]) {
    client.send(Buffer.alloc(size));
    await once(client, 'message');
  }
  assert.strictEqual(kept[4].buffer, kept[1].buffer);
});

test('an error comes after the messages before it, and closes', async (t) => {
  const { socket, server, read } = await connectRaw(t, await serve(t));
  const log = [];
  server.on('message', (data) => log.push(String(data)));
  server.on('error', (error) => log.push(error.code));
  socket.write(Buffer.concat([letter('a'), Buffer.from([0xf1, 0x80]), letter('b')]));
  assert.deepStrictEqual(await read(4), Buffer.from([0x88, 0x02, 0x03, 0xea]));
  socket.end();
  await once(server, 'close');
  assert.deepStrictEqual(log, ['a', 'WS_ERR_UNEXPECTED_RSV_2_3']);
});

test('what is written past the stream is counted', writes, async (t) => {
  const { socket, server, read } = await connectRaw(t, await serve(t));
  const before = server._socket.bytesWritten;
  server.send('hello');
  assert.deepStrictEqual(await read(7), Buffer.from('\x81\x05hello', 'latin1'));
  assert.strictEqual(server._sender._outbox.sent, 7);
  assert.strictEqual(server._socket.bytesWritten - before, 7);
  assert.strictEqual(server.bufferedAmount, 0);
  socket.destroy();
  await once(server, 'close');
  assert.strictEqual(server._socket.bytesWritten - before, 7);
});

test('what is sent is framed where the last frame was that the kernel took', writes, async (t) => {
  const wss = await serve(t);
  const first = await connectRaw(t, wss);
  const second = await connectRaw(t, wss);
  const framed = (...texts) => Buffer.concat(texts.map((text) => frame(1, text)));
  const places = [];
  for (let i = 0; i < 3; i++) {
    first.server.send(`a${i}`);
    places.push(first.server._sender._outbox.at);
    // These wait until the tick is over, or somebody has a look at the socket.
    first.server.send(`b${i}`);
    second.server.send(`c${i}`);
    second.server.send(`d${i}`);
    assert.ok(first.server._socket.writable);
    // Not where the frame is that still waits.
    first.server.send('longer');
    assert.deepStrictEqual(await first.read(16), framed(`a${i}`, `b${i}`, 'longer'));
    assert.deepStrictEqual(await second.read(8), framed(`c${i}`, `d${i}`));
  }
  // The place of `b` alone is lost: something waited behind it.
  assert.strictEqual(places[2] - places[1], 4);
});

test('what the kernel does not take waits in the stream, in its order', writes, async (t) => {
  const { socket, server } = await connectRaw(t, await serve(t));
  socket.pause();
  const sizes = [];
  let total = 0;
  // Frames of both kinds: gathered ones, and large ones that are not copied.
  while (server.bufferedAmount === 0) {
    for (const size of [200, 40000]) {
      const data = Buffer.alloc(size, sizes.length);
      sizes.push(size);
      total += size + 4;
      server.send(data);
    }
    await new Promise(setImmediate);
  }
  const { sent } = server._sender._outbox;
  assert.ok(sent > 0 && sent < total);
  server.send('last');
  total += 6;

  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.resume();
  await until(() => received.length >= total);
  let at = 0;
  sizes.forEach((size, i) => {
    assert.strictEqual(received.readUInt16BE(at + 2), size);
    assert.ok(received.subarray(at + 4, at + 4 + size).equals(Buffer.alloc(size, i)));
    at += 4 + size;
  });
  assert.strictEqual(received.subarray(at + 2).toString(), 'last');
  assert.strictEqual(server.bufferedAmount, 0);
});

test('what the kernel does not take of a frame comes behind it, before the next', writes, async (t) => {
  const { server, read } = await connectRaw(t, await serve(t));
  const { sendFrame } = codec;
  t.after(() => (codec.sendFrame = sendFrame));
  for (const size of [0, 1, 125, 126, 300, 16000]) {
    const expected = [frame(2, Buffer.alloc(size, 1)), frame(1, 'next')];
    for (const taken of [0, 1, 3, 4, 5, expected[0].length - 1, expected[0].length]) {
      if (taken > expected[0].length) continue;
      let calls = 0;
      codec.sendFrame = (fd) => {
        calls++;
        return codec.send(fd, expected[0], 0, taken);
      };
      server.send(Buffer.alloc(size, 1));
      codec.sendFrame = sendFrame;
      server.send('next');
      const all = Buffer.concat(expected);
      assert.deepStrictEqual(await read(all.length), all, `${taken} of ${size}`);
      assert.strictEqual(calls, 1);
      assert.strictEqual(server.bufferedAmount, 0);
    }
  }
});

test('the first that is sent in a turn leaves at once, also when something was sent during a read before', writes, async (t) => {
  const { socket, server, read } = await connectRaw(t, await serve(t));
  for (let i = 0; i < 3; i++) {
    server.once('message', () => server.send('answer'));
    socket.write(letter('q'));
    await read(8);
    server.send('more');
    assert.strictEqual(server._sender._outbox.length, 0);
    await read(6);
  }
});

test('what is written to the socket itself keeps its place', async (t) => {
  const { server, read } = await connectRaw(t, await serve(t));
  const socket = server._socket;
  server.send('a');
  server.send('b');
  socket.write('raw');
  socket.cork();
  server.send('c');
  socket.write('corked');
  server.send('d');
  // Whoever asks for the socket has what was sent before written.
  assert.strictEqual(server._socket, socket);
  socket.uncork();
  assert.strictEqual(String(await read(21)), '\x81\x01a\x81\x01braw\x81\x01ccorked\x81\x01d'.replace(/\x81/g, '\ufffd'));
});

test('a socket has methods of its own once something waits for it, and is written past the stream before and after', writes, async (t) => {
  const { server, read } = await connectRaw(t, await serve(t));
  const socket = server._socket;
  const own = () => ['write', 'end', 'destroy'].filter((method) => Object.hasOwn(socket, method));
  for (const [i, expected] of [[], ['write', 'end', 'destroy']].entries()) {
    server.send('a');
    await read(3);
    assert.strictEqual(server._sender._outbox.sent, i * 9 + 3);
    assert.deepStrictEqual(own(), expected);
    server.send('b');
    server.send('c');
    assert.strictEqual(server._sender._outbox.length, 3);
    assert.strictEqual(server._sender._outbox.sent, i * 9 + 6);
    await read(6);
    assert.strictEqual(server._sender._outbox.sent, i * 9 + 9);
  }
});

test('what waits comes before the end of a socket that somebody has from elsewhere', async (t) => {
  const wss = await serve(t);
  wss.once('connection', (ws, request) => {
    ws.send('a');
    ws.send('b');
    request.socket.end('raw');
  });
  const { read } = await connectRaw(t, wss);
  assert.strictEqual(String(await read(9)), '\x81\x01a\x81\x01braw'.replace(/\x81/g, '\ufffd'));
});

test('a method that somebody has put in the way of writing is used', async (t) => {
  const { server, read } = await connectRaw(t, await serve(t));
  const socket = server._socket;
  const seen = [];
  const { write } = socket;
  socket.write = function (chunk, ...args) {
    seen.push(Buffer.from(chunk));
    return write.call(this, chunk, ...args);
  };
  server.send('a');
  await read(3);
  assert.deepStrictEqual(seen, [Buffer.from([0x81, 0x01, 0x61])]);
});

test('a method that somebody has put in the way of reading is used', async (t) => {
  for (const method of ['emit', 'push']) {
    const { socket, server } = await connectRaw(t, await serve(t));
    const { [method]: ordinary } = server._socket;
    let seen = 0;
    server._socket[method] = function (...args) {
      if (args.some(Buffer.isBuffer)) seen++;
      return ordinary.apply(this, args);
    };
    socket.write(letter('a'));
    assert.strictEqual(String((await once(server, 'message'))[0]), 'a');
    assert.strictEqual(seen, 1, method);
  }
});

test('nothing leaves while the socket is corked', async (t) => {
  const { server, read } = await connectRaw(t, await serve(t));
  const socket = server._socket;
  const before = socket.bytesWritten;
  socket.cork();
  server.send('a');
  assert.strictEqual(server._sender._outbox.sent, 0);
  assert.strictEqual(socket._writableState.length, 3);
  socket.uncork();
  assert.deepStrictEqual(await read(3), Buffer.from([0x81, 0x01, 0x61]));
  assert.strictEqual(socket.bytesWritten - before, 3);
});

test('what comes and what is sent keeps a timeout of the socket from running out', writes, async (t) => {
  const { socket, server, read } = await connectRaw(t, await serve(t));
  let refreshed = 0;
  const { _unrefTimer } = server._socket;
  server._socket._unrefTimer = function () {
    refreshed++;
    return _unrefTimer.call(this);
  };
  socket.write(letter('a'));
  await once(server, 'message');
  if (!off) assert.strictEqual(refreshed, 1);
  server.send('b');
  await read(3);
  assert.ok(refreshed >= 1);
});
