'use strict';

const { behaviour, exchange } = require('./harness');

behaviour('address(): port, unix socket, noServer, closed', async (t) => {
  const wss = await t.serve();
  const { address, family, port } = wss.address();

  t.log(address, family, typeof port);
  wss.close();
  t.log(wss.address());
  t.try('noServer', () => new t.impl.WebSocketServer({ noServer: true }).address());
  const path = t.socketPath();
  const server = require('node:http').createServer();

  await t.listen(server, path);
  t.log(new t.impl.WebSocketServer({ server }).address() === path);
  t.log(new t.impl.WebSocketServer({ server: require('node:http').createServer() }).address());
});

behaviour('address() before listening', async (t) => {
  const wss = t.track(new t.impl.WebSocketServer({ port: 0, host: '127.0.0.1' }));

  t.log(wss.address() === null || typeof wss.address());
  await t.event(wss, 'listening');
});

behaviour('clients: a Set that follows connections', async (t) => {
  const { wss, ws, peer } = await t.scripted();

  t.log(wss.clients instanceof Set, wss.clients.size, wss.clients.has(ws));
  ws.on('close', () => t.log('close', wss.clients.size));
  peer.end();
  await t.event(ws, 'close');
  t.log(wss.clients.size);
});

behaviour('clients: removed before or after the listeners of close', async (t) => {
  const wss = await t.serve({}, (ws) => {
    ws.prependListener('close', () => t.log('prepended', wss.clients.size));
    ws.on('close', () => t.log('added in connection', wss.clients.size));
  });
  const peer = await t.rawClient(wss.port);
  const [ws] = wss.clients;

  peer.end();
  await t.event(ws, 'close');
});

behaviour('clientTracking: false', async (t) => {
  const wss = await t.serve({ clientTracking: false }, (ws) => t.log('connection', ws.readyState, wss.clients));
  const peer = await t.rawClient(wss.port);

  await t.turns(2);
  wss.close((err) => t.log('closed', err));
  peer.end();
  await t.event(wss, 'close');
});

behaviour('close(): emits close, calls back, refuses connections', async (t) => {
  const wss = await t.serve();
  const { port } = wss;

  wss.on('close', () => t.log('close event', wss._state));
  wss.close(function (...args) {
    t.log('callback', args, this === wss);
  });
  t.log('synchronous end', wss._state, wss._server);
  await t.event(wss, 'close');
  const ws = t.connect(port);

  t.log(await t.event(ws, 'error'));
});

behaviour('close(): waits for clients', async (t) => {
  const { wss, ws, peer } = await t.scripted();

  wss.on('close', () => t.log('close event', wss.clients.size));
  wss.close(() => t.log('callback'));
  await t.turns(10);
  t.log('still open', ws.readyState, wss.clients.size);
  ws.send('still works');
  t.channel('peer')(await peer.describeFrames(1));
  ws.terminate();
  await t.event(wss, 'close');
});

behaviour('close(): twice while closing', async (t) => {
  const { wss, ws } = await t.scripted();

  wss.on('close', () => t.log('close event'));
  wss.close((err) => t.log('first', err));
  wss.close((err) => t.log('second', err));
  wss.close();
  ws.terminate();
  await t.event(wss, 'close');
  await t.turns(2);
});

behaviour('close(): after closed calls back with an error', async (t) => {
  const wss = await t.serve();

  wss.on('close', () => t.log('close event'));
  wss.close();
  await t.event(wss, 'close');
  wss.close((err) => t.log('callback', err));
  t.log('synchronous end');
  await t.event(wss, 'close');
  wss.close();
  await t.event(wss, 'close');
});

behaviour('close(): noServer, with and without clients', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, (ws) => t.adopt(ws)));
  const peer = await t.rawClient(server.port);

  wss.on('close', () => t.log('close event', wss.clients.size));
  wss.close(() => t.log('callback'));
  await t.turns(5);
  t.log('waiting', wss.clients.size);
  peer.end();
  await t.event(wss, 'close');
  const other = new t.impl.WebSocketServer({ noServer: true });

  other.close(() => t.log('other closed'));
  t.log('synchronous end');
  await t.event(other, 'close');
});

behaviour('close(): noServer without clientTracking does not wait', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true, clientTracking: false });

  server.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, (ws) => t.adopt(ws)));
  await t.rawClient(server.port);
  wss.close(() => t.log('callback'));
  await t.event(wss, 'close');
});

behaviour('close(): an external server goes on, without our listeners', async (t) => {
  const server = await t.httpServer((req, res) => res.end('ok'));
  const before = ['listening', 'error', 'upgrade'].map((name) => server.listenerCount(name));
  const wss = new t.impl.WebSocketServer({ server });

  t.log(['listening', 'error', 'upgrade'].map((name, i) => server.listenerCount(name) - before[i]));
  wss.close(() => t.log('callback'));
  t.log(['listening', 'error', 'upgrade'].map((name, i) => server.listenerCount(name) - before[i]));
  await t.event(wss, 'close');
  t.log(server.listening);
  const peer = await t.rawSocket(server.port);

  peer.request({ Upgrade: null, Connection: 'close' });
  t.log((await peer.text()).endsWith('ok\r\n0\r\n\r\n') || 'answered');
});

behaviour('close(): a connection that comes while closing is answered 503', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ noServer: true });

  server.on('upgrade', (req, socket, head) => {
    wss.close();
    wss.handleUpgrade(req, socket, head, () => t.log('called'));
  });
  const peer = await t.rawSocket(server.port);

  peer.request();
  t.log((await peer.text()).split('\r\n'));
});

behaviour('events of an external server are passed on', async (t) => {
  const server = require('node:http').createServer();
  const wss = new t.impl.WebSocketServer({ server });

  wss.on('listening', function (...args) {
    t.log('listening', this === wss, args);
  });
  wss.on('error', function (err) {
    t.log('error', this === wss, err);
  });
  await t.listen(server);
  server.emit('error', new Error('mine'));
  t.log('end');
});

exchange('several servers on one HTTP server, by path', async (t) => {
  const server = await t.httpServer();
  const one = new t.server.WebSocketServer({ noServer: true });
  const two = new t.server.WebSocketServer({ noServer: true });

  one.on('connection', (ws) => ws.send('one'));
  two.on('connection', (ws) => ws.send('two'));
  server.on('upgrade', (req, socket, head) => {
    const wss = { '/one': one, '/two': two }[req.url];

    if (wss) wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws, req));
    else socket.destroy();
  });
  for (const path of ['/one', '/two', '/three']) {
    const ws = t.observe(t.connect(`ws://127.0.0.1:${server.port}${path}`), path);

    ws.on('message', () => ws.terminate());
    await t.event(ws, 'close');
  }
});

behaviour('two servers with `path` on one HTTP server: the second refuses', async (t) => {
  const server = await t.httpServer();
  const wss = new t.impl.WebSocketServer({ server, path: '/one' });

  wss.on('connection', (ws) => t.adopt(ws).terminate());
  for (const path of ['/one', '/two']) {
    const peer = await t.rawSocket(server.port);

    peer.request({}, { path });
    t.log(path, (await peer.text()).split('\r\n'));
  }
});

exchange('the WebSocket option: a class of one’s own', async (t) => {
  class Mine extends t.server.WebSocket {
    constructor(...args) {
      super(...args);
      t.log('constructed', args[0], args[1], typeof args[2], args.length);
    }

    hello() {
      return 'hello';
    }
  }
  const wss = await t.serve({ WebSocket: Mine }, (ws) => {
    t.log(ws instanceof Mine, ws.constructor.name, ws.hello());
    ws.send('x');
    ws.close(1000);
  });
  const ws = t.observe(t.connect(wss.port), 'client');

  await t.event(ws, 'close');
});

exchange('class X extends WebSocket as a client', async (t) => {
  class Mine extends t.client.WebSocket {
    constructor(url) {
      super(url, [], { headers: { 'X-Mine': 1 } });
      this.mine = true;
    }

    send(data, ...rest) {
      t.log('send', data);
      super.send(`${data}!`, ...rest);
    }

    emit(name, ...args) {
      t.log('emit', name);
      return super.emit(name, ...args);
    }
  }
  const wss = await t.serve({}, (peer, req) => {
    t.channel('server')(req.headers['x-mine']);
    peer.on('message', (data) => peer.close(1000, data));
  });
  const ws = new Mine(`ws://127.0.0.1:${wss.port}`);

  t.adopt(ws);
  ws.on('open', () => ws.send('subclass'));
  const [code, reason] = await t.event(ws, 'close');

  t.log(code, reason, ws.mine, ws instanceof t.client.WebSocket);
});

behaviour('subclass methods that are called by the library', async (t) => {
  const calls = t.channel('calls');

  class Mine extends t.impl.WebSocket {
    close(...args) {
      calls('close', args);
      super.close(...args);
    }

    pong(...args) {
      calls('pong', args.slice(0, 2));
      super.pong(...args);
    }

    terminate() {
      calls('terminate');
      super.terminate();
    }

    emitClose() {
      calls('emitClose');
      super.emitClose();
    }

    setSocket(...args) {
      calls('setSocket', args[0].constructor.name, args[1], Object.keys(args[2]), args.length);
      super.setSocket(...args);
    }

    pause() {
      calls('pause');
      super.pause();
    }

    resume() {
      calls('resume');
      super.resume();
    }
  }
  const { ws, peer } = await t.scripted({ WebSocket: Mine });

  peer.sendMasked(9, 'p');
  peer.sendMasked(1, 'x');
  peer.sendMasked(8, Buffer.from([3, 232, 104, 105]));
  await t.event(ws, 'close');
});

behaviour('a subclass of the server', async (t) => {
  class Mine extends t.impl.WebSocketServer {
    handleUpgrade(req, socket, head, cb) {
      t.log('handleUpgrade', req.url);
      super.handleUpgrade(req, socket, head, cb);
    }

    completeUpgrade(...args) {
      t.log('completeUpgrade', args.length, args[1], args[2]);
      super.completeUpgrade(...args);
    }
  }
  const wss = t.track(new Mine({ port: 0, host: '127.0.0.1' }));

  await t.event(wss, 'listening');
  wss.on('connection', (ws) => t.adopt(ws).terminate());
  const peer = await t.rawSocket(wss.address().port);

  peer.request();
  await peer.text();
});

behaviour('the server ignores what its clients emit', async (t) => {
  const { wss, ws, peer } = await t.scripted();

  wss.on('error', () => t.log('error of the server'));
  ws.on('error', (err) => t.log('error of the client', err));
  peer.sendMasked(5, 'x');
  await t.event(ws, 'close');
});

exchange('expandos and isAlive: the heartbeat of the field', async (t) => {
  const { wss, ws, peer } = await t.pair();

  peer.isAlive = true;
  peer.on('pong', function () {
    this.isAlive = true;
  });
  const beat = () => wss.clients.forEach((each) => {
    if (each.isAlive === false) return each.terminate();
    each.isAlive = false;
    each.ping();
  });

  beat();
  await t.event(peer, 'pong');
  t.log(peer.isAlive);
  ws._autoPong = false;
  ws.pause();
  beat();
  beat();
  t.log(await t.event(peer, 'close'));
});

exchange('broadcast to all and to all but one', async (t) => {
  const wss = await t.serve({}, (peer) => {
    peer.on('message', (data, isBinary) => {
      wss.clients.forEach((each) => {
        if (each !== peer && each.readyState === t.server.WebSocket.OPEN) each.send(data, { binary: isBinary });
      });
    });
  });
  const all = [];

  for (let i = 0; i < 3; i++) {
    const ws = t.connect(wss.port);
    const log = t.channel(`client ${i}`);

    ws.on('message', (data, isBinary) => log(data, isBinary));
    await t.event(ws, 'open');
    all.push(ws);
  }
  const others = [t.event(all[1], 'message'), t.event(all[2], 'message')];

  all[0].send('hello');
  await Promise.all(others);
});

exchange('the address of the client and x-forwarded-for', async (t) => {
  const wss = await t.serve({}, (peer, req) => {
    t.log(req.socket.remoteAddress, req.headers['x-forwarded-for'], peer._socket.remoteAddress, peer._socket === req.socket);
    peer.close();
  });
  const ws = t.connect(wss.port, { headers: { 'X-Forwarded-For': '203.0.113.7, 198.51.100.1' } });

  await t.event(ws, 'close');
});
