// A server that finds broken connections: PORT=8080 INTERVAL=30000 node heartbeat-server.mjs
import { WebSocketServer } from 'hybi';

const wss = new WebSocketServer({ port: process.env.PORT ?? 8080 });

wss.on('listening', () => {
  console.log('listening on port %d', wss.address().port);
});

function heard() {
  this.isAlive = true;
}

wss.on('connection', (ws) => {
  ws.isAlive = true;
  ws.on('error', console.error);
  ws.on('pong', heard);
  ws.on('close', (code) => console.log('closed: %d', code));
});

const interval = setInterval(() => {
  for (const ws of wss.clients) {
    if (ws.isAlive === false) {
      ws.terminate();
      continue;
    }

    ws.isAlive = false;
    ws.ping();
  }
}, Number(process.env.INTERVAL ?? 30000));

wss.on('close', () => {
  clearInterval(interval);
});
