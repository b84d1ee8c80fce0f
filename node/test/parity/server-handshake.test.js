'use strict';

const { behaviour, exchange } = require('./harness');
const { KEY } = require('./peer');

/** Sends a request and logs the whole answer, and how the server ended. */
async function request(t, port, headers, line) {
  const peer = await t.rawSocket(port);

  peer.request(headers, line);
  const text = await peer.text();

  t.log(text.split('\r\n'), peer.ending);
}

/** One behaviour for each request that is refused. */
for (const [name, headers, line] of [
  ['method POST', {}, { method: 'POST' }],
  ['method HEAD', {}, { method: 'HEAD' }],
  ['method OPTIONS', {}, { method: 'OPTIONS' }],
  ['another Upgrade', { Upgrade: 'foo' }],
  ['Upgrade: websocket, foo', { Upgrade: 'websocket, foo' }],
  ['no key', { 'Sec-WebSocket-Key': null }],
  ['an empty key', { 'Sec-WebSocket-Key': '' }],
  ['a key of 15 octets', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25j' }],
  ['a key that is no Base64', { 'Sec-WebSocket-Key': 'P5l8BJcZwRc=' }],
  ['two keys', { 'Sec-WebSocket-Key': [KEY, KEY] }],
  ['no version', { 'Sec-WebSocket-Version': null }],
  ['version 12', { 'Sec-WebSocket-Version': 12 }],
  ['version 7', { 'Sec-WebSocket-Version': 7 }],
  ['version 1', { 'Sec-WebSocket-Version': 1 }],
  ['a version that is no number', { 'Sec-WebSocket-Version': 'x' }],
  ['two versions', { 'Sec-WebSocket-Version': [13, 8] }],
  ['subprotocols that cannot be parsed', { 'Sec-WebSocket-Protocol': 'foo;bar' }],
  ['empty subprotocols', { 'Sec-WebSocket-Protocol': '' }],
  ['a subprotocol twice', { 'Sec-WebSocket-Protocol': 'foo, foo' }]
]) {
  behaviour(`server refuses: ${name}`, async (t) => {
    const wss = await t.serve({}, () => t.log('connection'));

    await request(t, wss.port, headers, line);
  });

  behaviour(`server refuses with wsClientError: ${name}`, async (t) => {
    const wss = await t.serve({}, () => t.log('connection'));

    wss.on('wsClientError', function (err, socket, req) {
      t.log(this === wss, err, socket, req, arguments.length, socket.destroyed);
      socket.end('HTTP/1.1 418 Mine\r\n\r\n');
    });
    await request(t, wss.port, headers, line);
  });
}

for (const [name, headers] of [
  ['Upgrade: WEBSOCKET', { Upgrade: 'WEBSOCKET' }],
  ['version 8', { 'Sec-WebSocket-Version': 8 }],
  ['version 013', { 'Sec-WebSocket-Version': '013' }],
  ['Connection: keep-alive, Upgrade', { Connection: 'keep-alive, Upgrade' }],
  ['subprotocols with spaces', { 'Sec-WebSocket-Protocol': 'foo , \t bar' }],
  ['subprotocols in two headers', { 'Sec-WebSocket-Protocol': ['foo', 'bar'] }],
  ['an unknown extension', { 'Sec-WebSocket-Extensions': 'foo; bar=1' }],
  ['extensions that cannot be parsed, without compression', { 'Sec-WebSocket-Extensions': ';;' }],
  ['permessage-deflate, without compression', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }],
  ['no Host', { Host: null }]
]) {
  behaviour(`server accepts: ${name}`, async (t) => {
    const wss = await t.serve({}, (ws) => {
      t.log('protocol', ws.protocol, 'extensions', ws.extensions);
      ws.terminate();
    });

    await request(t, wss.port, headers);
  });
}

behaviour('server: a plain request is answered with 426', async (t) => {
  const wss = await t.serve();
  const peer = await t.rawSocket(wss.port);

  peer.request({ Upgrade: null, Connection: 'close' });
  t.log((await peer.text()).replace(/Date: .*\r\n/, '').split('\r\n'));
});

behaviour('server: a refused client that does not end its side is cut', async (t) => {
  const wss = await t.serve();
  const accepted = t.event(wss._server, 'connection');
  const peer = await t.rawSocket(wss.port, { allowHalfOpen: true });
  const [socket] = await accepted;
  const closed = t.event(socket, 'close');

  peer.request({ 'Sec-WebSocket-Key': null });
  t.log((await peer.text()).split('\r\n')[0], ...(await closed));
});

behaviour('server: what the socket is told when it is taken over', async (t) => {
  await t.scripted({
    verifyClient({ req: { socket } }) {
      for (const name of ['setTimeout', 'setNoDelay', 'setKeepAlive']) {
        socket[name] = (...args) => t.log(name, args);
      }
      return true;
    }
  });
  t.log('taken over');
});

behaviour('server: path', async (t) => {
  const wss = await t.serve({ path: '/foo' }, (ws, req) => {
    t.log('connection', req.url);
    ws.terminate();
  });

  for (const path of ['/foo', '/foo?bar', '/bar', '/', '/foo/', '/foobar', '/FOO', '/foo#x', '//foo']) {
    await request(t, wss.port, {}, { path });
  }
});

behaviour('server: shouldHandle can be replaced', async (t) => {
  const wss = await t.serve({}, (ws, req) => {
    t.log('connection', req.url);
    ws.terminate();
  });

  wss.shouldHandle = function (req) {
    t.log('shouldHandle', this === wss, req, arguments.length);
    return req.url === '/yes';
  };
  await request(t, wss.port, {}, { path: '/yes' });
  await request(t, wss.port, {}, { path: '/no' });
});

behaviour('server: shouldHandle by subclass', async (t) => {
  class Server extends t.server.WebSocketServer {
    shouldHandle(req) {
      return super.shouldHandle(req) && req.headers['x-ok'] === '1';
    }
  }
  const wss = t.track(new Server({ port: 0, host: '127.0.0.1', path: '/p' }));

  await t.event(wss, 'listening');
  wss.on('connection', (ws) => ws.terminate());
  await request(t, wss.address().port, {}, { path: '/p' });
  await request(t, wss.address().port, { 'X-Ok': 1 }, { path: '/p' });
});

behaviour('server: shouldHandle changes what is offered', async (t) => {
  const wss = await t.serve({ perMessageDeflate: true, handleProtocols: (protocols) => [...protocols].at(-1) });

  wss.shouldHandle = (req) => {
    req.headers['sec-websocket-protocol'] += ', b';
    delete req.headers['sec-websocket-extensions'];
    req.headers['sec-websocket-version'] = '7';
    return true;
  };
  wss.on('connection', (ws) => {
    t.log(ws.protocol, ws.extensions);
    ws.terminate();
  });
  await request(t, wss.port, { 'Sec-WebSocket-Protocol': 'a', 'Sec-WebSocket-Extensions': 'permessage-deflate' });
});

behaviour('handleUpgrade: what was changed of the headers before', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => {
    req.headers['sec-websocket-protocol'] = 'mine';
    req.headers['sec-websocket-version'] = req.url === '/' ? '13' : '7';
    wss.handleUpgrade(req, socket, head, (ws) => {
      t.log(ws.protocol);
      ws.terminate();
    });
  });
  await request(t, server.port, { 'Sec-WebSocket-Protocol': 'a' });
  await request(t, server.port, { 'Sec-WebSocket-Protocol': 'a' }, { path: '/other' });
});

behaviour('server: shouldHandle, called by hand', async (t) => {
  const wss = new t.impl.WebSocketServer({ noServer: true, path: '/foo' });

  for (const url of ['/foo', '/foo?x', '/bar', '/foo/', '/foo?', '/foo?x?y', '?/foo', '', ['/foo'], ['/foo', '?'], ['?']]) {
    t.log(url, wss.shouldHandle({ url }));
  }
  t.log(new t.impl.WebSocketServer({ noServer: true }).shouldHandle({ url: '/x' }));
});

behaviour('verifyClient: what it is given', async (t) => {
  const wss = await t.serve({
    verifyClient(info) {
      t.log(this === wss.options, Object.keys(info), info.origin, info.secure, info.req, arguments.length);
      return true;
    }
  });

  wss.on('connection', (ws) => ws.terminate());
  await request(t, wss.port, { Origin: 'https://a.example', 'Sec-WebSocket-Origin': 'https://b.example' });
  await request(t, wss.port, { Origin: 'https://a.example', 'Sec-WebSocket-Origin': 'https://b.example', 'Sec-WebSocket-Version': 8 });
  await request(t, wss.port);
});

behaviour('verifyClient: what is false refuses with 401', async (t) => {
  for (const value of [false, undefined, null, 0, '', NaN]) {
    const wss = await t.serve({ verifyClient: () => value });

    wss.on('wsClientError', () => t.log('wsClientError'));
    await request(t, wss.port);
  }
});

behaviour('verifyClient: what is true accepts', async (t) => {
  for (const value of [true, 1, 'x', {}, Promise.resolve(false)]) {
    const wss = await t.serve({ verifyClient: () => value }, (ws) => ws.terminate());

    await request(t, wss.port);
  }
});

behaviour('verifyClient: asynchronous refusals', async (t) => {
  for (const args of [
    [false], [false, 403], [false, 404, 'Not here'], [false, 401, 'x', { 'WWW-Authenticate': 'Basic', 'Content-Type': 'text/plain' }],
    [false, 0, ''], [undefined], [false, 429, undefined, { 'Retry-After': 120 }], [false, 400, 'grüße']
  ]) {
    const wss = await t.serve({
      verifyClient(info, callback) {
        t.log(Object.keys(info), typeof callback, arguments.length);
        setImmediate(callback, ...args);
      }
    });

    await request(t, wss.port);
  }
});

behaviour('verifyClient: asynchronous acceptance', async (t) => {
  const wss = await t.serve({ verifyClient: (info, callback) => setImmediate(callback, true, 999, 'x') }, (ws) => {
    t.log('connection');
    ws.terminate();
  });

  await request(t, wss.port);
});

behaviour('verifyClient: the client goes before the answer', async (t) => {
  let answer;
  const asked = new Promise((resolve) => {
    answer = resolve;
  });
  const wss = await t.serve({ verifyClient: (info, callback) => answer([info, callback]) }, () => t.log('connection'));
  const peer = await t.rawSocket(wss.port);

  peer.request();
  const [info, callback] = await asked;

  peer.reset();
  await t.event(info.req.socket, 'close');
  t.try('callback', () => callback(true));
  t.log(wss.clients.size);
});

behaviour('verifyClient: the server closes before the answer', async (t) => {
  let answer;
  const asked = new Promise((resolve) => {
    answer = resolve;
  });
  const wss = await t.serve({ verifyClient: (info, callback) => answer([info, callback]) }, () => t.log('connection'));
  const peer = await t.rawSocket(wss.port);

  peer.request();
  const [, callback] = await asked;

  wss.close();
  callback(true);
  t.log((await peer.text()).split('\r\n'));
});

behaviour('verifyClient comes after the checks of the request', async (t) => {
  const wss = await t.serve({ verifyClient: () => t.log('verifyClient'), path: '/x' });

  await request(t, wss.port, {}, { path: '/y' });
  await request(t, wss.port, { 'Sec-WebSocket-Version': 1 }, { path: '/x' });
});

behaviour('handleProtocols: what it is given and what it may return', async (t) => {
  for (const value of ['bar', 'other', false, '', undefined, null]) {
    const wss = await t.serve({
      handleProtocols(protocols, req) {
        t.log(this === wss.options, protocols, req, arguments.length);
        return value;
      }
    }, (ws) => {
      t.log('protocol', ws.protocol);
      ws.terminate();
    });

    await request(t, wss.port, { 'Sec-WebSocket-Protocol': 'foo, bar' });
  }
});

behaviour('handleProtocols is not called without subprotocols', async (t) => {
  const wss = await t.serve({ handleProtocols: () => t.log('called') }, (ws) => ws.terminate());

  await request(t, wss.port);
});

exchange('handleProtocols: the client sees the choice', async (t) => {
  const { ws, peer } = await t.pair({ handleProtocols: (protocols) => [...protocols].pop() }, {}, ['a', 'b', 'c']);

  t.log(ws.protocol, peer.protocol);
});

exchange('handleProtocols: false fails a client that asked', async (t) => {
  const wss = await t.serve({ handleProtocols: () => false });
  const ws = t.observe(t.connect(wss.port, 'foo'));

  await t.event(ws, 'close');
});

behaviour('headers event: the lines, which may be changed', async (t) => {
  const wss = await t.serve({ perMessageDeflate: true }, (ws) => ws.terminate());

  wss.on('headers', (headers, req) => {
    t.log(headers, req.url);
    headers.push('Set-Cookie: a=b', 'X-Mine: yes');
  });
  await request(t, wss.port, { 'Sec-WebSocket-Protocol': 'p', 'Sec-WebSocket-Extensions': 'permessage-deflate' });
});

behaviour('wsClientError: nothing is done for the listener', async (t) => {
  const wss = await t.serve();
  const peer = await t.rawSocket(wss.port);
  const error = t.event(wss, 'wsClientError');

  peer.request({ 'Sec-WebSocket-Key': null });
  const [err, socket] = await error;

  t.log(err, socket.destroyed, socket.writableEnded, socket.listenerCount('error') > 0);
  socket.destroy();
  t.log(await peer.ended());
});

behaviour('server: an error of the socket before the upgrade is complete', async (t) => {
  const wss = await t.serve({
    verifyClient(info, callback) {
      info.req.socket.emit('error', new Error('mine'));
      t.log(info.req.socket.destroyed);
      callback(true);
    }
  }, () => t.log('connection'));
  const peer = await t.rawSocket(wss.port);

  peer.request();
  t.log(await peer.text());
});

behaviour('handleUpgrade: twice with the same socket throws', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, (ws) => {
      t.log('first', ws.readyState);
      t.try('second', () => wss.handleUpgrade(req, socket, head, () => t.log('called')));
      t.adopt(ws).terminate();
    });
  });
  const peer = await t.rawSocket(server.port);

  peer.request();
  await peer.text();
});

behaviour('handleUpgrade: by two servers with the same HTTP server throws', async (t) => {
  const server = await t.httpServer();
  const wss1 = new t.impl.WebSocketServer({ server });

  server.on('upgrade', (req, socket, head) => {
    t.try('second', () => new t.impl.WebSocketServer({ noServer: true }).handleUpgrade(req, socket, head, () => {}));
    socket.destroy();
  });
  wss1.on('connection', () => t.log('connection'));
  const peer = await t.rawSocket(server.port);

  peer.request();
  await peer.text();
});

behaviour('handleUpgrade: noServer, callback and no connection event', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  wss.on('connection', () => t.log('connection'));
  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, function (ws, request) {
      t.log(ws, request === req, arguments.length, wss.clients.has(ws), ws._socket === socket);
      t.adopt(ws).terminate();
    });
    t.log('after handleUpgrade');
  });
  const peer = await t.rawSocket(server.port);

  peer.request();
  t.log((await peer.text()).split('\r\n'));
});

behaviour('handleUpgrade: a refused request does not call back', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, () => t.log('called'));
  });
  await request(t, server.port, { 'Sec-WebSocket-Version': 9 });
});

behaviour('handleUpgrade: after close() answers 503', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  wss.close();
  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, () => t.log('called'));
  });
  await request(t, server.port);
});

exchange('handleUpgrade: a socket that is a Duplex of any kind', async (t) => {
  const { Duplex } = require('node:stream');
  const server = await t.httpServer();
  const wss = new t.server.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => {
    const wrapped = new Duplex({
      read() {
        socket.resume();
      },
      write(chunk, encoding, callback) {
        socket.write(chunk, encoding, callback);
      },
      final(callback) {
        socket.end(callback);
      },
      destroy(err, callback) {
        socket.destroy();
        callback(err);
      }
    });

    socket.on('data', (chunk) => {
      if (!wrapped.push(chunk)) socket.pause();
    });
    socket.on('end', () => wrapped.push(null));
    socket.on('error', () => {});
    wss.handleUpgrade(req, wrapped, head, (ws) => {
      t.adopt(ws);
      ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
      ws.on('close', (code, reason) => t.channel('server')('close', code, reason));
    });
  });
  const ws = t.observe(t.connect(server.port), 'client');

  ws.on('open', () => ws.send('through a Duplex'));
  ws.on('message', () => ws.close(1000, 'x'));
  await t.event(ws, 'close');
});

behaviour('extra arguments of emit("connection") reach the listener', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  wss.on('connection', function (ws, req, client, ...rest) {
    t.log(ws, req, client, rest, arguments.length);
    t.adopt(ws).terminate();
  });
  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, (ws) => {
      wss.emit('connection', ws, req, { user: 'me' }, 1, 2);
    });
  });
  const peer = await t.rawSocket(server.port);

  peer.request();
  await peer.text();
});
