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
  // only if every request comes through the proxy. And this is the first address, as in the readme of ws: it
  // is right only if the proxy replaces what the client sent. One that appends to it, as nginx does with
  // $proxy_add_x_forwarded_for, lets the client forge it: then take the last, .split(',').at(-1).trim().
  const forwarded = request.headers['x-forwarded-for']?.split(',')[0].trim();

  console.log('%s, forwarded for %s', address, forwarded);
  ws.send(forwarded ?? address);
});
