// The address of a client: PORT=8080 node client-address.mjs
import { WebSocketServer } from 'hybi';

const wss = new WebSocketServer({ port: process.env.PORT ?? 8080, host: '127.0.0.1' });

wss.on('listening', () => {
  console.log('listening on port %d', wss.address().port);
});

wss.on('connection', (ws, request) => {
  ws.on('error', console.error);

  const address = request.socket.remoteAddress;
  // A proxy in front of the server says here for whom it speaks. Anybody else can say it too: believe it
  // only if every request comes through the proxy.
  const forwarded = request.headers['x-forwarded-for']?.split(',')[0].trim();

  console.log('%s, forwarded for %s', address, forwarded);
  ws.send(forwarded ?? address);
});
