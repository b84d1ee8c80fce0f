'use strict';

const { behaviour, exchange } = require('./harness');
const { closing } = require('./peer');

exchange('send: every kind of data', async (t) => {
  const { ws, peer } = await t.pair();
  const done = t.event(peer, 'pong');

  peer.on('message', (data, isBinary) => t.log(data, isBinary));
  for (const data of [
    'text', '', 'grüße €😀', '\ud800', Buffer.from('buffer'), Buffer.alloc(0), new Uint8Array([1, 2, 3]),
    new Uint16Array([1, 2]), new Float32Array([0.5]), new DataView(new ArrayBuffer(4)), new ArrayBuffer(3),
    new Uint8Array([1, 2, 3, 4]).subarray(1, 3), [1, 2, 3], [], 0, 1, -1.5, NaN, undefined, null, false,
    { length: 2, 0: 65, 1: 66 }, new String('object'), new Blob(['blob']), new Blob([]), new File(['f'], 'n')
  ]) {
    t.try('send', () => ws.send(data));
  }
  ws.ping();
  ws.pong();
  await done;
});

behaviour('send: what cannot be sent', async (t) => {
  const { ws } = await t.scripted();

  for (const data of [true, {}, new Date(0), Symbol('x'), 10n, () => {}, new Map()]) {
    t.try(String(data), () => ws.send(data));
  }
});

exchange('send: the option binary', async (t) => {
  const { ws, peer } = await t.pair();
  const done = t.event(peer, 'pong');

  peer.on('message', (data, isBinary) => t.log(data, isBinary));
  ws.send('text', { binary: true });
  ws.send(Buffer.from('buffer'), { binary: false });
  ws.send('text', { binary: undefined });
  ws.send([104, 105], { binary: false });
  ws.send('text', {});
  ws.send('text', undefined);
  ws.send('text', null);
  ws.pong();
  await done;
});

behaviour('send: the option mask', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.send('x', { mask: true });
  ws.ping('p', true);
  ws.pong('q', true);
  ws.send('y', { mask: false });
  t.log(await peer.describeFrames(4));
});

behaviour('send: mask: false of a client', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    t.log(await peer.describeFrames(4));
    peer.end();
  });
  const ws = t.connect(port);

  await t.event(ws, 'open');
  ws.send('x', { mask: false });
  ws.ping('p', false);
  ws.pong('q', false);
  ws.send('r');
  await t.event(ws, 'close');
});

behaviour('send: fragments', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.send('one', { fin: false });
  ws.send('two', { fin: false, binary: true });
  ws.ping('between');
  ws.send('three', { fin: true });
  ws.send(Buffer.from('four'), { fin: false });
  ws.send('', { fin: true });
  ws.send('five');
  t.log(await peer.describeFrames(7));
});

exchange('send: fragments arrive as one message', async (t) => {
  const { ws, peer } = await t.pair();
  const message = t.event(peer, 'message');

  ws.send('one ', { fin: false });
  ws.send('two ', { fin: false });
  ws.send('three', { fin: true });
  t.log(await message);
});

exchange('send: fragments with compression', async (t) => {
  const { ws, peer } = await t.pair({ perMessageDeflate: { threshold: 0 } }, { perMessageDeflate: { threshold: 0 } });
  const done = t.event(peer, 'pong');

  peer.on('message', (data, isBinary) => t.log(data, isBinary));
  for (let i = 0; i < 3; i++) {
    ws.send('one ', { fin: false });
    ws.send('two '.repeat(500), { fin: false });
    ws.send('', { fin: false });
    ws.send('three', { fin: true });
    ws.send('');
  }
  ws.pong();
  await done;
});

behaviour('send: lengths at the boundaries, on the wire', async (t) => {
  const { ws, peer } = await t.scripted();

  for (const length of [0, 1, 125, 126, 127, 65535, 65536, 70000]) ws.send(Buffer.alloc(length, 7));
  for (const received of await peer.frames(8)) t.log(received.size - received.payload.length, String(received));
});

behaviour('send: lengths at the boundaries, of a client', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    for (const received of await peer.frames(8)) t.log(received.size - received.payload.length, String(received));
    peer.end();
  });
  const ws = t.connect(port);

  await t.event(ws, 'open');
  for (const length of [0, 1, 125, 126, 127, 65535, 65536, 70000]) ws.send(Buffer.alloc(length, 7));
  await t.event(ws, 'close');
});

behaviour('send: the buffer of the caller is not changed', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    await peer.frames(6);
    peer.end();
  });
  const ws = t.connect(port);

  await t.event(ws, 'open');
  for (const length of [5, 200, 70000]) {
    const buffer = Buffer.alloc(length, 9);
    const array = new Uint8Array(length).fill(9);

    ws.send(buffer);
    ws.send(array);
    t.log(buffer.every((octet) => octet === 9), array.every((octet) => octet === 9));
  }
  await t.event(ws, 'close');
});

behaviour('send: masking keys differ', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    const keys = new Set((await peer.frames(20)).map((f) => f.key.toString('hex')));

    t.log(keys.size >= 19);
    peer.end();
  });
  const ws = t.connect(port);

  await t.event(ws, 'open');
  for (let i = 0; i < 20; i++) ws.send('x');
  await t.event(ws, 'close');
});

exchange('ping and pong: every kind of payload', async (t) => {
  const { ws, peer } = await t.pair({ autoPong: false }, { autoPong: false });
  const done = t.event(peer, 'message');

  peer.on('ping', (data) => t.log('ping', data));
  peer.on('pong', (data) => t.log('pong', data));
  for (const name of ['ping', 'pong']) {
    for (const args of [
      [], ['text'], [5], [0], [Buffer.from('b')], [new Uint8Array([1])], [new ArrayBuffer(2)], [[1, 2]], [null],
      ['masked?', undefined], [''], ['x'.repeat(125)], [undefined, undefined, () => {}], [new Blob(['blob'])]
    ]) {
      t.try(name, () => ws[name](...args));
    }
  }
  ws.send('end');
  await done;
});

behaviour('ping and pong: payloads that are too long', async (t) => {
  const { ws } = await t.scripted();

  for (const name of ['ping', 'pong']) {
    for (const data of ['x'.repeat(126), Buffer.alloc(126), 'ü'.repeat(63), new ArrayBuffer(126)]) {
      t.try(name, () => ws[name](data));
    }
  }
  t.log(ws.readyState);
});

behaviour('ping and pong: where the callback may stand', async (t) => {
  const { ws, peer } = await t.scripted();

  for (const name of ['ping', 'pong']) {
    await new Promise((resolve) => ws[name]((...args) => resolve(t.log(name, 1, t.given(args)))));
    await new Promise((resolve) => ws[name]('x', (...args) => resolve(t.log(name, 2, t.given(args)))));
    await new Promise((resolve) => ws[name]('x', false, (...args) => resolve(t.log(name, 3, t.given(args)))));
  }
  t.log(await peer.describeFrames(6));
});

exchange('send: the callback is called without an error, in order', async (t) => {
  const { ws } = await t.pair();

  await new Promise((resolve) => {
    ws.send('a', (...args) => t.log('a', t.given(args)));
    ws.ping('b', undefined, (...args) => t.log('b', t.given(args)));
    ws.send('c', {}, (...args) => t.log('c', t.given(args)));
    ws.send(Buffer.alloc(200000), {}, (...args) => t.log('d', t.given(args)));
    ws.pong('e', undefined, (...args) => t.log('e', t.given(args)));
    ws.send('f', (...args) => resolve(t.log('f', t.given(args))));
    t.log('synchronous end');
  });
});

behaviour('send: the callback comes after the tick', async (t) => {
  const { ws } = await t.scripted();

  await new Promise((resolve) => {
    ws.send('a', () => {
      t.log('callback');
      resolve();
    });
    t.log('synchronous end');
    Promise.resolve().then(() => t.channel('microtask')('microtask'));
  });
});

behaviour('send: callbacks of what is pending when the socket is destroyed', async (t) => {
  const { ws, peer } = await t.scripted();

  peer.socket.pause();
  const big = Buffer.alloc(8 * 1024 * 1024);

  await new Promise((resolve) => {
    ws.send(big, (err) => t.log('first', err && err.code));
    ws.send(big, (err) => t.log('second', err && err.code));
    ws.on('close', () => {
      t.channel('close')('close');
      setImmediate(resolve);
    });
    ws.terminate();
  });
});

behaviour('send: with compression, callbacks when the socket is destroyed', async (t) => {
  const { ws } = await t.scripted({ perMessageDeflate: { threshold: 0 } }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  let left = 2;

  await new Promise((resolve) => {
    const done = () => --left === 0 && resolve();

    ws.send(Buffer.alloc(300000), (err) => done(t.log('first', err)));
    ws.send('small', (err) => done(t.log('second', err)));
    ws.terminate();
  });
});

behaviour('send: a Blob while the socket is destroyed', async (t) => {
  const { ws } = await t.scripted();
  let left = 2;

  await new Promise((resolve) => {
    const done = () => --left === 0 && resolve();

    ws.send(new Blob(['x'.repeat(1000)]), (err) => done(t.log('first', err)));
    ws.send('small', (err) => done(t.log('second', err)));
    ws.terminate();
  });
});

behaviour('send: a Blob that cannot be read', async (t) => {
  const { ws, peer } = await t.scripted();
  const blob = new Blob(['x']);

  blob.arrayBuffer = () => Promise.reject(new Error('cannot be read'));
  t.observe(ws);
  ws.send(blob, (err) => t.channel('callback')(err));
  ws.send('after', (err) => t.channel('callback')('after', err));
  t.channel('peer')(await peer.describeFrames());
  peer.end();
  await t.until(() => ws.readyState === 3);
});

behaviour('send: a Blob that cannot be read, and a peer that does not end: cut after closeTimeout', async (t) => {
  const wss = await t.serve({ closeTimeout: 20 });
  const connection = t.event(wss, 'connection');
  const peer = await t.rawClient(wss.port, {}, { allowHalfOpen: true });
  const ws = t.observe(t.adopt((await connection)[0]));
  const blob = new Blob(['x']);

  blob.arrayBuffer = () => Promise.reject(new Error('cannot be read'));
  ws.send(blob);
  await t.event(ws, 'close');
  t.channel('peer')(await peer.describeFrames());
});

exchange('send: Blobs keep their place among other messages', async (t) => {
  const { ws, peer } = await t.pair();
  const done = t.event(peer, 'pong');

  peer.on('message', (data, isBinary) => t.log(data, isBinary));
  peer.on('ping', (data) => t.log('ping', data));
  ws.send('1');
  ws.send(new Blob(['2']));
  ws.send('3');
  ws.ping('4');
  ws.send(new Blob(['5']), { binary: false });
  ws.send('6');
  ws.pong();
  await done;
});

exchange('send: order with compression, pings and close', async (t) => {
  const { ws, peer } = await t.pair({ perMessageDeflate: { threshold: 0 } }, { perMessageDeflate: { threshold: 0 } });

  t.observe(peer, 'server');
  ws.send('x'.repeat(20000));
  ws.ping('ping');
  ws.send('small');
  ws.send('not compressed', { compress: false });
  ws.send(new Blob(['blob']));
  ws.send('y'.repeat(100000));
  ws.close(1000, 'end');
  await t.event(peer, 'close');
});

behaviour('bufferedAmount: over time', async (t) => {
  const { ws, peer } = await t.scripted();

  t.log(ws.bufferedAmount);
  await new Promise((resolve) => {
    ws.send('abc', () => {
      t.log('in the callback', ws.bufferedAmount);
      resolve();
    });
  });
  peer.socket.pause();
  const big = Buffer.alloc(16 * 1024 * 1024);

  ws.send(big);
  t.log('more than the kernel takes', ws.bufferedAmount > 0);
  const before = ws.bufferedAmount;

  ws.send('abc');
  t.log(ws.bufferedAmount - before);
  ws.send(Buffer.alloc(1000));
  t.log(ws.bufferedAmount - before);
  ws.ping('abcd');
  t.log(ws.bufferedAmount - before);
});

behaviour('bufferedAmount: it is 0 again within the tick', async (t) => {
  const { ws, peer } = await t.scripted();
  let skipped = 0;

  for (let i = 0; i < 10; i++) {
    if (ws.bufferedAmount > 0) skipped++;
    else ws.send(`message ${i}`);
  }
  t.log(skipped, await peer.describeFrames(10 - skipped));
});

for (const name of ['bufferedAmount', 'writableLength']) {
  behaviour(`${name}: what the kernel does not take, of one tick`, async (t) => {
    const { ws, peer, req } = await t.scripted();
    const { socket } = req;
    const told = () => (name === 'bufferedAmount' ? ws.bufferedAmount : socket.writableLength);

    peer.socket.pause();
    for (let i = 0; i < 400; i++) ws.send(Buffer.alloc(65536));
    // Behind a write that is under way, nothing but a turn of the loop makes it less.
    const before = told();
    for (let i = 0; i < 5; i++) {
      ws.send(Buffer.alloc(1000));
      t.log(before > 0, told() - before);
    }
    peer.socket.destroy();
  });
}

behaviour('bufferedAmount: data that waits for compression counts', async (t) => {
  const { ws } = await t.scripted({ perMessageDeflate: { threshold: 0 } }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });

  ws.send(Buffer.alloc(100000));
  t.log(ws.bufferedAmount);
  ws.send('abc');
  t.log(ws.bufferedAmount);
  await new Promise((resolve) => ws.send('last', resolve));
  t.log(ws.bufferedAmount);
});

behaviour('bufferedAmount: a Blob counts while it is read', async (t) => {
  const { ws } = await t.scripted();

  ws.send(new Blob(['x'.repeat(1000)]));
  t.log(ws.bufferedAmount);
  await new Promise((resolve) => ws.send('x', resolve));
  t.log(ws.bufferedAmount);
});

behaviour('many small messages of one tick, on the wire', async (t) => {
  const { ws, peer } = await t.scripted();

  for (let i = 0; i < 300; i++) ws.send(`message ${i}`);
  const frames = await peer.frames(300);

  t.log(frames.length, frames.every((f, i) => f.payload.toString() === `message ${i}`));
});

behaviour('what was sent leaves when the process exits by itself', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.send('a');
  ws._socket.end();
  t.log(await peer.describeFrames());
});

behaviour('writes through _socket keep their place', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.send('1');
  ws.send('2');
  ws._socket.write(Buffer.from([0x81, 1, 0x33]));
  ws.send('4');
  ws._socket.write(Buffer.from([0x81, 1, 0x35]));
  ws.close();
  t.log(await peer.describeFrames(6));
});

behaviour('after close() the frame is on its way in the same tick', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.close(1000, 'x');
  ws._socket.destroySoon();
  t.log(await peer.describeFrames(), closing(1000, 'x').length);
});

for (const how of ['end', 'destroySoon', 'destroy']) {
  behaviour(`what was sent in the same tick leaves before ${how}() of the socket, which is not asked of the WebSocket`, async (t) => {
    const { ws, peer, req } = await t.scripted();

    t.observe(ws, 'ws');
    ws.send('1');
    ws.send('2');
    ws.ping('3');
    req.socket[how]();
    t.log(await peer.describeFrames());
    await t.until(() => ws.readyState === 3);
  });
}

behaviour('writes to the socket that is not asked of the WebSocket keep their place', async (t) => {
  const { ws, peer, req } = await t.scripted();

  ws.send('1');
  ws.send('2');
  req.socket.write(Buffer.from([0x81, 1, 0x33]));
  ws.send('4');
  req.socket.write(Buffer.from([0x81, 1, 0x35]));
  ws.close();
  t.log(await peer.describeFrames(6));
});

behaviour('a method that somebody has put on the socket before the upgrade stays in use', async (t) => {
  let octets = 0;
  const { ws, peer } = await t.scripted({
    verifyClient({ req: { socket } }) {
      const { write } = socket;

      socket.write = function (chunk, ...args) {
        octets += chunk.length;
        return write.call(this, chunk, ...args);
      };
      return true;
    }
  });

  octets = 0;
  for (const text of ['a', 'b', 'c']) ws.send(text);
  t.log(await peer.describeFrames(3), octets);
});

behaviour('a frame made by Sender.frame is sent with sendFrame, in order', async (t) => {
  const { ws, peer } = await t.scripted();
  const frame = (text) => t.impl.Sender.frame(Buffer.from(text), { readOnly: false, mask: false, rsv1: false, opcode: 1, fin: true });

  ws.send('1');
  ws._sender.sendFrame(frame('2'), (err) => t.log('callback', err));
  ws.send('3');
  ws._sender.sendFrame(frame('4'));
  ws.close();
  t.log(await peer.describeFrames(5));
});

behaviour('AsyncLocalStorage: callbacks of send run in the context of their send', async (t) => {
  const { AsyncLocalStorage } = require('node:async_hooks');
  const storage = new AsyncLocalStorage();
  const { ws } = await t.scripted();

  await new Promise((resolve) => {
    let left = 4;

    for (let i = 0; i < 4; i++) {
      storage.run(i, () => {
        ws.send(`message ${i}`, () => {
          t.log(i, storage.getStore());
          if (--left === 0) resolve();
        });
      });
    }
  });
});

behaviour('AsyncLocalStorage: the context of the connection in its listeners', async (t) => {
  const { AsyncLocalStorage } = require('node:async_hooks');
  const storage = new AsyncLocalStorage();
  const wss = await t.serve();
  const ws = storage.run('client', () => t.connect(wss.port));
  const [peer] = await t.event(wss, 'connection');

  peer.send('x');
  peer.ping('y');
  peer.close();
  for (const name of ['open', 'message', 'ping', 'close']) ws.on(name, () => t.log(name, storage.getStore()));
  await t.event(ws, 'close');
});

behaviour('an exception in the callback of send does not hinder the others', async (t) => {
  const { ws } = await t.scripted();
  const listeners = process.listeners('uncaughtException');

  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (err) => t.log('uncaught', err));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  await new Promise((resolve) => {
    ws.send('a', () => {
      throw new Error('a');
    });
    ws.send('b', () => {
      throw new Error('b');
    });
    ws.send('c', () => {
      t.log('c');
      resolve();
    });
  });
});

behaviour('what the socket tells of what is sent in one tick', async (t) => {
  const { ws, req } = await t.scripted();
  const before = req.socket.bytesWritten;

  for (let i = 0; i < 3; i++) {
    ws.send('message');
    t.log(req.socket.bytesWritten - before);
  }
  // Whichever of them is asked.
  for (let i = 0; i < 3; i++) {
    ws.send('message');
    t.log(req.socket.writableLength, ws._socket.writableLength, ws.bufferedAmount);
  }
  process.nextTick(() => t.log('next tick', req.socket.bytesWritten - before));
  await t.turns(1);
});
