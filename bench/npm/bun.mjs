// Echo or broadcast on Bun.serve.
import { host, port, broadcasts, tls } from './arguments.mjs';

const server = Bun.serve({
  hostname: host,
  port,
  tls,
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
