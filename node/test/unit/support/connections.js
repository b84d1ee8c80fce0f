'use strict';

// Servers and clients on loopback, which end with the test that asked for them.

const { once } = require('node:events');
const net = require('node:net');

const WebSocket = require('../../..');

/**
 * Starts a server.
 *
 * @param {import('node:test').TestContext} t the test
 * @param {object} [options] of the server
 * @returns {Promise<WebSocket.Server & {url: string}>}
 */
async function serve(t, options) {
  const wss = new WebSocket.Server({ port: 0, host: '127.0.0.1', ...options });
  t.after(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
  });
  await once(wss, 'listening');
  wss.url = `ws://127.0.0.1:${wss.address().port}`;
  return wss;
}

/**
 * Connects to a server.
 *
 * @returns {Promise<{client: WebSocket, server: WebSocket}>} both ends, open
 */
async function connect(t, wss, options) {
  const client = new WebSocket(wss.url, options);
  t.after(() => client.terminate());
  const [[server]] = await Promise.all([once(wss, 'connection'), once(client, 'open')]);
  return { client, server };
}

/**
 * A client that is only a socket: it says what the test writes, and nothing by itself.
 *
 * @returns {Promise<{socket: net.Socket, server: WebSocket, read: (length: number) => Promise<Buffer>}>}
 */
async function connectRaw(t, wss, headers = []) {
  const socket = net.connect(wss.address().port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(
    [
      'GET / HTTP/1.1',
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
      '\r\n'
    ].join('\r\n')
  );
  let received = Buffer.alloc(0);
  const wanted = [];
  const serveReaders = () => {
    while (wanted.length > 0 && received.length >= wanted[0].length) {
      const { length, resolve } = wanted.shift();
      resolve(received.subarray(0, length));
      received = received.subarray(length);
    }
  };
  const [server] = await once(wss, 'connection');
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const chunk = socket.read(1);
    if (chunk === null) await once(socket, 'readable');
    else head += chunk.toString('latin1');
  }
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    serveReaders();
  });
  const read = (length) =>
    new Promise((resolve) => {
      wanted.push({ length, resolve });
      serveReaders();
    });
  return { socket, server, read };
}

module.exports = { connect, connectRaw, serve };
