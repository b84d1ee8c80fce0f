// Echo or broadcast on Bun.serve.
const [address, mode] = process.argv.slice(2);
const [hostname, port] = address.split(':');
const broadcasts = mode === '--broadcast';

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    if (server.upgrade(request)) return undefined;
    return new Response('not a WebSocket handshake', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    open(ws) {
      if (broadcasts) ws.subscribe('all');
    },
    message(ws, data) {
      // The server's publish reaches every subscriber, the sender included; a socket's own would leave it out.
      if (broadcasts) server.publish('all', data);
      else ws.send(data);
    },
  },
});
