// Many messages and many connections, with the garbage collector at work all the time: nothing may
// crash, nothing may be lost, and nothing may be left over.
//
//   node --expose-gc test/stress/stress.mjs [--messages 1000000] [--connections 10000]
//
// It ends with status 1 if memory has grown or something native is still held.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from '../../wrapper.mjs';

const addon = process.env.HYBI_NO_NATIVE ? null : createRequire(import.meta.url)('../../lib/native');

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '10000' }
  }
});
const MESSAGES = Number(values.messages);
const CONNECTIONS = Number(values.connections);

/**
 * RSS may grow so much, in MiB, from the middle of a phase to its end. What the allocators keep moves it by
 * up to 18; the short form's messages, kept, would be 60.
 */
const GROWTH = 48;
/** Connections at a time. */
const AT_ONCE = 50;

const LENGTHS = [0, 1, 20, 125, 126, 500, 1000, 20, 20, 5000, 20, 20, 20000, 20, 20, 70000];

if (typeof gc !== 'function') throw new Error('run with --expose-gc');

/** RSS in MiB, when everything that can be freed has been. */
async function settled() {
  for (let i = 0; i < 6; i++) {
    gc();
    // Finalizers run in turns of their own.
    await turn();
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

let failed = false;

function report(phase, before, after, seconds) {
  const held = addon === null ? 0 : addon.count();
  const grown = after - before;
  console.log(
    `${phase}: ${seconds.toFixed(1)} s, RSS ${before.toFixed(1)} -> ${after.toFixed(1)} MiB, ${held} native objects held`
  );
  if (grown > GROWTH) {
    console.log(`FAILED: RSS has grown by ${grown.toFixed(1)} MiB`);
    failed = true;
  }
  return held;
}

const server = new WebSocketServer({ port: 0, perMessageDeflate: { threshold: 0 } });
await once(server, 'listening');
server.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});
const url = `ws://127.0.0.1:${server.address().port}`;

async function open(options) {
  const ws = new WebSocket(url, options);
  ws.on('error', () => {});
  await once(ws, 'open');
  return ws;
}

/** Sends messages of all lengths, some compressed, some in fragments, and compares what comes back. */
async function echo(count, options) {
  const ws = await open(options);
  const window = [];
  let sent = 0;
  let received = 0;
  await new Promise((resolve, reject) => {
    const more = () => {
      while (window.length < 32 && sent < count) {
        const data = Buffer.alloc(LENGTHS[sent % LENGTHS.length], `message ${sent} `);
        const binary = sent % 2 === 0;
        window.push({ data, binary });
        if (sent % 50 === 0 && data.length > 1) {
          const half = data.length >> 1;
          ws.send(data.subarray(0, half), { binary, fin: false });
          ws.send(data.subarray(half), { binary, fin: true });
        } else {
          ws.send(data, { binary });
        }
        sent++;
      }
    };
    ws.on('message', (data, isBinary) => {
      const expected = window.shift();
      if (expected === undefined || isBinary !== expected.binary || !expected.data.equals(data)) {
        reject(new Error(`message ${received} came back otherwise`));
        return;
      }
      if (++received % 5000 === 0) gc();
      if (received === count) resolve();
      else more();
    });
    ws.on('close', () => reject(new Error('the connection was closed')));
    more();
  });
  ws.terminate();
}

/** Opens a connection, and ends it in one of the ways there are, often in the middle of something. */
async function visit(i) {
  const ws = await open({ perMessageDeflate: i % 2 === 0 });
  const closed = once(ws, 'close');
  const large = Buffer.alloc(30000, 'large ');
  switch (i % 6) {
    case 0:
      ws.send('hello');
      await once(ws, 'message');
      ws.close();
      break;
    case 1:
      ws.close(1000, 'bye');
      break;
    case 2:
      // The pool has work for it when it goes.
      ws.send(large);
      ws.terminate();
      break;
    case 3:
      ws.send(large);
      await once(ws, 'message');
      ws.terminate();
      break;
    case 4:
      ws.send(large.subarray(0, 2000), { fin: false });
      setImmediate(() => ws.terminate());
      break;
    default:
      // Not a frame.
      ws._socket.write(Buffer.from([0xff, 0xff, 0xff]));
  }
  await closed;
}

async function phase(name, run) {
  // The first half warms everything up: what grows after it would grow for ever.
  const start = performance.now();
  await run();
  const before = await settled();
  await run();
  const after = await settled();
  return report(name, before, after, (performance.now() - start) / 1000);
}

for (const perMessageDeflate of [false, true]) {
  // Compressed ones are as many as fit into the time of the others.
  const count = Math.ceil(MESSAGES / (perMessageDeflate ? 20 : 2));
  await phase(`${2 * count} messages, ${perMessageDeflate ? 'compressed' : 'plain'}`, () =>
    echo(count, { perMessageDeflate })
  );
}

const held = await phase(`${CONNECTIONS} connections`, async () => {
  for (let i = 0; i < CONNECTIONS / 2; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => visit(i + k)));
    gc();
  }
});
// The last ones may still be on the stack.
if (held > 2 * AT_ONCE) {
  console.log(`FAILED: ${held} native objects are held for connections that are gone`);
  failed = true;
}

server.close();
if (failed) process.exit(1);
