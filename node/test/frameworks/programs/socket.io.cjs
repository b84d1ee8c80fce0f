'use strict';

const { createServer } = require('node:http');
const { Server } = require('socket.io');
const { io } = require('socket.io-client');

/** One exchange: from polling to a WebSocket, with acknowledgements, binary data and rooms. */
async function exchange(name, clientOptions, serverOptions) {
  const server = createServer();
  const ios = new Server(server, serverOptions);

  ios.on('connection', (socket) => {
    socket.join('room');
    socket.on('question', (data, answer) => answer(`answer to ${data}`));
    socket.on('binary', (data) => ios.to('room').emit('binary', Buffer.concat([data, Buffer.from('!')]), { nested: data }));
    socket.on('disconnect', (reason) => console.log(name, 'server: disconnect', reason));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = io(`http://127.0.0.1:${server.address().port}`, { reconnection: false, ...clientOptions });

  await new Promise((resolve) => client.on('connect', resolve));
  if (client.io.engine.transport.name !== 'websocket') await new Promise((resolve) => client.io.engine.on('upgrade', resolve));
  console.log(name, 'transport', client.io.engine.transport.name);
  console.log(name, await client.emitWithAck('question', 'x'.repeat(10)));
  const binary = new Promise((resolve) => client.on('binary', (...args) => resolve(args)));

  client.emit('binary', Buffer.from('octets'));
  console.log(name, ...(await binary));
  const text = new Promise((resolve) => client.on('text', (...args) => resolve(args)));

  // Framed once for all clients.
  ios.emit('text', 'to all', { a: 1 });
  console.log(name, ...(await text));
  const large = await client.emitWithAck('question', 'y'.repeat(300000));

  console.log(name, large.length);
  const closed = new Promise((resolve) => client.on('disconnect', resolve));

  ios.close();
  console.log(name, 'client: disconnect', await closed);
}

(async () => {
  await exchange('upgrade', {});
  await exchange('websocket', { transports: ['websocket'] });
  await exchange('compressed', { transports: ['websocket'], perMessageDeflate: { threshold: 0 } }, { perMessageDeflate: { threshold: 10 } });
})();
