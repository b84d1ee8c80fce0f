// Echo or broadcast with the API of npm's ws.
import { createServer } from 'node:https';
import { host, port, broadcasts, deflates, tls } from './arguments.mjs';

export function serve(WebSocketServer) {
  const options = { perMessageDeflate: deflates };
  if (tls) options.server = createServer(tls).listen(port, host);
  else Object.assign(options, { host, port });
  const server = new WebSocketServer(options);
  server.on('connection', (ws) => {
    // A peer that resets its connection is the ordinary end of a round.
    ws.on('error', () => {});
    ws.on('message', (data, isBinary) => {
      if (!broadcasts) return ws.send(data, { binary: isBinary });
      for (const client of server.clients) client.send(data, { binary: isBinary });
    });
  });
}
