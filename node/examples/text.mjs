// A client that sends and receives text: node text.mjs [URL]
import WebSocket from 'hybi';

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080');

ws.on('error', console.error);

ws.on('open', () => {
  ws.send('something');
});

ws.on('message', (data) => {
  console.log('received: %s', data);
});
