'use strict';

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');

const certificate = require('../unit/support/certificate');
const { behaviour, exchange } = require('./harness');

async function secure(t, options, onConnection) {
  const server = https.createServer({ ...certificate, ...options });

  server.on('tlsClientError', () => {});
  const port = await t.listen(server);
  const wss = new t.server.WebSocketServer({ server });

  if (onConnection) wss.on('connection', onConnection);
  return port;
}

exchange('wss: an exchange', async (t) => {
  const port = await secure(t, {}, (peer, req) => {
    t.channel('server')(req.socket.encrypted, peer._socket === req.socket);
    t.observe(peer, 'server socket');
    peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
  });
  const ws = t.observe(t.connect(`wss://localhost:${port}`, { ca: certificate.cert }), 'client');

  ws.on('open', () => {
    t.log(ws._socket.authorized, ws._socket.constructor.name);
    ws.send('over TLS');
    ws.send(Buffer.alloc(200000, 5));
  });
  ws.once('message', () => ws.once('message', () => ws.close(1000, 'x')));
  await t.event(ws, 'close');
});

behaviour('wss: a certificate that is not trusted', async (t) => {
  const port = await secure(t);
  const ws = t.observe(t.connect(`wss://localhost:${port}`));

  await t.event(ws, 'close');
});

exchange('wss: rejectUnauthorized: false', async (t) => {
  const port = await secure(t, {}, (peer) => peer.close());
  const ws = t.observe(t.connect(`wss://127.0.0.1:${port}`, { rejectUnauthorized: false }));

  ws.on('open', () => t.log(ws._socket.authorized));
  await t.event(ws, 'close');
});

behaviour('wss: the name does not match', async (t) => {
  const port = await secure(t);
  const ws = t.observe(t.connect(`wss://127.0.0.1:${port}`, { ca: certificate.cert, servername: 'other.example' }));

  await t.event(ws, 'close');
});

behaviour('wss: servername', async (t) => {
  const log = t.channel('server');

  for (const [host, servername] of [['localhost', undefined], ['127.0.0.1', undefined], ['127.0.0.1', 'localhost'], ['localhost', '']]) {
    const port = await secure(t, {
      SNICallback(name, callback) {
        log('SNI', name);
        callback(null, tls.createSecureContext(certificate));
      }
    }, (peer) => peer.close());
    const options = { ca: certificate.cert, rejectUnauthorized: false };

    if (servername !== undefined) options.servername = servername;
    const ws = t.connect(`wss://${host}:${port}`, options);

    t.log(host, await t.event(ws, 'close'));
  }
});

exchange('wss: a client certificate makes `secure` and `authorized`', async (t) => {
  const server = https.createServer({ ...certificate, ca: certificate.cert, requestCert: true });
  const port = await t.listen(server);
  const wss = new t.server.WebSocketServer({
    server,
    verifyClient(info) {
      t.log(info.secure, info.req.client.authorized);
      return info.req.client.authorized;
    }
  });

  wss.on('connection', (peer) => peer.close());
  const ws = t.observe(t.connect(`wss://localhost:${port}`, { ...certificate, ca: certificate.cert }), 'client');

  await t.event(ws, 'close');
});

behaviour('wss to a server without TLS', async (t) => {
  const wss = await t.serve();
  const ws = t.connect(`wss://127.0.0.1:${wss.port}`);
  const [err] = await t.event(ws, 'error');

  t.log(err.code, err instanceof Error);
});

behaviour('ws to a server with TLS', async (t) => {
  const port = await secure(t);
  const ws = t.connect(`ws://127.0.0.1:${port}`);
  const [err] = await t.event(ws, 'error');

  t.log(err.code);
});

exchange('https: in the URL', async (t) => {
  const port = await secure(t, {}, (peer) => peer.close());
  const ws = t.connect(`https://localhost:${port}/p`, { ca: certificate.cert });

  t.log(ws.url, await t.event(ws, 'close'));
});

exchange('wss: an https.Agent', async (t) => {
  const port = await secure(t, {}, (peer) => peer.close());
  const agent = new https.Agent({ ca: certificate.cert });
  const ws = t.connect(`wss://localhost:${port}`, { agent });

  t.after(() => agent.destroy());
  t.log(await t.event(ws, 'close'));
});

exchange('wss: reset in the middle', async (t) => {
  const port = await secure(t, {}, (peer) => peer.on('message', () => peer._socket.destroy()));
  const ws = t.observe(t.connect(`wss://localhost:${port}`, { ca: certificate.cert }), 'client');

  ws.on('open', () => ws.send('x'));
  await t.event(ws, 'close');
});

behaviour('redirect from wss to ws on the same host and port loses secrets, but keeps the host', async (t) => {
  const secure = https.createServer(certificate, (req, res) => {
    t.channel('secure')(req.headers.authorization, req.headers.cookie, req.headers.host);
    res.writeHead(302, { Location: `ws://localhost:${port}/next`, Connection: 'close' });
    res.end();
  });
  const plain = http.createServer((req, res) => res.end());

  plain.on('upgrade', (req, socket) => {
    t.channel('plain')(req.headers.authorization, req.headers.cookie, req.headers.host);
    socket.destroy();
  });
  // A TLS record begins with 22.
  const front = net.createServer((socket) => {
    socket.once('data', (chunk) => {
      socket.pause();
      socket.unshift(chunk);
      (chunk[0] === 22 ? secure : plain).emit('connection', socket);
      process.nextTick(() => socket.resume());
    });
  });
  const port = await t.listen(front);
  const ws = t.connect(`wss://localhost:${port}`, {
    ca: certificate.cert,
    followRedirects: true,
    headers: { Authorization: 'x', Cookie: 'y', Host: 'example.com' }
  });

  ws.on('error', () => {});
  await t.event(ws, 'close');
});

behaviour('redirect from wss to ws loses secrets', async (t) => {
  const target = await t.rawServer(async (peer) => {
    const head = await peer.head();

    t.log(/authorization: .*/i.exec(head) + '', /cookie: .*/i.exec(head) + '', /host: .*/i.exec(head) + '');
    peer.end();
  });
  const server = https.createServer(certificate, (req, res) => {
    res.writeHead(302, { Location: `ws://localhost:${target}/` });
    res.end();
  });
  const port = await t.listen(server);
  const ws = t.connect(`wss://localhost:${port}`, {
    ca: certificate.cert,
    followRedirects: true,
    headers: { Authorization: 'x', Cookie: 'y' }
  });

  t.log(await t.event(ws, 'error'));
});
