'use strict';

// Servers and clients in worker threads, next to those of the main thread.

const { test } = require('node:test');
const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const root = path.join(__dirname, '../..');

/** Serves an echo, and has clients talk to it and to the server of the main thread; tells what came back. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { once } = require('node:events');
const { WebSocket, WebSocketServer } = require(workerData.root);

async function talk(url, name) {
  const ws = new WebSocket(url);
  await once(ws, 'open');
  const answers = [];
  const all = new Promise((resolve) => {
    ws.on('message', (data) => {
      answers.push(String(data));
      if (answers.length === 200) resolve();
    });
  });
  const expected = Array.from({ length: 200 }, (_, i) => name + i + ' '.repeat((i * 97) % 3000));
  for (const text of expected) ws.send(text);
  await all;
  ws.close();
  await once(ws, 'close');
  return answers.join() === expected.join();
}

(async () => {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: workerData.compressed });
  wss.on('connection', (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })));
  await once(wss, 'listening');
  const here = 'ws://127.0.0.1:' + wss.address().port;
  const results = await Promise.all([talk(here, 'a'), talk(here, 'b'), talk(workerData.url, 'c')]);
  wss.close();
  parentPort.postMessage(results);
})();
`;

test('servers and clients in worker threads talk as in the main thread', async () => {
  const { WebSocketServer } = require(root);
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
  wss.on('connection', (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })));
  await once(wss, 'listening');
  const url = `ws://127.0.0.1:${wss.address().port}`;

  const workers = [true, false, { threshold: 0 }].map(
    (compressed) => new Worker(WORKER, { eval: true, workerData: { root, url, compressed } })
  );
  const ends = workers.map((worker) => once(worker, 'exit'));
  const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
  for (const [answer] of answers) assert.deepStrictEqual(answer, [true, true, true]);
  // They end by themselves: nothing of ours keeps a thread alive.
  for (const [code] of await Promise.all(ends)) assert.strictEqual(code, 0);
  wss.close();
  await once(wss, 'close');
});

test('a worker that is ended in the middle of a conversation leaves its peer with 1006', async () => {
  const { WebSocketServer } = require(root);
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
  await once(wss, 'listening');
  const url = `ws://127.0.0.1:${wss.address().port}`;
  const connection = once(wss, 'connection');
  const worker = new Worker(
    `const { WebSocket } = require(${JSON.stringify(root)});
     const ws = new WebSocket(${JSON.stringify(url)});
     ws.on('open', () => setInterval(() => ws.send('x'.repeat(2000)), 0));`,
    { eval: true }
  );
  const [ws] = await connection;
  await once(ws, 'message');
  const closed = once(ws, 'close');
  await worker.terminate();
  assert.strictEqual((await closed)[0], 1006);
  wss.close();
  await once(wss, 'close');
});
