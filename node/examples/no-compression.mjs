// A client that does not offer permessage-deflate: node no-compression.mjs [URL]
import WebSocket from 'hybi';

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080', {
  perMessageDeflate: false
});

ws.on('error', console.error);

ws.on('open', () => {
  console.log('extensions: "%s"', ws.extensions);
  ws.close();
});
