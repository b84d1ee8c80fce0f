// A server with options for permessage-deflate: PORT=8080 node compression.mjs
import { WebSocketServer } from 'hybi';

const wss = new WebSocketServer({
  port: process.env.PORT ?? 8080,
  perMessageDeflate: {
    zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
    zlibInflateOptions: { chunkSize: 10 * 1024 },
    clientNoContextTakeover: true,
    serverNoContextTakeover: true,
    serverMaxWindowBits: 10,
    // How many compressions may run at once.
    concurrencyLimit: 10,
    // Messages of fewer bytes are not worth it.
    threshold: 1024
  }
});

wss.on('listening', () => {
  console.log('listening on port %d', wss.address().port);
});

wss.on('connection', (ws) => {
  console.log('extensions: %s', ws.extensions);
  ws.on('error', console.error);
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});
