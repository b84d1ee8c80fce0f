// Several servers on one HTTP server: PORT=8080 node several-servers.mjs
import { createServer } from 'node:http';
import { WebSocketServer } from 'hybi';

const echo = new WebSocketServer({ noServer: true });
const clock = new WebSocketServer({ noServer: true });

echo.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});

clock.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.send('it is time');
});

const servers = new Map([
  ['/echo', echo],
  ['/clock', clock]
]);
const server = createServer();

server.on('upgrade', (request, socket, head) => {
  const { pathname } = new URL(request.url, 'ws://localhost');
  const wss = servers.get(pathname);

  if (wss === undefined) {
    socket.destroy();
    return;
  }

  wss.handleUpgrade(request, socket, head, (ws) => {
    wss.emit('connection', ws, request);
  });
});

server.listen(process.env.PORT ?? 8080, () => {
  console.log('listening on port %d', server.address().port);
});
