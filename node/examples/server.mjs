// A server: PORT=8080 node server.mjs
import { WebSocketServer } from 'hybi';

const wss = new WebSocketServer({ port: process.env.PORT ?? 8080 });

wss.on('listening', () => {
  console.log('listening on port %d', wss.address().port);
});

wss.on('connection', (ws) => {
  ws.on('error', console.error);

  ws.on('message', (data) => {
    console.log('received: %s', data);
  });

  ws.send('something');
});
