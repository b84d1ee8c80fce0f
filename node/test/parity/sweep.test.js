/**
 * Sweeps: every option with values of every kind, every method in every state, each class and function
 * with arguments that it was not made for. What is thrown, told and sent has to be the same.
 */
'use strict';

const { behaviour } = require('./harness');
const describe = require('./describe');
const { closing, frame } = require('./peer');

const VALUES = [
  undefined, null, true, false, 0, 1, -1, 1.5, 2 ** 31, NaN, Infinity, '', 'x', '5', [], [1], {}, Buffer.from('b'), Object.freeze({ a: 1 })
];

/** What no number can be made of: only for what throws at once. */
const ODD_VALUES = [Symbol('s'), () => {}, new Date(0)];

const text = (value) => (typeof value === 'symbol' ? String(value) : describe(value));

/** An error as text; what the engine says of a mistake depends on how the code is written. */
function failure(err) {
  return err instanceof TypeError && !err.code ? 'a TypeError' : `${err.constructor.name}: ${err.message} [${err.code}]`;
}

/** Logs what `fn` returns or throws. */
function attempt(t, label, fn) {
  try {
    t.log(label, 'returned', describe(fn()));
  } catch (err) {
    t.log(label, 'threw', failure(err));
  }
}

/**
 * A connection that talks, from one end of which everything is logged: fragments, a ping, and a message
 * that is worth compressing.
 */
async function talk(t, label, ws, peer) {
  const log = t.channel(label);

  ws.on('ping', (data) => log('ping', data));
  ws.on('message', (data, isBinary) => log('message', data.length, isBinary));
  ws.on('error', (err) => log('error', failure(err)));
  peer.on('error', () => {});
  peer.on('pong', (data) => t.channel(`${label} peer`)('pong', data));
  for (const part of ['a', 'b']) peer.send(part, { fin: false });
  peer.send('c');
  peer.ping('p');
  peer.send(Buffer.alloc(3000));
  peer.close(1000);
  ws.on('close', (code) => log('close', code));
  await Promise.all([ws, peer].map((each) => each.readyState === 3 || t.event(each, 'close')));
  peer.terminate();
}

// --- options of a client ----------------------------------------------------------------------------

for (const option of [
  'allowSynchronousEvents', 'autoPong', 'auth', 'defaultPort', 'followRedirects', 'host', 'hostname', 'maxBufferedChunks', 'maxFragments',
  'maxPayload', 'maxPendingAutoPongs', 'maxRedirects', 'method', 'origin', 'path', 'perMessageDeflate', 'port', 'protocol', 'protocolVersion',
  'protocols', 'skipUTF8Validation', 'socketPath', 'timeout', 'headers', 'agent', 'localAddress', 'createConnection', 'lookup'
]) {
  behaviour(`sweep: the client's option ${option}`, async (t) => {
    const wss = await t.serve({ perMessageDeflate: { threshold: 0 } });
    const accepted = [];

    wss.on('connection', (peer, { headers, method, url }) => {
      const { host, 'sec-websocket-key': key, ...others } = headers;

      accepted.push(peer);
      t.channel('requests')(method, url, others, peer.protocol, peer.extensions);
    });
    for (const value of VALUES) {
      const label = text(value);
      let ws;

      try {
        ws = t.connect(wss.port, { [option]: value });
      } catch (err) {
        t.log(label, 'threw', failure(err));
        continue;
      }
      const outcome = await Promise.race(['open', 'error'].map(async (name) => [name, (await t.event(ws, name))[0]]));

      if (outcome[0] === 'error') {
        t.log(label, 'error', failure(outcome[1]), ws.readyState);
        continue;
      }
      await t.until(() => accepted.length > 0);
      await talk(t, label, ws, accepted.shift());
    }
  });
}

// --- options of a server ----------------------------------------------------------------------------

for (const option of [
  'allowSynchronousEvents', 'autoPong', 'clientTracking', 'maxBufferedChunks', 'maxFragments', 'maxPayload', 'maxPendingAutoPongs', 'path',
  'perMessageDeflate', 'skipUTF8Validation', 'noServer', 'server'
]) {
  behaviour(`sweep: the server's option ${option}`, async (t) => {
    for (const value of VALUES) {
      const label = text(value);
      let wss;

      // A buffer is no server.
      if (option === 'server' && value) continue;
      try {
        wss = t.track(new t.impl.WebSocketServer({ port: 0, host: '127.0.0.1', [option]: value }));
      } catch (err) {
        t.log(label, 'threw', failure(err));
        continue;
      }
      await t.event(wss, 'listening');
      wss.on('headers', (headers) => t.channel('headers')(label, headers.filter((line) => !line.includes('Accept'))));
      const connection = t.event(wss, 'connection');
      const peer = t.adopt(new (require('ws'))(`ws://127.0.0.1:${wss.address().port}/path`, ['a', 'b']));

      peer.on('error', () => {});
      const opened = await Promise.race([t.event(peer, 'open').then(() => true), t.event(peer, 'close').then(() => false)]);

      if (!opened) {
        t.log(label, 'refused');
        continue;
      }
      const [ws] = await connection;

      t.log(label, ws.protocol, ws.extensions, wss.clients && wss.clients.size);
      await talk(t, label, t.adopt(ws), peer);
    }
  });
}

behaviour('sweep: what handleProtocols returns', async (t) => {
  for (const result of [...VALUES, 'a', 'b', 'c']) {
    const wss = await t.serve({ handleProtocols: () => result });

    wss.on('headers', (headers) => t.channel('headers')(headers.filter((line) => !line.includes('Accept'))));
    const [[ws], peer] = await Promise.all([t.event(wss, 'connection'), t.rawClient(wss.port, { 'Sec-WebSocket-Protocol': 'a, b' })]);

    t.log(text(result), ws.protocol);
    t.adopt(ws).terminate();
    await peer.ended();
  }
});

behaviour('sweep: what verifyClient returns or calls back with', async (t) => {
  const verdicts = [
    ...VALUES.map((value) => () => value),
    ...VALUES.map((value) => (info, callback) => callback(value)),
    ...[0, 404, 451].map((status) => (info, callback) => callback(false, status)),
    (info, callback) => callback(false, 404, 'no'),
    (info, callback) => callback(false, 404, '', { 'X-A': 'b' }),
    (info, callback) => callback(false, 404, 'no', { 'Content-Type': 'text/plain', Connection: 'x' }),
    (info, callback) => callback(false, undefined, undefined, null),
    (info, callback, another) => false
  ];

  for (const verifyClient of verdicts) {
    const wss = await t.serve({ verifyClient });

    wss.on('connection', (ws) => ws.terminate());
    const peer = await t.rawSocket(wss.port);

    peer.request();
    // Three parameters: it is not asked to call back, and what it returns counts.
    t.log(verifyClient.length, await peer.text());
  }
});

// --- methods ----------------------------------------------------------------------------------------

const CALLS = [
  ...['send', 'ping', 'pong'].flatMap((name) => [
    [name], ...VALUES.map((value) => [name, value]), ...ODD_VALUES.map((value) => [name, value]), ...VALUES.map((value) => [name, 'x', value]),
    [name, Buffer.alloc(126)], [name, new DataView(new ArrayBuffer(3))], [name, [1, 2, 300]], [name, { length: 2 }], [name, new String('s')]
  ]),
  ...['close', 'terminate', 'pause', 'resume'].map((name) => [name]),
  ...VALUES.map((value) => ['close', value]),
  ...VALUES.map((value) => ['close', 1000, value]),
  ...[999, 1000, 1001, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65536].map((code) => ['close', code]),
  ['close', 1000, 'x'.repeat(124)], ['close', 1000, Buffer.alloc(124)], ['close', 1000, new DataView(new ArrayBuffer(2))]
];

for (const state of ['OPEN', 'CLOSING', 'CLOSED']) {
  behaviour(`sweep: every method, ${state}`, async (t) => {
    const wss = await t.serve();

    for (const [name, ...args] of CALLS) {
      const connection = t.event(wss, 'connection');
      const peer = await t.rawClient(wss.port);
      const ws = t.adopt((await connection)[0]);

      ws.on('error', (err) => t.log('error', failure(err)));
      if (state === 'CLOSING') ws.close(4000, 'closing');
      if (state === 'CLOSED') {
        ws.terminate();
        await t.event(ws, 'close');
      }
      attempt(t, `${name}(${args.map(text).join(', ')})`, () => ws[name](...args));
      t.log(ws.readyState, ws.isPaused, ws.readyState === 1 || ws.bufferedAmount);
      if (name === 'terminate' || state === 'CLOSED') {
        await peer.ended();
        continue;
      }
      if (ws.readyState === 1) ws.close(4001, 'end');
      ws.resume();
      peer.sendMasked(8, closing(1000));
      t.log(await peer.describeFrames());
      if (ws.readyState !== 3) await t.event(ws, 'close');
    }
  });
}

behaviour('sweep: every method, CONNECTING', async (t) => {
  const port = await t.rawServer(() => {});

  for (const [name, ...args] of CALLS) {
    const ws = t.connect(port);

    ws.on('error', (err) => t.log('error', failure(err)));
    attempt(t, `${name}(${args.map(text).join(', ')})`, () => ws[name](...args));
    t.log(ws.readyState, ws.isPaused, ws.bufferedAmount);
    if (ws.readyState === 0) ws.terminate();
    await t.event(ws, 'close');
  }
});

behaviour('sweep: a subclass with a state of its own', async (t) => {
  for (const state of [0, 1, 2, 3]) {
    class Stated extends t.impl.WebSocket {
      get readyState() {
        return state;
      }
    }

    for (const name of ['send', 'ping', 'pong', 'pause', 'resume', 'close', 'terminate']) {
      const ws = new Stated(null, undefined, {});

      attempt(t, `${state} ${name}`, () => ws[name]('x'));
      t.log(ws._readyState, ws.isPaused, ws.bufferedAmount);
    }
  }
});

behaviour('sweep: callbacks that are none', async (t) => {
  const { ws } = await t.scripted();

  for (const callback of [true, 1, 'x', {}]) {
    for (const name of ['send', 'ping', 'pong']) attempt(t, name, () => ws[name]('x', undefined, callback));
  }
});

// --- attributes, listeners, and the other exports ---------------------------------------------------

behaviour('sweep: attributes and listeners', async (t) => {
  for (const value of [...VALUES, ...ODD_VALUES]) {
    const ws = new t.impl.WebSocket(null, undefined, {});

    attempt(t, `binaryType ${text(value)}`, () => (ws.binaryType = value) && ws.binaryType);
    for (const type of ['open', 'message', 'error', 'close', 'ping', 'x']) {
      attempt(t, `on${type}`, () => {
        ws[`on${type}`] = value;
        return type === 'ping' || type === 'x' ? 'own' : ws[`on${type}`];
      });
      attempt(t, 'addEventListener', () => ws.addEventListener(type, value));
      attempt(t, 'addEventListener with options', () => ws.addEventListener(type, () => {}, value));
      attempt(t, 'removeEventListener', () => ws.removeEventListener(type, value));
      t.log(type, ws.listenerCount(type));
    }
  }
});

behaviour('sweep: options of a Receiver', async (t) => {
  for (const option of ['allowSynchronousEvents', 'binaryType', 'extensions', 'isServer', 'maxBufferedChunks', 'maxFragments', 'maxPayload', 'skipUTF8Validation']) {
    for (const value of VALUES) {
      let receiver;

      try {
        receiver = new t.impl.Receiver({ [option]: value });
      } catch (err) {
        t.log(option, text(value), failure(err));
        continue;
      }
      const log = t.channel(`${option} ${text(value)}`);
      const mask = receiver._isServer;

      for (const name of ['message', 'ping', 'conclude']) receiver.on(name, (...args) => log(name, ...args));
      receiver.on('error', (err) => log('error', failure(err)));
      receiver.write(Buffer.concat([frame(1, 'hello', { mask }), frame(2, 'octets', { mask }), frame(9, 'p', { mask }), frame(1, Buffer.from([0xff]), { mask })]));
      await t.turns(6);
    }
  }
});

behaviour('sweep: options of PerMessageDeflate', async (t) => {
  for (const option of [
    'clientMaxWindowBits', 'clientNoContextTakeover', 'serverMaxWindowBits', 'serverNoContextTakeover', 'threshold', 'isServer'
  ]) {
    for (const value of [...VALUES, 8, 9, 15, 16]) {
      const options = { [option]: value };

      t.log(option, text(value), new t.impl.PerMessageDeflate(options).offer(), new t.impl.PerMessageDeflate(options)._threshold);
      for (const isServer of [true, false]) {
        attempt(t, isServer ? 'server' : 'client', () =>
          new t.impl.PerMessageDeflate({ isServer, ...options }).accept([
            { server_max_window_bits: ['10'], client_max_window_bits: [isServer ? true : '10'] }
          ])
        );
      }
    }
  }
});

behaviour('sweep: parameters of permessage-deflate', async (t) => {
  for (const name of ['client_max_window_bits', 'server_max_window_bits', 'client_no_context_takeover', 'server_no_context_takeover', 'other']) {
    for (const value of [...VALUES, 8, 15, '8', '15', '010', '0xa', '1e1', '10.0', ' 9']) {
      for (const isServer of [true, false]) {
        attempt(t, `${name} ${text(value)} ${isServer}`, () => new t.impl.PerMessageDeflate({ isServer }).accept([{ [name]: [value] }]));
      }
    }
  }
});

behaviour('sweep: arguments of the constructors', async (t) => {
  for (const value of VALUES) {
    attempt(t, `Receiver ${text(value)}`, () => new t.impl.Receiver(value)._binaryType);
    attempt(t, `PerMessageDeflate ${text(value)}`, () => new t.impl.PerMessageDeflate(value).offer());
    attempt(t, `WebSocketServer ${text(value)}`, () => new t.impl.WebSocketServer(value));
    attempt(t, `server of its own ${text(value)}`, () => new t.impl.WebSocket(null, undefined, value).readyState);
    attempt(t, `createWebSocketStream ${text(value)}`, () => t.impl.createWebSocketStream(value));
    attempt(t, `options of createWebSocketStream ${text(value)}`, () => {
      const stream = t.impl.createWebSocketStream(new t.impl.WebSocket(null, undefined, {}), value);

      return [stream.readableHighWaterMark, stream.readableObjectMode, stream.writableObjectMode, stream.allowHalfOpen];
    });
    attempt(t, `extension.format ${text(value)}`, () => t.impl.extension.format({ a: { b: value } }));
  }
});
