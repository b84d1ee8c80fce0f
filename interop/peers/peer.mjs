// npm `ws`: `node peer.mjs client ADDRESS` runs the checks against our server, `node peer.mjs server`
// is a server for our client, with the actions that ours has.

import { createServer } from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { Checks, Line, corpus, echoes, equal, negotiated, records, run } from './checks.mjs';

/** The options of `ws` that the words of a configuration stand for. */
function perMessageDeflate(words) {
  if (!words.startsWith('deflate')) return false;
  const options = { threshold: 0 };
  for (const word of words.split(';').slice(1)) {
    const [name, bits] = word.split('=');
    const option = name.replace(/_./g, (letters) => letters[1].toUpperCase());
    if (name !== 'fragments') options[option] = bits === undefined || Number(bits);
  }
  return options;
}

/** Sends a message in three frames. */
function sendInFragments(socket, data) {
  const binary = typeof data !== 'string';
  const octets = Buffer.from(data);
  const third = Math.ceil(octets.length / 3);
  socket.send(octets.subarray(0, third), { binary, fin: false });
  socket.send(octets.subarray(third, 2 * third), { binary, fin: false });
  socket.send(octets.subarray(2 * third), { binary, fin: true });
}

async function client(address) {
  const servers = await (await fetch(`http://${address}/servers`)).json();
  const checks = new Checks(console.log);
  const check = checks.check.bind(checks);
  const url = (words, action) => `ws://${servers[words]}/${action}`;
  const answers = new WeakMap();
  const open = (to, protocols, options) => {
    const socket = new WebSocket(to, protocols, options);
    socket.once('upgrade', ({ headers }) => answers.set(socket, headers));
    return socket;
  };
  // `ws` says in `extensions` only their names.
  const extensions = (socket) => answers.get(socket)['sec-websocket-extensions'] ?? '';
  const connect = (words, action, options) =>
    new Line(open(url(words, action), [], options)).opened;
  await run(checks, (to, protocols) =>
    open(to, protocols, { perMessageDeflate: { threshold: 0 } }), extensions, servers);

  for (const words of ['plain', 'deflate']) {
    await check(`${words}: the client sends fragments`, async () => {
      const line = await connect(words, 'echo', { perMessageDeflate: perMessageDeflate(words) });
      const text = records(0, 100_000);
      sendInFragments(line.socket, text);
      equal(await line.next(), text);
      sendInFragments(line.socket, '');
      equal(await line.next(), '');
      await line.close();
    });
  }
  await check('the client pings', async () => {
    const line = await connect('plain', 'echo');
    for (const payload of ['', 'still there?', 'x'.repeat(125)]) {
      const pong = new Promise((resolve) => line.socket.once('pong', resolve));
      line.socket.ping(payload);
      equal(String(await pong), payload);
    }
    await line.close();
  });
  await check('the client terminates', async () => {
    const line = await connect('plain', 'seen');
    const id = await line.next();
    line.socket.terminate();
    const report = await connect('plain', 'report');
    report.socket.send(id);
    equal(await report.next(), 'gone');
    await report.close();
  });
  await check('version 8', async () => {
    await echoes(await connect('plain', 'echo', { protocolVersion: 8 }), ['eight']);
  });
  await check('404 with its body', async () => {
    const socket = new WebSocket(url('plain', 'refused'));
    const response = await new Promise((resolve, reject) => {
      socket.on('unexpected-response', (_, response) => resolve(response));
      socket.on('open', () => reject(new Error('was accepted')));
    });
    equal(response.statusCode, 404);
    let body = '';
    for await (const chunk of response) body += chunk;
    equal(body.includes('nothing is here'), true);
  });
  await check('426 for a plain request', async () => {
    const response = await fetch(url('plain;fragments', '').replace('ws:', 'http:'));
    equal(response.status, 426);
    equal(response.headers.get('upgrade'), 'websocket');
    equal((await response.text()).length > 0, true);
  });
  const parameters = (words) => words.startsWith('deflate') && !words.includes('fragments');
  for (const words of Object.keys(servers).filter(parameters)) {
    await check(`the client offers ${words}`, async () => {
      const line = await connect('deflate', 'echo', { perMessageDeflate: perMessageDeflate(words) });
      negotiated(extensions(line.socket), words);
      await echoes(line, corpus());
    });
  }
  await check('what repeats itself is short on the wire, both ways', async () => {
    const line = await connect('deflate', 'echo', { perMessageDeflate: { threshold: 0 } });
    const { _socket: tcp } = line.socket;
    const before = tcp.bytesRead + tcp.bytesWritten;
    const message = Buffer.from(Array.from({ length: 500 }, (_, i) => (i * i * 31) % 251));
    for (let i = 0; i < 50; i++) {
      line.socket.send(message);
      await line.next();
    }
    const octets = tcp.bytesRead + tcp.bytesWritten - before;
    if (octets > 50 * 500 / 4) throw new Error(`${octets} octets for 2 * 50 * 500`);
    await line.close();
  });
  return checks.failed === 0;
}

function server() {
  const seen = [];
  const servers = new Map();
  const actions = {
    echo(socket, words) {
      const fragments = words.includes('fragments');
      socket.on('message', (data, binary) => {
        const message = binary ? data : String(data);
        if (fragments) sendInFragments(socket, message);
        else socket.send(message);
      });
    },
    ping(socket) {
      socket.on('message', (data) => socket.ping(data));
      socket.on('pong', (data) => socket.send(`pong ${data}`));
    },
    close(socket) {
      socket.on('message', (data) => {
        const [, code, reason] = /^(\d+) ?(.*)$/.exec(String(data));
        socket.close(Number(code), reason);
      });
    },
    seen(socket) {
      const closed = new Promise((resolve) => {
        socket.on('close', (code, reason) => resolve(`${code} ${reason}`.trimEnd()));
      });
      socket.send(`${seen.push(closed) - 1}`);
    },
    report(socket) {
      socket.on('message', async (id) => socket.send(await seen[Number(id)]));
    },
    cut(socket) {
      socket.send('hello', () => socket.terminate());
    },
  };
  const http = createServer();
  http.on('upgrade', (request, tcp, head) => {
    const [, words, action] = decodeURIComponent(request.url).split('/');
    if (!(action in actions)) {
      tcp.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 15\r\n\r\nnothing is here');
      return;
    }
    if (!servers.has(words)) {
      servers.set(words, new WebSocketServer({
        noServer: true,
        perMessageDeflate: perMessageDeflate(words),
        handleProtocols: (offered) => offered.has('chat.v1') && 'chat.v1',
      }));
    }
    servers.get(words).handleUpgrade(request, tcp, head, (socket) => {
      socket.on('error', (error) => console.error(`${request.url}: ${error.message}`));
      actions[action](socket, words);
    });
  });
  http.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${http.address().port}`));
}

const [role, address] = process.argv.slice(2);
if (role === 'server') server();
// Does not wait for the connections of checks that failed.
else process.exit((await client(address)) ? 0 : 1);
