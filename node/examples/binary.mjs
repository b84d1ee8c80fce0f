// A client that sends binary data: node binary.mjs [URL]
import WebSocket from 'hybi';

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080');

ws.on('error', console.error);

ws.on('open', () => {
  ws.send(Float32Array.from({ length: 5 }, (_, i) => i / 2));
});
