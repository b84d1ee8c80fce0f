'use strict';

const { behaviour } = require('./harness');

/** A server that answers each request with `answer(path, head)`; the Location or null for a 101. */
async function redirector(t, name, answer, status = '302 Found') {
  const log = t.channel(name);

  return t.rawServer(async (peer) => {
    const head = await peer.head();

    if (head === null) return;
    const path = head.split(' ')[1];
    const of = (header) => (new RegExp(`^${header}: (.*)$`, 'im').exec(head) || [])[1];

    log(path, 'authorization', of('authorization'), 'cookie', of('cookie'), 'host', of('host'), 'foo', of('foo'), 'origin', of('origin'));
    peer.key = of('sec-websocket-key');
    const location = answer(path);

    if (location === null) {
      peer.write(peer.acceptance());
    } else {
      peer.end(`HTTP/1.1 ${status}\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    }
  });
}

async function follow(t, target, options) {
  const ws = t.observe(t.connect(target, { followRedirects: true, ...options }), 'client');

  ws.on('open', () => {
    t.log('open', ws.url, ws._redirects);
    ws.terminate();
  });
  await t.event(ws, 'close');
  return ws;
}

const secret = { Authorization: 'Basic abc', Cookie: 'a=b', Host: 'foo.example', Foo: 'bar' };

behaviour('redirect: a path on the same host', async (t) => {
  const port = await redirector(t, 'server', (path) => (path === '/' ? '/next?x=1' : null));

  await follow(t, port, { headers: secret, origin: 'https://origin.example' });
});

behaviour('redirect: each status from 300 to 308', async (t) => {
  for (const status of ['300 x', '301 x', '303 x', '304 x', '305 x', '307 x', '308 x']) {
    const port = await redirector(t, `server ${status}`, (path) => (path === '/' ? '/next' : null), status);

    await follow(t, port);
  }
});

behaviour('redirect: another host loses authorization, cookie and host', async (t) => {
  const target = await redirector(t, 'target', () => null);
  const port = await redirector(t, 'server', () => `ws://127.0.0.1:${target}/there`);

  await follow(t, port, { headers: secret });
});

behaviour('redirect: auth of the URL is kept on the same host only', async (t) => {
  const target = await redirector(t, 'target', () => null);
  const port = await redirector(t, 'server', (path) => (path === '/' ? '/again' : `ws://localhost:${target}/there`));

  await follow(t, `ws://user:pass@127.0.0.1:${port}/`);
});

behaviour('redirect: auth of the new URL counts', async (t) => {
  const port = await redirector(t, 'server', (path) => (path === '/' ? `ws://new:user@127.0.0.1:${port}/next` : null));

  await follow(t, `ws://old:user@127.0.0.1:${port}/`);
});

behaviour('redirect: a redirect listener takes over, nothing is stripped', async (t) => {
  const target = await redirector(t, 'target', () => null);
  const port = await redirector(t, 'server', () => `ws://127.0.0.1:${target}/there`);
  const ws = t.connect(port, { followRedirects: true, headers: secret });

  ws.on('redirect', function (url, req) {
    t.log('redirect', this === ws, url, req, req === ws._req, req.getHeader('foo'), req.getHeader('authorization'), arguments.length);
    req.removeHeader('cookie');
  });
  await t.event(ws, 'open');
});

behaviour('redirect: abort in the redirect listener', async (t) => {
  const port = await redirector(t, 'server', () => '/next');
  const ws = t.observe(t.connect(port, { followRedirects: true }));

  ws.once('redirect', () => ws.terminate());
  await t.event(ws, 'close');
});

behaviour('redirect: maxRedirects', async (t) => {
  for (const maxRedirects of [0, 1, 3]) {
    const port = await redirector(t, `server ${maxRedirects}`, (path) => `/${Number(path.slice(1)) + 1}`);

    await follow(t, port, { maxRedirects });
  }
});

behaviour('redirect: ten by default', async (t) => {
  const port = await redirector(t, 'server', (path) => `/${Number(path.slice(1)) + 1}`);

  await follow(t, port);
});

behaviour('redirect: locations that are refused', async (t) => {
  for (const location of ['http://', 'ftp://example.com', 'ws://[', '/path#fragment', 'ws+unix:', 'mailto:x']) {
    const port = await redirector(t, `server of ${location}`, () => location);

    await follow(t, port);
  }
});

behaviour('redirect: http and https are ws and wss', async (t) => {
  const port = await redirector(t, 'server', (path) => (path === '/' ? `http://127.0.0.1:${port}/next` : null));

  await follow(t, port);
});

behaviour('redirect: from a host to a Unix socket', async (t) => {
  const path = t.socketPath();
  const http = require('node:http').createServer();

  await t.listen(http, path);
  http.on('upgrade', (req, socket) => {
    t.log(req.url, req.headers.authorization, req.headers.cookie, req.headers.foo, req.headers.host);
    socket.destroy();
  });
  const port = await redirector(t, 'server', () => `ws+unix:${path}:/there`);
  const ws = t.connect(port, { followRedirects: true, headers: secret });

  t.log(await t.event(ws, 'error'));
});

behaviour('redirect: a redirect without Location is an unexpected response', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.end('HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n');
  });

  await follow(t, port);
});

behaviour('redirect: then an unexpected response', async (t) => {
  const port = await t.rawServer(async (peer) => {
    const head = await peer.head();

    peer.end(head.startsWith('GET /next')
      ? 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
      : 'HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });

  await follow(t, port);
});

behaviour('redirect: protocols and options are sent again', async (t) => {
  const port = await t.rawServer(async (peer) => {
    const head = await peer.head();

    t.log(head.replace(/(Key: ).*/, '$1KEY').split('\r\n'));
    peer.end('HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  const ws = t.connect(port, ['one'], { followRedirects: true, maxRedirects: 1, origin: 'https://o.example', headers: { 'X-Foo': 'bar' } });

  t.log(await t.event(ws, 'error'));
});
