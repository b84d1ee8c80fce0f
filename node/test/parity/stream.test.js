'use strict';

const { behaviour, exchange } = require('./harness');
const { closing } = require('./peer');

/** Logs the events of a stream. */
function watch(t, stream, name = 'stream') {
  const log = t.channel(name);

  stream.on('data', (data) => log('data', data));
  for (const event of ['end', 'finish', 'close', 'drain', 'pause', 'resume']) {
    if (event !== 'pause' && event !== 'resume' && event !== 'drain') stream.on(event, () => log(event));
  }
  stream.on('error', (err) => log('error', err));
  return stream;
}

behaviour('createWebSocketStream: what it returns', async (t) => {
  const { Duplex } = require('node:stream');
  const { ws } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws);

  t.log(stream instanceof Duplex, stream.readableObjectMode, stream.writableObjectMode, stream.allowHalfOpen);
  t.log(stream.readableHighWaterMark, stream.writableHighWaterMark, t.impl.createWebSocketStream.length);
});

behaviour('createWebSocketStream: options', async (t) => {
  const { ws } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws, {
    objectMode: true, readableObjectMode: true, writableObjectMode: true, autoDestroy: true, emitClose: true,
    highWaterMark: 10, encoding: 'utf8', decodeStrings: false
  });

  t.log(stream.readableObjectMode, stream.writableObjectMode, stream.readableHighWaterMark, stream.writableHighWaterMark, stream.readableEncoding);
});

exchange('stream: data both ways, then end', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws), 'client');

  t.observe(peer, 'server');
  stream.write('one');
  stream.write(Buffer.from('two'));
  peer.send('three');
  peer.send(Buffer.from('four'));
  await t.event(stream, 'data');
  stream.end('five');
  await Promise.all([t.event(stream, 'close'), t.event(peer, 'close')]);
});

exchange('stream: two streams piped', async (t) => {
  const { ws, peer } = await t.pair();
  const a = t.client.createWebSocketStream(ws);
  const b = t.server.createWebSocketStream(peer);

  b.pipe(b);
  const parts = [];

  a.on('data', (data) => parts.push(data));
  for (let i = 0; i < 50; i++) a.write(Buffer.alloc(10000, i));
  await t.until(() => parts.reduce((total, part) => total + part.length, 0) === 500000);
  a.end();
  await t.event(a, 'close');
  t.log(Buffer.concat(parts));
});

exchange('stream: an encoding', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = t.client.createWebSocketStream(ws, { encoding: 'utf8' });
  const data = t.event(stream, 'data');

  peer.send('grüße');
  t.log(await data);
});

exchange('stream: readableObjectMode keeps text a string', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws, { readableObjectMode: true }));

  peer.send('text');
  peer.send('');
  peer.send(Buffer.from('binary'));
  peer.close();
  await t.event(stream, 'end');
  t.log(stream.destroyed);
});

exchange('stream: messages in parts of any size are octets', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = t.client.createWebSocketStream(ws);
  const parts = [];

  for (let i = 0; i < 20; i++) peer.send(Buffer.alloc(i * 1000, i));
  peer.close();
  for await (const part of stream) parts.push(part);
  t.log(Buffer.concat(parts));
});

exchange('stream: the peer closes', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws));

  peer.send('last');
  peer.close(1000, 'x');
  await t.event(stream, 'end');
  t.log(stream.destroyed, ws.readyState);
  stream.end();
  await t.event(stream, 'close');
  t.log(stream.destroyed, ws.readyState);
});

exchange('stream: the peer is terminated', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws));

  peer.terminate();
  await t.event(stream, 'end');
  stream.end('late', (err) => t.channel('callback')(err));
  await t.event(stream, 'close');
});

exchange('stream: destroy()', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws), 'stream');

  t.observe(ws, 'client');
  t.observe(peer, 'server');
  stream.destroy();
  t.log(stream.destroyed, ws.readyState);
  await Promise.all([t.event(stream, 'close'), t.event(peer, 'close')]);
});

exchange('stream: destroy(error)', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = watch(t, t.client.createWebSocketStream(ws), 'stream');

  t.observe(ws, 'client');
  stream.destroy(new Error('mine'));
  await Promise.all([t.event(stream, 'close'), t.event(peer, 'close')]);
});

behaviour('stream: destroy() in CONNECTING', async (t) => {
  const port = await t.rawServer(() => {});
  const ws = t.observe(t.connect(port), 'client');
  const stream = watch(t, t.impl.createWebSocketStream(ws), 'stream');

  stream.destroy();
  await t.event(stream, 'close');
});

behaviour('stream: destroy(error) in CONNECTING', async (t) => {
  const port = await t.rawServer(() => {});
  const ws = t.observe(t.connect(port), 'client');
  const stream = watch(t, t.impl.createWebSocketStream(ws), 'stream');

  stream.destroy(new Error('mine'));
  await t.event(stream, 'close');
});

exchange('stream: writes and end before open', async (t) => {
  const wss = await t.serve({}, (peer) => t.observe(peer, 'server'));
  const ws = t.connect(wss.port);
  const stream = watch(t, t.client.createWebSocketStream(ws));

  stream.write('early');
  stream.end('end');
  await t.event(stream, 'close');
  await t.turns(2);
});

behaviour('stream: a handshake that fails', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
  });
  const ws = t.observe(t.connect(port), 'client');
  const stream = watch(t, t.impl.createWebSocketStream(ws));

  stream.write('x', (err) => t.channel('write')(err));
  await t.event(stream, 'close');
});

behaviour('stream: a protocol error', async (t) => {
  const { ws, peer } = await t.scripted();
  const stream = watch(t, t.impl.createWebSocketStream(ws));

  peer.sendMasked(1, 'before');
  peer.sendMasked(3, 'x');
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
  await t.turns(3);
  t.log(stream.destroyed);
});

behaviour('stream: after a protocol error the connection is not cut before its peer has read why', async (t) => {
  const wss = await t.serve();
  const connection = t.event(wss, 'connection');
  const peer = await t.rawClient(wss.port, {}, { allowHalfOpen: true });
  const ws = t.adopt((await connection)[0]);
  const stream = t.impl.createWebSocketStream(ws);

  stream.on('error', (err) => t.channel('stream')('error', err));
  peer.sendMasked(1, 'x', { rsv: 2 });
  t.log(await peer.describeFrames());
  t.log(ws.readyState, ws._socket.destroyed);
  peer.end();
  await t.event(stream, 'close');
});

behaviour('stream: an error without a listener is thrown', async (t) => {
  const { ws, peer } = await t.scripted();
  const listeners = process.listeners('uncaughtException');

  process.removeAllListeners('uncaughtException');
  const caught = t.event(process, 'uncaughtException');

  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const l of listeners) process.on('uncaughtException', l);
  });
  t.impl.createWebSocketStream(ws);
  peer.sendMasked(3, 'x');
  t.log((await caught)[0]);
});

behaviour('stream: end waits for the close frame of the peer', async (t) => {
  const { ws, peer } = await t.scripted();
  const stream = watch(t, t.impl.createWebSocketStream(ws), 'stream');

  stream.end('x');
  t.log(await peer.describeFrames(2));
  await t.turns(5);
  t.log('not finished yet', stream.writableFinished);
  peer.sendMasked(8, closing(1000));
  await t.event(stream, 'close');
  t.log(stream.writableFinished, stream.readableEnded);
});

behaviour('stream: the close frame of the peer, then what is still read', async (t) => {
  const { ws, peer } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws);

  peer.socket.cork();
  for (let i = 0; i < 10; i++) peer.sendMasked(2, Buffer.alloc(20000, i));
  peer.sendMasked(8, closing(1000));
  peer.socket.uncork();
  await t.until(() => ws.isPaused || ws.readyState > 1);
  let total = 0;

  for await (const part of stream) total += part.length;
  t.log(total);
});

behaviour('stream: backpressure pauses the WebSocket', async (t) => {
  const { ws, peer } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws, { readableHighWaterMark: 100 });

  peer.sendMasked(2, Buffer.alloc(1000));
  await t.until(() => ws.isPaused);
  t.log(ws.isPaused, stream.readableLength);
  stream.read();
  await t.until(() => !ws.isPaused);
  t.log(ws.isPaused, stream.readableLength);
});

exchange('stream: backpressure of writes', async (t) => {
  const { ws, peer } = await t.pair();
  const stream = t.client.createWebSocketStream(ws);

  peer.pause();
  const chunk = Buffer.alloc(1024 * 1024);

  while (stream.write(chunk));
  t.log('full', stream.writableNeedDrain);
  peer.resume();
  await t.event(stream, 'drain');
  t.log('drained');
});

behaviour('stream: the callback of write has the error', async (t) => {
  const { ws } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws);

  stream.on('error', (err) => t.channel('error')(err));
  ws.close();
  stream.write('x', (err) => t.log('callback', err));
  await t.event(stream, 'error');
  await t.turns(2);
});

behaviour('stream: resume() without a reader, then close', async (t) => {
  const { ws, peer } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws);

  for (const event of ['end', 'finish', 'close']) stream.on(event, () => t.log(event));
  stream.resume();
  peer.sendMasked(1, 'x');
  peer.sendMasked(8, closing(1000));
  await t.event(stream, 'end');
  stream.end();
  await t.event(stream, 'close');
  t.log(stream.destroyed);
});

behaviour('stream: pipeline and finished', async (t) => {
  const { pipeline } = require('node:stream/promises');
  const { Readable } = require('node:stream');
  const { ws, peer } = await t.scripted();
  const stream = t.impl.createWebSocketStream(ws);
  const done = pipeline(Readable.from(['a', 'b', 'c']), stream).catch((err) => t.log('pipeline', err));

  stream.resume();
  t.log(await peer.describeFrames(4));
  peer.sendMasked(8, closing(1000));
  await done;
  t.log('pipeline is done');
});
