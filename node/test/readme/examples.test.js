/**
 * Every example is run with this package and with `ws` in its place, each time with `ws` as the other
 * side. What the program prints and what the other side sees must be the same.
 */
'use strict';

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { test, before, after } = require('node:test');

const { WebSocket, WebSocketServer } = require('ws');

const examples = path.join(__dirname, '../../examples');
let copies;
let temporary;

before(() => {
  // Beside the originals, so that packages are found in the same way.
  copies = fs.mkdtempSync(path.join(__dirname, '.ws-'));
  for (const name of fs.readdirSync(examples).filter((each) => each.endsWith('.mjs'))) {
    const source = fs.readFileSync(path.join(examples, name), 'utf8');

    assert.match(source, /from 'hybi'/);
    fs.writeFileSync(path.join(copies, name), source.replaceAll("from 'hybi'", "from 'ws'"));
  }
  temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'examples-'));
});

after(() => {
  fs.rmSync(copies, { recursive: true, force: true });
  fs.rmSync(temporary, { recursive: true, force: true });
});

/** A running example. */
class Program {
  constructor(directory, name, args = [], env = {}) {
    this.child = spawn(process.execPath, [path.join(directory, name), ...args], {
      env: { ...process.env, PORT: '0', NODE_EXTRA_CA_CERTS: '', ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    });
    this.output = '';
    this.child.stdout.on('data', (chunk) => (this.output += chunk));
    this.child.stderr.on('data', (chunk) => (this.output += `stderr: ${chunk}`));
    this.exited = once(this.child, 'close');
  }

  async until(pattern) {
    let match;

    while ((match = pattern.exec(this.output)) === null) {
      if (this.child.exitCode !== null) throw new Error(`the program is over: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return match;
  }

  async port() {
    return Number((await this.until(/listening on port (\d+)\n/))[1]);
  }

  /** Ends it if it does not end by itself; what it printed, without ports. */
  async end({ kill = true } = {}) {
    if (kill) this.child.kill();
    await this.exited;
    return this.output.replace(/port \d+/, 'port PORT').split('\n');
  }
}

/** Runs `script` with both packages and compares what it returns. */
function example(name, script) {
  test(name, { timeout: 60000 }, async (t) => {
    const results = [];

    for (const directory of [copies, examples]) {
      const cleanups = [];
      const context = {
        run(args, env) {
          const program = new Program(directory, name, args, env);

          cleanups.push(() => program.child.kill());
          return program;
        },
        /** A server of `ws`. */
        async serve(onConnection, options) {
          const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });

          if (onConnection) wss.on('connection', onConnection);
          await once(wss, 'listening');
          cleanups.push(() => {
            for (const ws of wss.clients) ws.terminate();
            wss.close();
          });
          wss.url = `ws://127.0.0.1:${wss.address().port}`;
          return wss;
        },
        /** A client of `ws`, open, whose messages are kept. */
        async connect(url, options) {
          const ws = new WebSocket(url, options);

          ws.received = [];
          ws.on('message', (data, isBinary) => ws.received.push([data.toString(), isBinary]));
          cleanups.push(() => ws.terminate());
          await once(ws, 'open');
          return ws;
        },
        after: (fn) => cleanups.push(fn),
        skip: (why) => t.skip(why)
      };

      try {
        results.push(await script(context));
      } finally {
        for (const fn of cleanups.reverse()) await fn();
      }
    }
    assert.deepStrictEqual(results[1], results[0]);
  });
}

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

example('text.mjs', async (t) => {
  const seen = [];
  const wss = await t.serve((ws, req) => {
    seen.push(req.headers['sec-websocket-extensions'], req.url);
    ws.on('message', (data, isBinary) => {
      seen.push([data.toString(), isBinary]);
      ws.send('an answer');
      ws.close(1000, 'bye');
    });
    ws.on('close', (code, reason) => seen.push(code, reason.toString()));
  });
  const output = await t.run([wss.url]).end({ kill: false });

  await until(() => seen.length === 5);
  assert.deepStrictEqual(output, ['received: an answer', '']);
  return { output, seen };
});

example('binary.mjs', async (t) => {
  const wss = await t.serve();
  const program = t.run([wss.url]);
  const [ws] = await once(wss, 'connection');
  const [data, isBinary] = await once(ws, 'message');

  ws.close();
  const floats = [...new Float32Array(new Uint8Array(data).buffer)];

  assert.deepStrictEqual(floats, [0, 0.5, 1, 1.5, 2]);
  return { floats, isBinary, output: await program.end({ kill: false }) };
});

example('server.mjs', async (t) => {
  const program = t.run();
  const ws = await t.connect(`ws://127.0.0.1:${await program.port()}`);

  ws.send('from the client');
  await program.until(/received: from the client/);
  await until(() => ws.received.length === 1);
  assert.deepStrictEqual(ws.received, [['something', false]]);
  return { received: ws.received, extensions: ws.extensions, output: await program.end() };
});

example('https-server.mjs', async (t) => {
  const file = (name) => path.join(temporary, name);

  if (!fs.existsSync(file('cert.pem'))) {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-keyout', file('key.pem'), '-out', file('cert.pem')
    ], { stdio: 'ignore' });
  }
  const program = t.run([file('cert.pem'), file('key.pem')]);
  const port = await program.port();
  const ws = await t.connect(`wss://localhost:${port}`, { ca: fs.readFileSync(file('cert.pem')) });

  ws.send('over TLS');
  await program.until(/received: over TLS/);
  await until(() => ws.received.length === 1);
  return { received: ws.received, output: await program.end() };
});

example('several-servers.mjs', async (t) => {
  const program = t.run();
  const url = `ws://127.0.0.1:${await program.port()}`;
  const echo = await t.connect(`${url}/echo?x`);
  const clock = await t.connect(`${url}/clock`);
  const nobody = await t.connect(`${url}/nobody`).catch((err) => err.message);

  echo.send('x');
  echo.send(Buffer.from('y'));
  await until(() => echo.received.length === 2 && clock.received.length === 1);
  return { echo: echo.received, clock: clock.received, nobody, output: await program.end() };
});

example('authentication.mjs', async (t) => {
  const program = t.run();
  const url = `ws://127.0.0.1:${await program.port()}`;
  const refused = await t.connect(url).catch((err) => err.message);
  const wrong = await t.connect(url, { headers: { Authorization: 'Bearer x' } }).catch((err) => err.message);
  const ws = await t.connect(url, { headers: { Authorization: 'Bearer secret-of-ada' } });

  ws.send('good morning');
  await until(() => ws.received.length === 1);
  assert.strictEqual(refused, 'Unexpected server response: 401');
  return { refused, wrong, received: ws.received, output: await program.end() };
});

for (const [name, itself] of [['broadcast.mjs', true], ['broadcast-others.mjs', false]]) {
  example(name, async (t) => {
    const program = t.run();
    const url = `ws://127.0.0.1:${await program.port()}`;
    const all = [await t.connect(url), await t.connect(url), await t.connect(url)];

    all[0].send('text');
    all[0].send(Buffer.from('binary'));
    await until(() => all[1].received.length === 2 && all[2].received.length === 2);
    // When this is answered, whatever came before it has come.
    all[0].ping();
    await once(all[0], 'pong');
    assert.strictEqual(all[0].received.length, itself ? 2 : 0);
    return { received: all.map((ws) => ws.received), output: await program.end() };
  });
}

example('round-trip.mjs', async (t) => {
  const wss = await t.serve((ws) => {
    let count = 0;

    ws.on('message', (data) => {
      ws.send(data.toString());
      if (++count === 3) ws.close();
    });
  });
  const program = t.run([wss.url], { PAUSE: '5' });
  const output = await program.end({ kill: false });

  assert.match(output[1], /^round trip: \d+ ms$/);
  return output.map((line) => line.replace(/\d+ ms/, 'TIME'));
});

example('stream.mjs', async (t) => {
  const seen = [];
  const wss = await t.serve((ws) => {
    ws.on('message', (data, isBinary) => {
      seen.push([data.toString(), isBinary]);
      ws.send(`echo of ${data}`);
    });
    ws.on('close', (code) => seen.push(code));
  });
  const program = t.run([wss.url]);

  program.child.stdin.write('one\n');
  await program.until(/echo of one/);
  program.child.stdin.write('grüße\n');
  await program.until(/echo of grüße/);
  program.child.stdin.end();
  const output = await program.end({ kill: false });

  await until(() => seen.length === 3);
  return { output, seen, code: program.child.exitCode };
});

example('client-address.mjs', async (t) => {
  const program = t.run();
  const url = `ws://127.0.0.1:${await program.port()}`;
  const direct = await t.connect(url);
  const forwarded = await t.connect(url, { headers: { 'X-Forwarded-For': '203.0.113.7, 198.51.100.1' } });

  await until(() => direct.received.length === 1 && forwarded.received.length === 1);
  assert.deepStrictEqual(forwarded.received, [['203.0.113.7', false]]);
  return { direct: direct.received, forwarded: forwarded.received, output: await program.end() };
});

example('heartbeat-server.mjs', async (t) => {
  const program = t.run([], { INTERVAL: '100' });
  const url = `ws://127.0.0.1:${await program.port()}`;
  const alive = await t.connect(url);
  const dead = await t.connect(url, { autoPong: false });
  let pings = 0;

  alive.on('ping', () => pings++);
  const [code] = await once(dead, 'close');

  await until(() => pings >= 2);
  await program.until(/closed: 1006/);
  assert.strictEqual(alive.readyState, WebSocket.OPEN);
  return { code, output: await program.end() };
});

example('heartbeat-client.mjs', async (t) => {
  const seen = [];
  const wss = await t.serve((ws) => {
    ws.on('pong', () => seen.push('pong'));
    ws.on('close', (code) => seen.push(code));
    ws.ping();
  });
  const output = await t.run([wss.url], { INTERVAL: '-500' }).end({ kill: false });

  await until(() => seen.length === 2);
  assert.deepStrictEqual(output, ['the server is gone', 'closed: 1006', '']);
  return { output, seen };
});

/** A port that nobody listens on at the moment. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');

  await once(server, 'listening');
  const { port } = server.address();

  server.close();
  await once(server, 'close');
  return port;
}

function installed(program) {
  const found = process.env.PATH.split(':').some((each) => fs.existsSync(path.join(each, program)));

  if (!found && process.env.CI) throw new Error(`${program} is not installed`);
  return found;
}

/** Starts a proxy; resolves when it accepts connections. */
async function proxy(t, program, args, port) {
  const child = spawn(program, args, { stdio: 'ignore' });

  t.after(async () => {
    child.kill();
    await once(child, 'close');
  });
  for (;;) {
    const socket = net.connect(port, '127.0.0.1');
    const [ok] = await Promise.race([
      once(socket, 'connect').then(() => [true], () => [false])
    ]);

    socket.destroy();
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const [scheme, program, args] of [
  ['http', 'tinyproxy', (port) => {
    const file = path.join(temporary, 'tinyproxy.conf');

    fs.writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nLogLevel Critical\n`);
    return ['-d', '-c', file];
  }],
  ['socks5h', 'microsocks', (port) => ['-i', '127.0.0.1', '-p', String(port)]]
]) {
  example('proxy.mjs', async (t) => {
    if (!installed(program)) return t.skip(`${program} is not installed`);

    const port = await freePort();
    const seen = [];
    const wss = await t.serve((ws) => {
      ws.on('message', (data) => {
        seen.push(data.toString());
        ws.send('an answer');
      });
    });

    await proxy(t, program, args(port), port);
    const output = await t.run([wss.url, `${scheme}://127.0.0.1:${port}`]).end({ kill: false });

    assert.deepStrictEqual(output, ['received: an answer', '']);
    return { output, seen };
  });
}

example('compression.mjs', async (t) => {
  const program = t.run();
  const url = `ws://127.0.0.1:${await program.port()}`;
  const ws = await t.connect(url, { headers: { 'X-Test': 'y' } });
  const plain = await t.connect(url, { perMessageDeflate: false });
  const params = ws._extensions['permessage-deflate'].params;

  for (const each of [ws, plain]) {
    each.send('x'.repeat(5000));
    each.send('short');
    await until(() => each.received.length === 2);
  }
  assert.strictEqual(ws.extensions, 'permessage-deflate');
  return { params: { ...params }, received: [ws.received, plain.received], output: await program.end() };
});

example('no-compression.mjs', async (t) => {
  const seen = [];
  const wss = await t.serve((ws, req) => {
    seen.push(req.headers['sec-websocket-extensions']);
  }, { perMessageDeflate: true });
  const output = await t.run([wss.url]).end({ kill: false });

  assert.deepStrictEqual(output, ['extensions: ""', '']);
  return { output, seen };
});

test('beyond-ws.mjs', { timeout: 60000 }, async () => {
  const output = await new Program(examples, 'beyond-ws.mjs').end({ kill: false });

  assert.deepStrictEqual(output.filter(Boolean).sort(), ['Ada: delivered to 1', 'Grace: hello']);
});
