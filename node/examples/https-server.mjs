// A server on an HTTPS server: PORT=8443 node https-server.mjs cert.pem key.pem
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { WebSocketServer } from 'hybi';

const [certFile, keyFile] = process.argv.slice(2);
const server = createServer(
  { cert: readFileSync(certFile), key: readFileSync(keyFile) },
  (request, response) => response.end('a page\n')
);
const wss = new WebSocketServer({ server });

wss.on('connection', (ws) => {
  ws.on('error', console.error);

  ws.on('message', (data) => {
    console.log('received: %s', data);
  });

  ws.send('something');
});

server.listen(process.env.PORT ?? 8443, () => {
  console.log('listening on port %d', server.address().port);
});
