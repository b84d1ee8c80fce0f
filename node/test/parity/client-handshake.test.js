'use strict';

const { PassThrough } = require('node:stream');
const { behaviour, exchange } = require('./harness');
const { closing, frame } = require('./peer');

/** Connects to a server that answers with `answer(key)`, and logs everything. */
async function answered(t, answer, ...args) {
  const port = await t.rawServer(async (peer) => {
    const head = await peer.head();

    peer.key = /sec-websocket-key: (.*)/i.exec(head)[1];
    peer.write(answer(peer));
    t.channel('server')('ended with', await peer.ended());
    peer.end();
  });
  const ws = t.observe(t.connect(port, ...args), 'client');

  ws.on('open', () => {
    t.log('protocol', ws.protocol, 'extensions', ws.extensions);
    ws.terminate();
  });
  await t.event(ws, 'close');
  return ws;
}

const lines = (...all) => [...all, '', ''].join('\r\n');

/** One behaviour for each answer that is no proper 101. */
for (const [name, answer, ...args] of [
  ['without Upgrade', (p) => p.acceptance().replace('Upgrade: websocket\r\n', 'X: y\r\n')],
  ['with another Upgrade', (p) => p.acceptance().replace('websocket', 'h2c')],
  ['with Upgrade in capitals', (p) => p.acceptance().replace('Upgrade: websocket', 'UPGRADE: WebSocket')],
  ['without Connection', (p) => p.acceptance().replace('Connection: Upgrade\r\n', '')],
  ['without Sec-WebSocket-Accept', (p) => p.acceptance().replace(/Sec-WebSocket-Accept.*\r\n/, '')],
  ['with a wrong Sec-WebSocket-Accept', (p) => p.acceptance().replace(/Accept: ./, 'Accept: CHACKED')],
  ['with a subprotocol that was not asked for', (p) => p.acceptance(['Sec-WebSocket-Protocol: foo'])],
  ['with another subprotocol', (p) => p.acceptance(['Sec-WebSocket-Protocol: baz']), ['foo', 'bar']],
  ['with two subprotocols', (p) => p.acceptance(['Sec-WebSocket-Protocol: foo, bar']), ['foo', 'bar']],
  ['without a subprotocol', (p) => p.acceptance(), ['foo']],
  ['with an empty subprotocol', (p) => p.acceptance(['Sec-WebSocket-Protocol:']), ['foo']],
  ['with the second subprotocol', (p) => p.acceptance(['Sec-WebSocket-Protocol: bar']), ['foo', 'bar']],
  ['with an extension that was not asked for', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate']), { perMessageDeflate: false }],
  ['with an unknown extension', (p) => p.acceptance(['Sec-WebSocket-Extensions: foo'])],
  ['with two extensions', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate, foo'])],
  ['with permessage-deflate twice', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate'])],
  ['with extensions that cannot be parsed', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate;'])],
  ['with empty extensions', (p) => p.acceptance(['Sec-WebSocket-Extensions:'])],
  ['with an unknown parameter', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; foo=bar'])],
  ['with a window that is too small', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7'])],
  ['with a window without a value', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'])],
  ['with all parameters', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=11'])],
  ['with a window that was excluded', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12']), { perMessageDeflate: { clientMaxWindowBits: 10 } }],
  ['with context takeover that was excluded', (p) => p.acceptance(['Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover']), { perMessageDeflate: { clientNoContextTakeover: false } }],
  ['with other headers', (p) => p.acceptance(['Set-Cookie: a=b', 'X-Long: ' + 'x'.repeat(2000)])]
]) {
  behaviour(`client: a 101 ${name}`, async (t) => {
    await answered(t, answer, ...args);
  });
}

behaviour('client: status codes other than 101', async (t) => {
  for (const status of ['200 OK', '204 No Content', '304 Not Modified', '400 Bad Request', '401 Unauthorized', '404 Not Found', '426 Upgrade Required', '500 Internal Server Error', '302 Found']) {
    await answered(t, () => lines(`HTTP/1.1 ${status}`, 'Content-Length: 0'));
  }
});

behaviour('client: a redirect that is not followed', async (t) => {
  await answered(t, () => lines('HTTP/1.1 301 Moved', 'Location: ws://example.com/', 'Content-Length: 0'));
});

behaviour('client: unexpected-response has the request and the response', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.write(lines('HTTP/1.1 401 Unauthorized', 'Content-Type: text/plain', 'Content-Length: 6') + 'foobar');
    t.channel('server')(await peer.ended());
  });
  const ws = t.observe(t.connect(port));
  const [req, res] = await t.event(ws, 'unexpected-response');

  t.log(req, res, req === ws._req, res.statusCode, res.headers, ws.readyState);
  for await (const chunk of res) t.log(chunk);
  t.log(ws.readyState);
  ws.terminate();
  await t.event(ws, 'close');
});

behaviour('client: unexpected-response, then the request is destroyed', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.write(lines('HTTP/1.1 403 Forbidden', 'Content-Length: 0'));
  });
  const ws = t.observe(t.connect(port));
  const [req] = await t.event(ws, 'unexpected-response');

  req.destroy(new Error('mine'));
  await t.turns(5);
  t.log(ws.readyState);
});

behaviour('client: unexpected-response may end with close()', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.write(lines('HTTP/1.1 403 Forbidden', 'Content-Length: 0'));
  });
  const ws = t.observe(t.connect(port));

  ws.on('unexpected-response', () => ws.close());
  await t.event(ws, 'close');
});

behaviour('client: the upgrade event has the response', async (t) => {
  const port = await t.rawWebSocketServer(null, ['X-Foo: bar', 'Set-Cookie: a', 'Set-Cookie: b']);
  const ws = t.connect(port);
  const [res] = await t.event(ws, 'upgrade');

  t.log(res, res.statusCode, res.headers['x-foo'], res.headers['set-cookie'], ws.readyState);
});

behaviour('client: garbage in place of a response', async (t) => {
  await answered(t, () => 'SSH-2.0-OpenSSH\r\n\r\n');
});

behaviour('client: the server goes without an answer', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.end();
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('client: the server resets without an answer', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.reset();
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('client: the server goes in the middle of the head', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: web');
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('client: a connection that is refused', async (t) => {
  const server = require('node:net').createServer();
  const port = await t.listen(server);

  await new Promise((resolve) => server.close(resolve));
  const ws = t.observe(t.connect(port));
  const [err] = await t.event(ws, 'error');

  t.log(err.code, err.syscall, err.address, ws._req);
});

behaviour('client: a 101 in single octets', async (t) => {
  const port = await t.rawServer(async (peer) => {
    peer.socket.setNoDelay();
    peer.key = /sec-websocket-key: (.*)/i.exec(await peer.head())[1];
    const all = Buffer.concat([Buffer.from(peer.acceptance()), frame(1, 'x'), frame(8, closing(1000))]);

    for (const octet of all) {
      peer.write(Buffer.from([octet]));
      await t.turns(1);
    }
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('client: handshakeTimeout', async (t) => {
  const port = await t.rawServer(async (peer) => {
    t.channel('server')(await peer.ended());
  });
  const ws = t.observe(t.connect(port, { handshakeTimeout: 30 }));

  await t.event(ws, 'close');
});

behaviour('client: handshakeTimeout while the head arrives', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.write('HTTP/1.1 101 Switching');
  });
  const ws = t.observe(t.connect(port, { handshakeTimeout: 30 }));

  await t.event(ws, 'close');
});

behaviour('client: handshakeTimeout does not outlive the handshake', async (t) => {
  const port = await t.rawWebSocketServer();
  const ws = t.observe(t.connect(port, { handshakeTimeout: 1000 }));

  await t.event(ws, 'open');
  t.log(ws._socket.timeout, ws._socket.listenerCount('timeout'));
});

behaviour('client: the head of the request', async (t) => {
  const cases = [
    [`/`, undefined, undefined],
    ['/path?query=1', ['one', 'two'], {}],
    ['/a%20b?x', undefined, { origin: 'https://example.com', headers: { 'X-Foo': 'bar', Cookie: 'a=b' } }],
    ['', undefined, { protocolVersion: 8, origin: 'https://example.com' }],
    ['/', undefined, { perMessageDeflate: false }],
    ['/', undefined, { perMessageDeflate: { clientMaxWindowBits: 9, serverMaxWindowBits: 10, clientNoContextTakeover: true, serverNoContextTakeover: true } }],
    ['/', undefined, { perMessageDeflate: { clientMaxWindowBits: false } }],
    ['/', undefined, { auth: 'user:password' }],
    ['/', undefined, { headers: { Host: 'other.example', 'sec-websocket-key': 'mine', Upgrade: 'mine' } }],
    ['/', undefined, { headers: { 'Sec-WebSocket-Protocol': 'by hand' } }],
    ['/', undefined, { host: 'ignored', port: 1, path: '/ignored', method: 'POST', protocol: 'x:', timeout: 1, hostname: 'ignored', socketPath: '/ignored' }],
    ['/', undefined, { setHost: false }],
    ['/', undefined, { agent: false }]
  ];

  for (const [path, protocols, options] of cases) {
    const port = await t.rawServer(async (peer) => {
      t.log((await peer.head()).replace(/(Sec-WebSocket-Key: )[+/\w]{22}==/, '$1KEY').split('\r\n'));
      peer.end();
    });
    const ws = t.connect(`ws://127.0.0.1:${port}${path}`, protocols, options);

    ws.on('error', () => {});
    await t.event(ws, 'close');
  }
});

behaviour('client: keys are 16 random octets in Base64', async (t) => {
  const keys = new Set();

  for (let i = 0; i < 3; i++) {
    const port = await t.rawServer(async (peer) => {
      keys.add(/Sec-WebSocket-Key: (.*)/.exec(await peer.head())[1]);
      peer.end();
    });
    const ws = t.connect(port);

    ws.on('error', () => {});
    await t.event(ws, 'close');
  }
  t.log(keys.size, [...keys].every((key) => /^[+/\w]{22}==$/.test(key)));
});

behaviour('client: user and password of the URL', async (t) => {
  for (const user of ['user:pass', 'user', ':pass', 'us%40er:p%3Ass', 'user:']) {
    const port = await t.rawServer(async (peer) => {
      t.log(/authorization: .*/i.exec(await peer.head()) + '');
      peer.end();
    });
    const ws = t.connect(`ws://${user}@127.0.0.1:${port}`, { auth: 'of:option' });

    ws.on('error', () => {});
    await t.event(ws, 'close');
  }
});

behaviour('client: finishRequest', async (t) => {
  const port = await t.rawWebSocketServer((peer) => {
    t.channel('server')(/x-late: .*/i.exec(peer.requestHead) + '');
  });
  let given;
  const ws = t.connect(port, {
    finishRequest(req, websocket) {
      given = websocket;
      t.log('finishRequest', req, arguments.length, websocket.readyState);
      setImmediate(() => {
        req.setHeader('X-Late', 'yes');
        req.end();
      });
    }
  });

  t.log(given === ws);
  await t.event(ws, 'open');
  t.log(ws.readyState);
});

behaviour('client: createConnection', async (t) => {
  const port = await t.rawWebSocketServer();
  const ws = t.connect('ws://example.com:1234/', {
    createConnection(options) {
      t.log('createConnection', options.host, options.port, options.path, options.method, this === undefined);
      return require('node:net').connect({ host: '127.0.0.1', port });
    }
  });

  await t.event(ws, 'open');
  t.log(ws.url, ws._socket.remotePort === port);
});

behaviour('client: the host and the port that are connected to', async (t) => {
  for (const url of ['ws://[::1]:8080/', 'ws://[::1]/', 'ws://127.1/', 'ws://EXAMPLE.com:80/', 'ws://bücher.example:1/', 'ws+unix:/tmp/x:/y']) {
    await new Promise((resolve) => {
      const ws = t.connect(url, {
        createConnection({ host, port, path, socketPath }) {
          t.log(url, host, port, path, socketPath);
          return new PassThrough();
        }
      });

      ws.on('error', () => {});
      ws.on('close', resolve);
      ws.terminate();
    });
  }
});

behaviour('client: an agent', async (t) => {
  const http = require('node:http');
  const port = await t.rawWebSocketServer((peer) => {
    t.channel('server')(/host: .*/i.exec(peer.requestHead) + '');
  });

  class Agent extends http.Agent {
    addRequest(req, options) {
      t.log('addRequest', options.host, options.port, options.path, Object.keys(options).includes('headers'));
      options.host = '127.0.0.1';
      options.port = port;
      super.addRequest(req, options);
    }
  }
  const ws = t.connect('ws://example.com:4321/', { agent: new Agent() });

  await t.event(ws, 'open');
});

behaviour('client: generateMask', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    for (const received of await peer.frames(3)) t.channel('server')(String(received), received.key);
  });
  let n = 0;
  const ws = t.connect(port, {
    generateMask(mask) {
      t.log('generateMask', Buffer.isBuffer(mask), mask.length, arguments.length);
      mask.fill(++n);
    }
  });

  await t.event(ws, 'open');
  ws.send('first');
  ws.ping('second');
  ws.close(1000, 'third');
  await t.turns(3);
});

exchange('ws+unix: with a path and a query', async (t) => {
  const path = t.socketPath();
  const server = require('node:http').createServer();

  await t.listen(server, path);
  const wss = new t.server.WebSocketServer({ server });

  wss.on('connection', (ws, req) => {
    t.channel('server')(req.url, /^localhost$/.test(req.headers.host) || req.headers.host);
    ws.send('x');
    ws.close();
  });
  const ws = t.observe(t.connect(`ws+unix:${path}:/foo?bar=bar`));

  t.log(ws.url.replace(path, 'PATH'));
  await t.event(ws, 'close');
});

exchange('ws+unix: without a path', async (t) => {
  const path = t.socketPath();
  const server = require('node:http').createServer();

  await t.listen(server, path);
  const wss = new t.server.WebSocketServer({ server });

  wss.on('connection', (ws, req) => {
    t.channel('server')(req.url);
    ws.close();
  });
  const ws = t.observe(t.connect(`ws+unix://${path}`));

  await t.event(ws, 'close');
});

behaviour('ws+unix: nobody listens', async (t) => {
  const path = t.socketPath();
  const ws = t.connect(`ws+unix:${path}`);
  const [err] = await t.event(ws, 'error');

  t.log(err.code, err.message.replace(path, 'PATH'));
});

exchange('protocolVersion 8 works, with its own header for the origin', async (t) => {
  const wss = await t.serve({
    verifyClient(info) {
      t.channel('server')(info.origin, info.req.headers['sec-websocket-version'], info.req.headers.origin);
      return true;
    }
  });
  const ws = t.observe(t.connect(wss.port, { protocolVersion: 8, origin: 'https://example.com' }));

  wss.on('connection', (peer) => peer.close());
  await t.event(ws, 'close');
});

exchange('a path, a query and headers reach the server', async (t) => {
  const wss = await t.serve({}, (peer, req) => {
    t.log(req.method, req.url, req.headers['x-foo'], req.headers.cookie, req.headers.origin);
    peer.close();
  });
  const ws = t.connect(`ws://127.0.0.1:${wss.port}/a/b?c=d`, {
    headers: { 'X-Foo': 'bar', Cookie: 'a=b' },
    origin: 'https://origin.example'
  });

  await t.event(ws, 'close');
});

exchange('subprotocols: the first is taken', async (t) => {
  const { ws, peer } = await t.pair({}, {}, ['one', 'two']);

  t.log(ws.protocol, peer.protocol);
});

behaviour('client: an error of the request after the upgrade event', async (t) => {
  const port = await t.rawWebSocketServer((peer) => peer.reset());
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'close');
});

behaviour('client: an error of the request when the connection is open, or has failed', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    await peer.frames(1);
    peer.end();
  });
  const ws = t.observe(t.connect(port));
  const request = ws._req;

  await t.event(ws, 'open');
  request.emit('error', new Error('late'));
  t.log(ws.readyState);
  ws.close();
  await t.event(ws, 'close');
  request.emit('error', new Error('later'));
  t.log(ws.readyState);
});

behaviour('client: an exception in createConnection', async (t) => {
  t.try('throws', () => t.connect('ws://example.com', {
    createConnection() {
      throw new Error('mine');
    }
  }));
});

behaviour('client: a lookup that fails', async (t) => {
  const ws = t.observe(t.connect('ws://nowhere.invalid', {
    lookup(hostname, options, callback) {
      t.log('lookup', hostname);
      const err = new Error('no such host');

      err.code = 'ENOTFOUND';
      process.nextTick(callback, err);
    }
  }));

  await t.event(ws, 'close');
});
