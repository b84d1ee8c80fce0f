'use strict';

const { behaviour, exchange } = require('./harness');
const { closing } = require('./peer');

behaviour('close: codes and reasons that are refused', async (t) => {
  for (const args of [
    [0], [999], [1004], [1005], [1006], [1015], [1016], [2999], [5000], [65536], [-1], [1000.5], ['1000'],
    [null], [NaN], [true], [{}], [1000, 'x'.repeat(124)], [1000, Buffer.alloc(124)], [1000, 'ü'.repeat(62)],
    [1000, 5], [1000, {}], [1000, true]
  ]) {
    const { ws } = await t.scripted();

    t.try(args.map(String).join().slice(0, 40), () => ws.close(...args));
    t.log(ws.readyState);
    ws.terminate();
  }
});

behaviour('close: codes and reasons that are sent', async (t) => {
  for (const args of [
    [], [undefined], [undefined, 'ignored'], [1000], [1001], [1002], [1003], [1007], [1008], [1009], [1010], [1011],
    [1012], [1013], [1014], [3000], [3999], [4000], [4999], [1000, ''], [1000, 'x'.repeat(123)], [1000, 'grüße'],
    [1000, Buffer.from('buffer')], [1000, undefined], [4000, new Uint8Array([104, 105])]
  ]) {
    const { ws, peer } = await t.scripted();

    t.try(args.map(String).join().slice(0, 40), () => ws.close(...args));
    t.log(await peer.describeFrames(1), ws.readyState);
    ws.terminate();
  }
});

behaviour('close: codes that are received are given and echoed', async (t) => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    const { ws, peer } = await t.scripted();

    t.observe(ws, `ws ${code}`);
    peer.sendMasked(8, closing(code, `reason ${code}`));
    t.log(await peer.describeFrames(), peer.ending);
    await t.until(() => ws.readyState === 3);
  }
});

behaviour('close: codes that are received and not allowed', async (t) => {
  for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    const { ws, peer } = await t.scripted();

    t.observe(ws, `ws ${code}`);
    peer.sendMasked(8, closing(code));
    t.log(code, await peer.describeFrames(), peer.ending);
    await t.until(() => ws.readyState === 3);
  }
});

behaviour('close: an empty close frame is 1005 and echoed empty', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(8);
  t.log(await peer.describeFrames(), peer.ending);
  await t.until(() => ws.readyState === 3);
});

behaviour('close: received by a client', async (t) => {
  for (const payload of ['', closing(1000), closing(1001, 'x'), closing(4000, 'y'.repeat(123))]) {
    const port = await t.rawWebSocketServer(async (peer) => {
      peer.send(8, payload);
      t.channel('server')(await peer.describeFrames(1));
      peer.end();
    });
    const ws = t.observe(t.connect(port), 'client');

    await t.event(ws, 'close');
  }
});

behaviour('close: a reason of 123 octets', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(8, closing(1000, 'r'.repeat(123)));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('close: a reason that is kept holds on to nothing else', async (t) => {
  const { ws, peer } = await t.scripted();

  peer.sendMasked(8, closing(1000, 'reason'));
  const [, reason] = await t.event(ws, 'close');

  t.log(reason, reason.buffer.byteLength);
});

behaviour('close: a reason that is no UTF-8', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(8, Buffer.concat([closing(1000), Buffer.from([0xc0, 0xaf])]));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('close: a payload of one octet', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(8, 'x');
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

exchange('close: the codes that both ends see', async (t) => {
  for (const [code, reason] of [[], [1000], [1001, 'a'], [4000, 'b'], [1011, '']]) {
    const { ws, peer } = await t.pair();

    t.observe(ws, 'client');
    t.observe(peer, 'server');
    ws.close(code, reason);
    await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
  }
});

exchange('close: begun by the server', async (t) => {
  for (const [code, reason] of [[], [1000], [1001, 'a'], [4000, 'b']]) {
    const { ws, peer } = await t.pair();

    t.observe(ws, 'client');
    t.observe(peer, 'server');
    peer.close(code, reason);
    await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
  }
});

exchange('close: by both ends at once', async (t) => {
  const { ws, peer } = await t.pair();

  t.observe(ws, 'client');
  t.observe(peer, 'server');
  ws.close(4000, 'client');
  peer.close(4001, 'server');
  await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
});

behaviour('close: what is sent before goes out before', async (t) => {
  const { ws, peer } = await t.scripted();

  for (let i = 0; i < 5; i++) ws.send(String(i));
  ws.ping('p');
  ws.close();
  t.log(await peer.describeFrames(7));
});

behaviour('close: data after the close frame of the peer is ignored', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.socket.cork();
  peer.sendMasked(8, closing(1000));
  peer.sendMasked(1, 'late');
  peer.sendMasked(3, 'wrong');
  peer.socket.uncork();
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('close: the server ends TCP after the handshake, a client waits', async (t) => {
  const port = await t.rawWebSocketServer(
    async (peer) => {
      const log = t.channel('server');

      peer.send(8, closing(1000));
      log(await peer.describeFrames(1));
      log(peer.ending);
      peer.end();
      log(await peer.ended());
    },
    [],
    { allowHalfOpen: true }
  );
  const ws = t.observe(t.connect(port), 'client');

  await t.event(ws, 'close');
});

behaviour('abnormal: the peer ends TCP without a close frame', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.end();
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: the peer resets', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.reset();
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: a reset after a close frame', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.sendMasked(8, closing(1000, 'x'));
  await peer.frames(1);
  peer.reset();
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: the end in the middle of a frame', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.end(Buffer.from([0x81, 0x85, 1, 2, 3, 4, 5]));
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: the end in the middle of a message', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.sendMasked(1, 'part', { fin: false });
  peer.end();
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: messages before the end are delivered', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.socket.cork();
  peer.sendMasked(1, 'a');
  peer.sendMasked(1, 'b');
  peer.end();
  peer.socket.uncork();
  await t.until(() => ws.readyState === 3);
});

behaviour('abnormal: a client whose server resets', async (t) => {
  const port = await t.rawWebSocketServer((peer) => {
    peer.send(1, 'x');
    setImmediate(() => peer.socket.once('drain', () => {}));
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'message');
  ws._socket.resetAndDestroy();
  await t.event(ws, 'close');
});

behaviour('abnormal: send to a peer that has ended', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.end();
  await t.event(ws, 'close');
  ws.send('x', (err) => t.log('callback', err));
  await t.turns(2);
});

behaviour('an error of the socket is no error of the WebSocket', async (t) => {
  const { ws } = await t.scripted();

  t.observe(ws);
  ws._socket.emit('error', new Error('mine'));
  t.log(ws.readyState, ws._socket.destroyed);
  await t.event(ws, 'close');
});

behaviour('a second error of the socket is not thrown', async (t) => {
  const { ws } = await t.scripted();

  t.observe(ws);
  const socket = ws._socket;

  t.try('first', () => socket.emit('error', new Error('first')));
  t.try('second', () => socket.emit('error', new Error('second')));
  await t.event(ws, 'close');
  t.try('third', () => socket.emit('error', new Error('third')));
});

behaviour('destroying the socket with an error', async (t) => {
  const { ws } = await t.scripted();

  t.observe(ws);
  ws._socket.destroy(new Error('mine'));
  await t.event(ws, 'close');
});

behaviour('ending the socket by hand', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  ws._socket.end();
  t.channel('peer')(await peer.ended());
  await t.until(() => ws.readyState === 3);
});

behaviour('half-open: the peer has ended but reads on; what waits is sent first', async (t) => {
  const wss = await t.serve();
  const connection = t.event(wss, 'connection');
  const peer = await t.rawClient(wss.port, {}, { allowHalfOpen: true });
  const [ws] = await connection;

  t.observe(t.adopt(ws), 'ws');
  ws.send('a');
  peer.socket.end();
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

exchange('half-open: allowHalfOpen of a client', async (t) => {
  const net = require('node:net');
  const wss = await t.serve();
  const connection = t.event(wss, 'connection');
  const ws = t.connect(wss.port, {
    createConnection: (options) => net.connect({ ...options, path: undefined, allowHalfOpen: true })
  });
  const [peer] = await connection;

  t.observe(ws, 'client');
  t.observe(t.adopt(peer), 'server');
  await t.event(ws, 'open');
  peer.send('last');
  peer._socket.end();
  await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
});

exchange('terminate: the other end sees 1006', async (t) => {
  const { ws, peer } = await t.pair();

  t.observe(ws, 'client');
  t.observe(peer, 'server');
  ws.terminate();
  t.log(ws.readyState);
  await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
});

behaviour('terminate: the close event is asynchronous', async (t) => {
  const { ws } = await t.scripted();

  ws.on('close', () => t.log('close'));
  ws.terminate();
  t.log('after terminate', ws.readyState);
  ws.terminate();
  process.nextTick(() => t.log('tick', ws.readyState));
  await t.event(ws, 'close');
});

for (const asks of [false, true]) {
  behaviour(`terminate: what ends, and when, if nothing was received${asks ? ', seen from the receiver' : ''}`, async (t) => {
    const { ws } = await t.scripted();
    const tell = (name) => {
      if (asks) t.log(name, ws._receiver.writableEnded, ['message', 'drain'].map((event) => ws._receiver.listenerCount(event)));
      else t.log(name);
    };

    ws._socket.on('close', () => {
      tell('socket');
      process.nextTick(tell, 'tick of the socket');
    });
    ws.on('close', () => {
      tell('close');
      process.nextTick(tell, 'tick of close');
    });
    t.observe(ws, 'ws');
    ws.terminate();
    await t.event(ws, 'close');
    await new Promise(setImmediate);
  });
}

behaviour('terminate: what is seen of the receiver afterwards', async (t) => {
  const { ws } = await t.scripted();

  ws.terminate();
  await t.event(ws, 'close');
  await new Promise(setImmediate);
  t.log(ws._receiver.writableEnded, ws._receiver.eventNames().length, ws._receiver === ws._receiver);
});

behaviour('receiving: what is set between opening and the first message', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.binaryType = 'arraybuffer';
  ws.pause();
  t.observe(ws, 'ws');
  peer.sendMasked(2, Buffer.from('first'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  ws.resume();
  await t.event(ws, 'message');
  ws.terminate();
});

behaviour('terminate: a first message that nobody has read', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  ws.pause();
  peer.sendMasked(1, Buffer.from('unread'));
  await t.until(() => ws._socket.readableLength > 0);
  ws.terminate();
  await t.event(ws, 'close');
});

behaviour('terminate: what was sent in the same tick reaches the socket', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.send('first', (err) => t.channel('callback')(err));
  ws.terminate();
  t.log(await peer.describeFrames());
});

behaviour('an error comes once, then close', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.socket.cork();
  peer.sendMasked(3, 'a');
  peer.sendMasked(4, 'b');
  peer.socket.uncork();
  t.channel('peer')(await peer.describeFrames(), peer.ending);
  await t.until(() => ws.readyState === 3);
});

behaviour('after a protocol error of a client the code is 1006', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    peer.send(3, 'a');
    t.channel('server')(await peer.describeFrames());
    peer.end();
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('state in the error listener of a protocol error', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.on('error', () => {
    t.log(ws.readyState);
    t.try('close', () => ws.close(4000, 'mine'));
    t.try('send', () => ws.send('x', (err) => t.log(err)));
  });
  peer.sendMasked(3, 'a');
  t.channel('peer')(await peer.describeFrames());
});

behaviour('terminate in the error listener of a protocol error', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  ws.on('error', () => ws.terminate());
  peer.sendMasked(3, 'a');
  await t.event(ws, 'close');
});

behaviour('an exception in the close listener of a client', async (t) => {
  const { ws } = await t.scripted();
  const caught = t.event(process, 'uncaughtException');
  const listeners = process.listeners('uncaughtException');

  for (const l of listeners.slice(0, -1)) process.removeListener('uncaughtException', l);
  t.after(() => {
    for (const l of listeners.slice(0, -1)) process.on('uncaughtException', l);
  });
  ws.on('close', () => {
    throw new Error('mine');
  });
  ws.terminate();
  t.log((await caught)[0], ws.readyState);
});
