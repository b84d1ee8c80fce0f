// What one client sends goes to the others: PORT=8080 node broadcast-others.mjs
import WebSocket, { WebSocketServer } from 'hybi';

const wss = new WebSocketServer({ port: process.env.PORT ?? 8080 });

wss.on('listening', () => {
  console.log('listening on port %d', wss.address().port);
});

wss.on('connection', (ws) => {
  ws.on('error', console.error);

  ws.on('message', (data, isBinary) => {
    for (const client of wss.clients) {
      if (client !== ws && client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
  });
});
