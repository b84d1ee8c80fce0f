// How long an echo takes: node round-trip.mjs [URL of a server that echoes]
import WebSocket from 'hybi';

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080');
const pause = Number(process.env.PAUSE ?? 500);

ws.on('error', console.error);

ws.on('open', () => {
  console.log('connected');
  ws.send(Date.now());
});

ws.on('close', () => {
  console.log('disconnected');
});

ws.on('message', (data) => {
  console.log('round trip: %d ms', Date.now() - Number(data));

  setTimeout(() => ws.send(Date.now()), pause);
});
