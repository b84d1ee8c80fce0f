'use strict';

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');

const { behaviour } = require('./harness');

/** What this package offers beyond `ws`. */
const beyond = require('./beyond');

/** A property as text; internals whose name begins with an underscore are left out. */
function properties(t, name, object) {
  const descriptors = Object.getOwnPropertyDescriptors(object);

  for (const key of Object.keys(descriptors).sort()) {
    if (key.startsWith('_') || beyond.has(`${name}.${key}`)) continue;
    const d = descriptors[key];
    const kind = d.get || d.set ? `accessor get ${!!d.get} set ${!!d.set}` : `${typeof d.value} writable ${d.writable}`;
    const length = typeof d.value === 'function' ? `length ${d.value.length} name ${d.value.name}` : '';

    t.log(name, key, kind, `enumerable ${d.enumerable} configurable ${d.configurable}`, length);
  }
}

behaviour('shape: what require() gives', async (t) => {
  t.log(typeof t.impl, t.impl.name, t.impl === t.impl.WebSocket, t.impl.Server === t.impl.WebSocketServer);
  t.log(Object.keys(t.impl).filter((key) => !beyond.has(`WebSocket.${key}`)).sort());
});

behaviour('shape: WebSocket, statics', async (t) => properties(t, 'WebSocket', t.impl.WebSocket));
behaviour('shape: WebSocket.prototype', async (t) => properties(t, 'WebSocket.prototype', t.impl.WebSocket.prototype));
behaviour('shape: WebSocketServer, statics', async (t) => properties(t, 'WebSocketServer', t.impl.WebSocketServer));
behaviour('shape: WebSocketServer.prototype', async (t) => properties(t, 'WebSocketServer.prototype', t.impl.WebSocketServer.prototype));
behaviour('shape: Receiver, Sender, PerMessageDeflate, statics', async (t) => {
  for (const name of ['Receiver', 'Sender', 'PerMessageDeflate']) properties(t, name, t.impl[name]);
});
behaviour('shape: Sender.prototype, the public half', async (t) => {
  for (const name of ['send', 'ping', 'pong', 'close']) t.log(name, typeof t.impl.Sender.prototype[name], t.impl.Sender.prototype[name].length);
});
behaviour('shape: PerMessageDeflate.prototype, the public half', async (t) => {
  for (const name of ['offer', 'accept', 'cleanup', 'compress', 'decompress', 'acceptAsServer', 'acceptAsClient', 'normalizeParams']) {
    t.log(name, typeof t.impl.PerMessageDeflate.prototype[name], t.impl.PerMessageDeflate.prototype[name].length);
  }
});
behaviour('shape: extension and subprotocol', async (t) => {
  t.log(Object.keys(t.impl.extension).sort(), Object.keys(t.impl.subprotocol).sort());
  t.log(t.impl.extension.parse.length, t.impl.extension.format.length, t.impl.subprotocol.parse.length);
});

behaviour('shape: prototypes', async (t) => {
  const EventEmitter = require('node:events');

  t.log(Object.getPrototypeOf(t.impl.WebSocket) === EventEmitter, Object.getPrototypeOf(t.impl.WebSocketServer) === EventEmitter);
  t.log(Object.getPrototypeOf(t.impl.WebSocket.prototype) === EventEmitter.prototype);
  t.log(String(new t.impl.WebSocket(null, undefined, {})));
});

behaviour('shape: constants', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});

  for (const name of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']) {
    t.log(name, t.impl.WebSocket[name], t.impl.WebSocket.prototype[name], ws[name]);
    // The text of the error has the source of the class in it.
    for (const object of [t.impl.WebSocket, ws]) {
      try {
        object[name] = 7;
        t.log('assigned');
      } catch (error) {
        t.log(error.name);
      }
    }
  }
});

behaviour('shape: what for…in and Object.keys show', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});
  const all = [];

  for (const key in ws) if (!key.startsWith('_') && !beyond.has(`WebSocket.prototype.${key}`)) all.push(key);
  t.log(all.sort());
  t.log(Object.keys(ws).filter((key) => !key.startsWith('_')));
});

behaviour('shape: the underscored fields that the field reads, client', async (t) => {
  const { ws, peer } = await t.pair();

  for (const [name, each] of [['client', ws], ['server', peer]]) {
    t.log(name, '_socket', each._socket.constructor.name, '_receiver', each._receiver.constructor.name, '_sender', each._sender.constructor.name);
    t.log('_closeCode', each._closeCode, '_closeMessage', each._closeMessage, '_closeTimer', each._closeTimer, '_closeFrameReceived', each._closeFrameReceived, '_closeFrameSent', each._closeFrameSent);
    t.log('_readyState', each._readyState, '_protocol', each._protocol, '_extensions', each._extensions, '_isServer', each._isServer, '_paused', each._paused, '_binaryType', each._binaryType);
    t.log('_url', typeof each._url, '_req', each._req === undefined ? 'undefined' : each._req, '_autoPong', each._autoPong, '_errorEmitted', each._errorEmitted);
  }
});

behaviour('shape: the underscored fields after closing', async (t) => {
  const { ws, peer } = await t.pair();

  ws.close(4000, 'reason');
  await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
  for (const each of [ws, peer]) {
    t.log('_closeCode', each._closeCode, '_closeMessage', each._closeMessage, '_closeFrameReceived', each._closeFrameReceived, '_closeFrameSent', each._closeFrameSent);
    t.log('_readyState', each._readyState, '_socket', each._socket.destroyed, '_errorEmitted', each._errorEmitted);
  }
});

behaviour('shape: the underscored fields of the server', async (t) => {
  const wss = await t.serve();

  t.log(wss._server.constructor.name, wss._state, typeof wss._removeListeners, wss._shouldEmitClose);
  wss.close();
  t.log(wss._server, wss._state, wss._removeListeners);
  await t.event(wss, 'close');
  t.log(wss._state);
});

behaviour('shape: listeners on the socket while open', async (t) => {
  const { ws } = await t.scripted();

  for (const name of ['error', 'close', 'end', 'timeout']) t.log(name, ws._socket.listenerCount(name));
  t.log(ws._socket.timeout);
});

behaviour('shape: util.inspect and JSON do not throw', async (t) => {
  const { ws, wss } = await t.scripted();

  t.log(typeof require('node:util').inspect(ws), typeof require('node:util').inspect(wss));
});

/** Runs a program in a process of its own, with the package that `t.impl` is. */
async function program(t, code, type = 'commonjs') {
  const ours = t.impl !== require('ws');
  const file = ours ? path.join(__dirname, '../..', type === 'commonjs' ? 'index.js' : 'wrapper.mjs') : 'ws';
  const source = code.replaceAll('PACKAGE', JSON.stringify(file));

  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      type === 'commonjs' ? ['-e', source] : ['--input-type=module', '-e', source],
      { cwd: path.join(__dirname, '../..'), timeout: 20000 }
    );

    t.log(stdout.trim());
  } catch (err) {
    t.log('exit', err.code, err.stdout.trim(), /^(\w*Error.*)$/m.exec(err.stderr)?.[1]);
  }
}

behaviour('shape: import gives a default and names', async (t) => {
  await program(t, `
    import WebSocket, * as all from PACKAGE;
    console.log(Object.keys(all).sort().join());
    console.log(WebSocket === all.WebSocket, typeof all.WebSocketServer, typeof all.createWebSocketStream);
    console.log(WebSocket.name, typeof WebSocket.Server, typeof WebSocket.WebSocketServer);
  `, 'module');
});

behaviour('shape: import and require are the same classes', async (t) => {
  await program(t, `
    import { createRequire } from 'node:module';
    import WebSocket, { WebSocketServer, Receiver } from PACKAGE;
    const required = createRequire(process.cwd() + '/x.js')(PACKAGE.replace('wrapper.mjs', 'index.js'));
    console.log(required === WebSocket, required.WebSocketServer === WebSocketServer, required.Receiver === Receiver);
  `, 'module');
});

behaviour('process: an idle import ends', async (t) => {
  await program(t, `require(PACKAGE); console.log('end of the program');`);
});

behaviour('process: an error without a listener ends it', async (t) => {
  await program(t, `new (require(PACKAGE))('ws://127.0.0.1:1');`);
});

behaviour('process: a client and a server that are closed let it end', async (t) => {
  await program(t, `
    const { WebSocket, WebSocketServer } = require(PACKAGE);
    const wss = new WebSocketServer({ port: 0 }, () => {
      const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
      ws.on('open', () => ws.close());
      ws.on('close', () => wss.close());
    });
    process.on('exit', (code) => console.log('exit', code));
  `);
});

behaviour('process: what was sent before process.exit in the callback arrives', async (t) => {
  await program(t, `
    const { WebSocket, WebSocketServer } = require(PACKAGE);
    const wss = new WebSocketServer({ port: 0 }, () => {
      const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
      ws.on('open', () => { for (let i = 0; i < 5; i++) ws.send(String(i)); });
    });
    wss.on('connection', (peer) => peer.on('message', (data) => {
      console.log(String(data));
      if (String(data) === '4') process.exit(3);
    }));
  `);
});

/** Runs a program that is a client until its end, and observes what of it arrives. */
async function untilItsEnd(t, code) {
  const wss = await t.serve();
  const connection = t.event(wss, 'connection');
  const ended = program(t, code(`ws://127.0.0.1:${wss.port}`));
  const [peer] = await connection;

  t.observe(peer, 'server');
  await Promise.all([ended, t.event(peer, 'close')]);
}

for (const [name, end] of [['process.exit()', 'process.exit(5)'], ['an exception', 'throw new Error("the end")']]) {
  behaviour(`process: what was sent in the tick of ${name} arrives`, (t) =>
    untilItsEnd(t, (url) => `
      const ws = new (require(PACKAGE))('${url}');
      ws.on('open', () => {
        for (let i = 0; i < 5; i++) ws.send('message ' + i);
        ws.ping();
        ${end};
      });
    `));
}

const LAST_WORDS = "process.on('exit', () => { for (const word of ['going down', 'last state', 'end']) ws.send(word); });";
for (const [name, steps] of [
  ['before anything is sent', `${LAST_WORDS} process.exit();`],
  ['after something was gathered', `ws.send('1'); ws.send('2'); ${LAST_WORDS} process.exit();`],
  ['before something is gathered', `${LAST_WORDS} ws.send('1'); ws.send('2'); process.exit();`],
  ['and the program ends by itself', `${LAST_WORDS} ws._socket.unref();`],
  ['and something is thrown', `${LAST_WORDS} throw new Error('the end');`]
]) {
  for (const thread of ['process', 'worker']) {
    behaviour(`${thread}: what a listener of exit sends arrives, ${name}`, (t) =>
      untilItsEnd(t, (url) => {
        const code = `
          const ws = new (require(PACKAGE))('${url}');
          ws.on('open', () => { ${steps} });`;
        if (thread === 'process') return code;
        const inWorker = code.replace('PACKAGE', "require('node:worker_threads').workerData");
        return `
          new (require('node:worker_threads').Worker)(${JSON.stringify(inWorker)}, { eval: true, workerData: PACKAGE })
            .on('error', ({ message }) => console.log(message));`;
      }));
  }
}

for (const look of ['bufferedAmount', '_socket']) {
  behaviour(`process: what was sent before a look at ${look} arrives, however the process ends`, (t) =>
    untilItsEnd(t, (url) => `
      const ws = new (require(PACKAGE))('${url}');
      ws.on('open', () => {
        for (let i = 0; i < 5; i++) ws.send('message ' + i);
        ws.${look};
        process.kill(process.pid, 'SIGKILL');
      });
    `));
}
