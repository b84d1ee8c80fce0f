'use strict';

const { behaviour } = require('./harness');

/** Connections that must not happen go nowhere. */
const nowhere = {
  createConnection() {
    const { Duplex } = require('node:stream');

    return new Duplex({ read() {}, write(chunk, encoding, callback) { callback(); } });
  }
};

/** Constructs, logs what is thrown, or the state, and gets rid of it. */
function construct(t, ...args) {
  t.try(JSON.stringify(args.slice(0, 2)) || 'nothing', () => {
    const ws = new t.impl.WebSocket(...args);

    t.adopt(ws);
    return `${ws.readyState} ${ws.url}`;
  });
}

behaviour('constructor: URLs that are refused', async (t) => {
  for (const url of [
    '', 'echo.example', '/path', 'ws:', 'ws://', 'wss://', 'ftp://example.com', 'file:///tmp/x',
    'ws://example.com#hash', 'ws://example.com/#', 'wss://example.com/path?query#f',
    'http://example.com/#x', 'ws+unix:', 'ws+unix:#x', 'mailto:a@b.c', 'ws://exa mple.com',
    'ws://example.com:99999', 'ws://[::1', 'data:,x'
  ]) {
    construct(t, url, nowhere);
  }
});

behaviour('constructor: addresses that are no string', async (t) => {
  for (const address of [undefined, 1, true, {}, [], Symbol.iterator]) {
    t.try(String(address), () => new t.impl.WebSocket(address));
  }
});

behaviour('constructor: url is normalised', async (t) => {
  for (const url of [
    'ws://example.com', 'WS://EXAMPLE.com:80/a/../b', 'wss://example.com:443/', 'ws://example.com:8080?q',
    'http://example.com/x', 'https://example.com:443/x', 'ws://user:pa%20ss@example.com/',
    'ws://[::1]:8080/', 'ws://bücher.example/ä', 'ws+unix:/tmp/none.sock:/path?q=1', ' ws://example.com/ '
  ]) {
    construct(t, url, nowhere);
  }
});

behaviour('constructor: a URL object is taken and not changed', async (t) => {
  const url = new URL('http://example.com/path');

  construct(t, url, nowhere);
  t.log(url.href);
});

behaviour('constructor: protocols that are refused', async (t) => {
  for (const protocols of [
    null, '', [''], [null], [undefined], ['foo', 'foo'], 'foo,bar', 'f oo', ['foo', 'b@r'], ['ä'],
    1, true, [{}], 'foo;', ['a', 'b', 'a']
  ]) {
    construct(t, 'ws://example.com', protocols, nowhere);
  }
});

behaviour('constructor: protocols that are accepted', async (t) => {
  for (const protocols of [undefined, [], 'foo', ['foo'], ['foo', 'Foo'], "a!#$%&'*+-.^_`|~9"]) {
    construct(t, 'ws://example.com', protocols, nowhere);
  }
});

behaviour('constructor: protocols among the options', async (t) => {
  const port = await t.rawServer(async (peer) => {
    t.channel('server')(/sec-websocket-protocol: .*/i.exec(await peer.head()) + '');
    peer.end();
  });
  const fail = async (...args) => {
    const ws = t.connect(port, ...args);

    ws.on('error', () => {});
    await t.event(ws, 'close');
  };

  await fail({ protocols: 'one' });
  await fail({ protocols: ['one', 'two'] });
  await fail(undefined, { protocols: ['three'] });
  await fail(['four'], { protocols: ['five'] });
  await fail([], { protocols: ['six'] });
});

behaviour('constructor: options in place of protocols', async (t) => {
  const port = await t.rawServer(async (peer) => {
    t.channel('server')(/x-test: .*/i.exec(await peer.head()) + '');
    peer.end();
  });

  for (const args of [[{ headers: { 'X-Test': 1 } }], [[], { headers: { 'X-Test': 2 } }]]) {
    const ws = t.connect(port, ...args);

    ws.on('error', () => {});
    await t.event(ws, 'close');
  }
});

behaviour('constructor: protocol versions', async (t) => {
  for (const protocolVersion of [0, 7, 8, 9, 12, 13, 14, '13', null, undefined]) {
    t.try(String(protocolVersion), () => {
      const ws = t.connect('ws://example.com', { ...nowhere, protocolVersion });

      return ws.readyState;
    });
  }
});

behaviour('constructor: the order of complaints', async (t) => {
  construct(t, 'nonsense', ['a', 'a'], { protocolVersion: 1 });
  construct(t, 'nonsense', ['a', 'a']);
  construct(t, 'ws://example.com/#f', ['a', 'a']);
  construct(t, 'ws://example.com/', ['a', 'a'], { protocolVersion: 1 });
});

behaviour('constructor: without new', async (t) => {
  t.try('WebSocket', () => t.impl.WebSocket('ws://example.com'));
  t.try('WebSocketServer', () => t.impl.WebSocketServer({ noServer: true }));
});

behaviour('constructor: options are not changed', async (t) => {
  const options = { ...nowhere, headers: { a: 'b' }, perMessageDeflate: { threshold: 1 } };
  const copy = { ...options, headers: { ...options.headers } };

  construct(t, 'ws://example.com', options);
  t.log(Object.keys(options), Object.keys(copy).join() === Object.keys(options).join());
  t.log(options.headers, options.perMessageDeflate);
});

behaviour('constructor: null makes a WebSocket without a connection', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});

  t.log(ws.readyState, ws.url, ws.protocol, ws.extensions, ws.binaryType, ws.isPaused);
  t.log(ws.bufferedAmount, ws._socket, ws._isServer);
  try {
    t.log('without options', new t.impl.WebSocket(null).readyState);
  } catch (err) {
    t.log('without options', err.constructor.name);
  }
  ws.close();
});

behaviour('constructor: the state of a client at once', async (t) => {
  const ws = t.connect('ws://example.com/path', ['proto'], nowhere);

  t.log(ws.readyState, ws.url, ws.protocol, ws.extensions, ws.binaryType, ws.isPaused);
  t.log(ws.bufferedAmount, ws._socket, ws._receiver, ws._sender, ws._req, ws._isServer);
});

behaviour('constructor: a port that is out of range', async (t) => {
  construct(t, 'ws://example.com:65536');
  const ws = t.connect('ws://127.0.0.1:1');

  t.log(await t.event(ws, 'error'), ws.readyState);
});

behaviour('server constructor: conflicting options', async (t) => {
  const server = require('node:http').createServer();

  for (const options of [
    undefined, {}, { port: 0, server }, { port: 0, noServer: true }, { server, noServer: true },
    { port: 0, server, noServer: true }, { port: null }, { server: null }, { noServer: false }, { host: 'x' }
  ]) {
    t.try(options && Object.keys(options).join(), () => {
      return new t.impl.WebSocketServer(options);
    });
  }
  t.try('null', () => new t.impl.WebSocketServer(null));
});

behaviour('server constructor: the callback is the listening listener', async (t) => {
  const wss = t.track(
    new t.impl.WebSocketServer({ port: 0, host: '127.0.0.1' }, function () {
      t.log('callback', this === wss._server, arguments.length);
    })
  );

  wss.on('listening', () => t.log('listening'));
  await t.event(wss, 'listening');
  await t.turns(1);
});

behaviour('server constructor: the callback is not called without a port', async (t) => {
  const server = await t.httpServer();

  new t.impl.WebSocketServer({ server }, () => t.log('called'));
  new t.impl.WebSocketServer({ noServer: true }, () => t.log('called'));
  await t.turns(2);
  t.log('end');
});

behaviour('server constructor: defaults', async (t) => {
  const wss = new t.impl.WebSocketServer({ noServer: true });
  const { WebSocket, ...options } = wss.options;

  for (const name of Object.keys(options).sort()) {
    if (name in t.impl.WebSocketServer) continue;
    t.channel(name)(options[name]);
  }
  t.log(WebSocket === t.impl.WebSocket, wss.clients, wss._state, wss._server);
});

behaviour('server constructor: perMessageDeflate true becomes an object', async (t) => {
  for (const perMessageDeflate of [true, false, { threshold: 3 }, null]) {
    t.log(new t.impl.WebSocketServer({ noServer: true, perMessageDeflate }).options.perMessageDeflate);
  }
});

behaviour('server constructor: options are copied', async (t) => {
  const options = { noServer: true, path: '/x' };
  const wss = new t.impl.WebSocketServer(options);

  t.log(wss.options === options, wss.options.path, Object.keys(options));
  wss.options.path = '/y';
  t.log(wss.shouldHandle({ url: '/y' }), wss.shouldHandle({ url: '/x' }));
});

behaviour('server constructor: a port that is taken', async (t) => {
  const wss = await t.serve();
  const other = t.track(new t.impl.WebSocketServer({ port: wss.port, host: '127.0.0.1' }));

  other.on('listening', () => t.log('listening'));
  const [err] = await t.event(other, 'error');

  t.log(err, err.syscall, err.port === wss.port);
  t.try('address', () => other.address());
});

behaviour('server constructor: a port that is no port', async (t) => {
  t.try('-1', () => new t.impl.WebSocketServer({ port: -1 }));
  t.try('65536', () => new t.impl.WebSocketServer({ port: 65536 }));
});
