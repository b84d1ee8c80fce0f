// Who may connect is decided before the upgrade: PORT=8080 node authentication.mjs
import { createServer } from 'node:http';
import { WebSocketServer } from 'hybi';

const users = new Map([
  ['secret-of-ada', 'Ada'],
  ['secret-of-grace', 'Grace']
]);

/** Looks up who sends a request; takes its time, as a database would. */
async function authenticate(request) {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');

  await null;
  return scheme === 'Bearer' ? users.get(token) : undefined;
}

function onSocketError(err) {
  console.error(err);
}

const server = createServer();
const wss = new WebSocketServer({ noServer: true });

wss.on('connection', (ws, request, user) => {
  ws.on('error', console.error);

  ws.on('message', (data) => {
    console.log('%s says: %s', user, data);
    ws.send(`hello ${user}`);
  });
});

server.on('upgrade', async (request, socket, head) => {
  // Until the upgrade nobody else listens to the socket.
  socket.on('error', onSocketError);

  const user = await authenticate(request);

  if (user === undefined) {
    socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }

  socket.removeListener('error', onSocketError);
  wss.handleUpgrade(request, socket, head, (ws) => {
    wss.emit('connection', ws, request, user);
  });
});

server.listen(process.env.PORT ?? 8080, () => {
  console.log('listening on port %d', server.address().port);
});
