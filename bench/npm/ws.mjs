// Echo or broadcast on npm's ws, with bufferutil (which ws loads by itself when it is installed).
import { WebSocketServer } from 'ws';

const [address, mode] = process.argv.slice(2);
const [host, port] = address.split(':');
const broadcasts = mode === '--broadcast';

const server = new WebSocketServer({ host, port: Number(port), perMessageDeflate: false });
server.on('connection', (ws) => {
  // A peer that resets its connection is the ordinary end of a round.
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => {
    if (!broadcasts) return ws.send(data, { binary: isBinary });
    for (const client of server.clients) client.send(data, { binary: isBinary });
  });
});
