'use strict';

const EventEmitter = require('node:events');

const { behaviour, exchange } = require('./harness');
const { closing, frame } = require('./peer');

exchange('the events of a client come in order, with state', async (t) => {
  const wss = await t.serve({}, (peer) => {
    peer.on('message', (data) => peer.send(`echo ${data}`));
  });
  const ws = t.observe(t.connect(wss.port), 'client');

  ws.on('open', () => ws.send('x'));
  ws.on('message', () => ws.close(1000, 'done'));
  t.log('constructed', ws.readyState);
  await t.event(ws, 'close');
});

exchange('the events of a server socket come in order, with state', async (t) => {
  const { ws, peer } = await t.pair();

  t.observe(peer, 'server');
  ws.ping('a');
  ws.send('text');
  ws.send(Buffer.from([1, 2, 3]));
  ws.pong('b');
  ws.send('');
  ws.close(4000, 'bye');
  await t.event(peer, 'close');
});

behaviour('the events of a server come in order', async (t) => {
  const wss = new t.server.WebSocketServer({ port: 0, host: '127.0.0.1' });

  t.track(wss);
  wss.on('listening', function () {
    t.log('listening', this === wss, arguments.length);
  });
  wss.on('headers', function (headers, req) {
    t.log('headers', this === wss, Array.isArray(headers), req, arguments.length);
  });
  wss.on('connection', function (ws, req) {
    t.log('connection', this === wss, ws, req, ws.readyState, arguments.length);
  });
  wss.on('close', function () {
    t.log('close', this === wss, arguments.length);
  });
  await t.event(wss, 'listening');
  const ws = t.connect(wss.address().port);

  await t.event(ws, 'open');
  ws.close();
  await t.event(ws, 'close');
  wss.close();
  await t.event(wss, 'close');
});

exchange('`this` in every listener is the WebSocket', async (t) => {
  const { ws, peer } = await t.pair();
  const log = t.channel('peer');

  for (const name of ['message', 'ping', 'pong', 'close']) {
    peer.on(name, function (...args) {
      log(name, this === peer, args.length);
    });
  }
  ws.send('x');
  ws.ping();
  ws.pong();
  ws.close();
  await t.event(peer, 'close');
});

behaviour('`this` in upgrade, open and error listeners is the WebSocket', async (t) => {
  const port = await t.rawWebSocketServer((peer) => peer.send(3, 'x'));
  const ws = t.connect(port);

  for (const name of ['upgrade', 'open', 'error', 'close']) {
    ws.on(name, function (...args) {
      t.log(name, this === ws, args.length, args[0]);
    });
  }
  await t.event(ws, 'close');
});

behaviour('several listeners, and such that go away, get messages as an emitter gives them', async (t) => {
  const { ws, peer } = await t.pair();
  const log = t.channel('peer');
  const leaving = (data) => {
    log('leaving', String(data));
    peer.removeListener('message', leaving);
    peer.on('message', (later) => log('later', String(later)));
  };
  peer.once('message', (data) => log('once', String(data)));
  peer.on('message', leaving);
  for (const text of ['a', 'b', 'c']) {
    ws.send(text);
    await t.event(peer, 'message');
  }
  peer.removeAllListeners('message');
  peer.onmessage = ({ data }) => log('onmessage', data);
  ws.send('d');
  await t.event(peer, 'message');
});

behaviour('an `emit` of somebody else is called for messages', async (t) => {
  const { ws, peer } = await t.pair();
  const log = t.channel('peer');
  let come;
  peer.on('message', (data, isBinary) => {
    log('listener', String(data), isBinary);
    come();
  });
  const see = (where, emit) =>
    function (...args) {
      if (this === peer && args[0] === 'message') log(where, args.length);
      return emit.apply(this, args);
    };
  const send = (text) => {
    ws.send(text);
    return new Promise((resolve) => (come = resolve));
  };

  await send('a');
  const { emit } = EventEmitter.prototype;
  EventEmitter.prototype.emit = see('prototype', emit);
  await send('b');
  EventEmitter.prototype.emit = emit;
  await send('c');
  peer.emit = see('own', peer.emit);
  await send('d');
});

behaviour('a promise that a listener returns is looked after where that is asked for', async (t) => {
  EventEmitter.captureRejections = true;
  const { ws, peer } = await t.pair();
  EventEmitter.captureRejections = false;
  const failed = t.event(peer, 'error');

  peer.on('message', async () => {
    throw new Error('of the listener');
  });
  ws.send('x');
  t.log(await failed);
});

exchange('a text message is given as a Buffer, not binary', async (t) => {
  const { ws, peer } = await t.pair();
  const received = t.event(peer, 'message');

  ws.send('grüße');
  const args = await received;

  t.log(args, args.length, Buffer.isBuffer(args[0]));
});

exchange('an empty text message is an empty Buffer', async (t) => {
  const { ws, peer } = await t.pair();
  const received = t.event(peer, 'message');

  ws.send('');
  t.log(await received);
});

exchange('an empty binary message is an empty Buffer, binary', async (t) => {
  const { ws, peer } = await t.pair();
  const received = t.event(peer, 'message');

  ws.send(Buffer.alloc(0));
  t.log(await received);
});

exchange('ping and pong carry their payload', async (t) => {
  const { ws, peer } = await t.pair();
  const ping = t.event(peer, 'ping');
  const pong = t.event(ws, 'pong');

  ws.ping('payload');
  t.log('ping', await ping);
  t.log('pong', await pong);
});

exchange('a ping without payload is an empty Buffer', async (t) => {
  const { ws, peer } = await t.pair();
  const ping = t.event(peer, 'ping');
  const pong = t.event(ws, 'pong');

  ws.ping();
  t.log('ping', await ping);
  t.log('pong', await pong);
});

behaviour('the pong is written before the ping listener runs', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.on('ping', () => ws.send('from the listener'));
  peer.sendMasked(9, 'p');
  t.log(await peer.describeFrames(2));
});

behaviour('messages of one segment come in order, pings among them', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.write(
    Buffer.concat([
      frame(1, 'a', { mask: true }),
      frame(9, 'b', { mask: true }),
      frame(2, 'c', { mask: true }),
      frame(10, 'd', { mask: true }),
      frame(8, closing(1000, 'e'), { mask: true })
    ])
  );
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('messages that come with the 101 follow open', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head().then((head) => {
      peer.key = /sec-websocket-key: (.*)/i.exec(head)[1];
    });
    peer.write(
      Buffer.concat([
        Buffer.from(peer.acceptance()),
        frame(1, 'early'),
        frame(9, 'bird'),
        frame(8, closing(1001, 'worm'))
      ])
    );
    t.channel('sent')(await peer.describeFrames());
    peer.end();
  });
  const ws = t.observe(t.connect(port), 'client');

  await t.event(ws, 'close');
});

behaviour('messages that come with the request follow connection', async (t) => {
  const wss = await t.serve({}, (ws) => t.observe(ws, 'server'));
  const peer = await t.rawSocket(wss.port);

  peer.socket.cork();
  peer.request();
  peer.sendMasked(1, 'with the request');
  peer.sendMasked(8, closing(1000));
  peer.socket.uncork();
  await peer.head();
  t.log(await peer.describeFrames());
});

behaviour('a listener that is added late in the tick of connection gets the message', async (t) => {
  const wss = await t.serve({}, (ws) => {
    process.nextTick(() => ws.on('message', (data) => t.log('message', data)));
  });
  const peer = await t.rawSocket(wss.port);

  peer.socket.cork();
  peer.request();
  peer.sendMasked(1, 'with the request');
  peer.sendMasked(8, closing(1000));
  peer.socket.uncork();
  await peer.head();
  t.log(await peer.describeFrames());
});

behaviour('microtasks between messages of one segment', async (t) => {
  const { ws, peer } = await t.scripted();
  const done = t.event(ws, 'pong');

  ws.on('message', (data) => {
    t.log('message', data);
    Promise.resolve().then(() => t.log('microtask of', data));
    process.nextTick(() => t.log('tick of', data));
  });
  peer.write(
    Buffer.concat([
      frame(1, 'a', { mask: true }),
      frame(1, 'b', { mask: true }),
      frame(10, '', { mask: true })
    ])
  );
  await done;
});

behaviour('allowSynchronousEvents: false gives each message a turn of its own', async (t) => {
  const { ws, peer } = await t.scripted({ allowSynchronousEvents: false });
  const done = t.event(ws, 'pong');

  ws.on('message', (data) => {
    t.log('message', data);
    Promise.resolve().then(() => t.log('microtask of', data));
    process.nextTick(() => t.log('tick of', data));
  });
  ws.on('ping', (data) => {
    t.log('ping', data);
    Promise.resolve().then(() => t.log('microtask of', data));
  });
  peer.write(
    Buffer.concat([
      frame(1, 'a', { mask: true }),
      frame(2, 'b', { mask: true }),
      frame(9, 'c', { mask: true }),
      frame(1, 'd', { mask: true }),
      frame(10, '', { mask: true })
    ])
  );
  await done;
});

behaviour('allowSynchronousEvents: false on a client', async (t) => {
  const port = await t.rawWebSocketServer((peer) => {
    peer.write(Buffer.concat([frame(1, 'a'), frame(9, 'b'), frame(1, 'c')]));
    peer.send(8, closing(1000));
  });
  const ws = t.connect(port, { allowSynchronousEvents: false });

  for (const name of ['open', 'message', 'ping', 'close']) {
    ws.on(name, (data) => {
      t.log(name, data);
      Promise.resolve().then(() => t.log('microtask of', name, data));
    });
  }
  await t.event(ws, 'close');
});

behaviour('open is asynchronous for a client: microtasks of open come before messages', async (t) => {
  const port = await t.rawServer(async (peer) => {
    peer.key = /sec-websocket-key: (.*)/i.exec(await peer.head())[1];
    peer.write(Buffer.concat([Buffer.from(peer.acceptance()), frame(1, 'x')]));
  });
  const ws = t.connect(port);

  ws.on('open', () => {
    t.log('open');
    process.nextTick(() => t.log('tick of open'));
    Promise.resolve().then(() => t.log('microtask of open'));
  });
  const [data] = await t.event(ws, 'message');

  t.log('message', data);
});

behaviour('an exception in a message listener reaches uncaughtException; the connection goes on', async (t) => {
  const { ws, peer } = await t.scripted();
  const listeners = process.listeners('uncaughtException');

  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (err) => t.log('uncaught', err));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  ws.once('message', () => {
    throw new Error('from the listener');
  });
  peer.sendMasked(1, 'a');
  await t.until(() => ws.listenerCount('message') === 0);
  await t.turns(3);
  t.log('state', ws.readyState);
});

behaviour('an error without a listener is thrown', async (t) => {
  const { ws, peer } = await t.scripted();
  const listeners = process.listeners('uncaughtException');

  process.removeAllListeners('uncaughtException');
  const caught = t.event(process, 'uncaughtException');

  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  ws.on('close', (code) => t.log('close', code));
  peer.sendMasked(3, 'a');
  t.log('uncaught', (await caught)[0]);
});

exchange('send in the open listener arrives first', async (t) => {
  const wss = await t.serve({}, (peer) => t.observe(peer, 'server'));
  const ws = t.connect(wss.port);

  ws.on('open', () => {
    ws.send('1');
    ws.send('2', () => ws.send('4', () => ws.close()));
    ws.send('3');
  });
  await t.event(ws, 'close');
  await t.turns(2);
});

exchange('send in the connection listener arrives after open', async (t) => {
  const wss = await t.serve({}, (peer) => {
    peer.send('hello');
    peer.ping('p');
    peer.close(1001, 'away');
  });
  const ws = t.observe(t.connect(wss.port), 'client');

  await t.event(ws, 'close');
});

behaviour('the connection listener runs before any message, in the tick of the upgrade', async (t) => {
  const wss = await t.serve({}, (ws, req) => {
    t.log('connection', ws.readyState, wss.clients.has(ws), req.method, req.url);
    ws.on('open', () => t.log('open'));
  });
  const peer = await t.rawClient(wss.port);

  t.log(peer.response.split('\r\n')[0]);
  await t.turns(2);
});

behaviour('a listener removed in its own call is called once', async (t) => {
  const { ws, peer } = await t.scripted();

  function once(data) {
    t.log('first', data);
    ws.removeListener('message', once);
  }
  ws.on('message', once);
  ws.on('message', (data) => t.log('second', data));
  peer.sendMasked(1, 'a');
  peer.sendMasked(1, 'b');
  const end = t.event(ws, 'pong');

  peer.sendMasked(10, '');
  await end;
});

behaviour('newListener and removeListener events show wrapped listeners', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});

  ws.on('newListener', (name, listener) => t.log('new', name, typeof listener));
  ws.on('removeListener', (name, listener) => t.log('removed', name, typeof listener));
  const handler = () => {};

  ws.addEventListener('message', handler);
  ws.removeEventListener('message', handler);
  ws.onopen = handler;
  ws.onopen = null;
  t.log(ws.eventNames());
});

behaviour('events.once and an AbortSignal work', async (t) => {
  const { once } = require('node:events');
  const { ws, peer } = await t.scripted();
  const controller = new AbortController();
  const waiting = once(ws, 'message', { signal: controller.signal });

  controller.abort();
  await waiting.catch((err) => t.log(err.name));
  const message = once(ws, 'message');

  peer.sendMasked(1, 'x');
  t.log(await message);
});

exchange('events.on iterates over messages', async (t) => {
  const { on } = require('node:events');
  const { ws, peer } = await t.pair();

  setImmediate(() => {
    ws.send('1');
    ws.send('2');
    ws.send('3');
  });
  let count = 0;

  for await (const [data, isBinary] of on(peer, 'message')) {
    t.log(data, isBinary);
    if (++count === 3) break;
  }
});
