'use strict';

// Servers and clients on loopback, which end with the test that asked for them.

const { createHash } = require('node:crypto');
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

/**
 * A server that is only a socket, with one client of ours.
 *
 * @param {(request: string) => string} [answer] the head that it answers with; by default, a good one
 * @returns {Promise<{client: WebSocket, socket: net.Socket, request: string}>} the client may not be open yet
 */
async function acceptRaw(t, options, answer = accepting()) {
  const server = net.createServer();
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`, options);
  t.after(() => client.terminate());
  const [socket] = await once(server, 'connection');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  let request = '';
  while (!request.endsWith('\r\n\r\n')) {
    const [chunk] = await once(socket, 'data');
    request += chunk.toString('latin1');
  }
  socket.write(answer(request));
  return { client, socket, request };
}

/** A head that opens a connection, with these lines too. */
function accepting(lines = []) {
  return (request) => {
    const key = /sec-websocket-key: (.*)\r/i.exec(request)[1];
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    return [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${accept}`,
      ...lines,
      '\r\n'
    ].join('\r\n');
  };
}

module.exports = { acceptRaw, accepting, connect, connectRaw, serve };
