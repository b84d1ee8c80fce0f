// A program in CommonJS, as it is written for `ws`.
import WebSocket = require('PACKAGE');
import http = require('http');

const options: WebSocket.ServerOptions = { port: 0, perMessageDeflate: { threshold: 10, zlibDeflateOptions: { level: 1 } } };
const wss = new WebSocket.Server(options, () => console.log('listening'));
const other: WebSocket.WebSocketServer = new WebSocket.WebSocketServer({ noServer: true });

wss.on('connection', function (ws, request) {
  const each: WebSocket = ws;
  const ip: string | undefined = request.socket.remoteAddress;

  each.on('message', function (data: WebSocket.RawData, isBinary: boolean) {
    const text: string = data.toString();
    const self: WebSocket = this;

    self.send(data, { binary: isBinary, compress: false, fin: true, mask: false }, (err?: Error) => console.log(err, text, ip));
  });
  each.on('close', (code, reason) => console.log(code.toFixed(), reason.toString('utf8')));
  each.on('error', console.error);
  each.on('pong', (data) => data.readUInt8(0));
  each.once('ping', (data: Buffer) => each.pong(data, true, (err: Error) => console.log(err)));
});
wss.on('headers', (headers, request) => headers.push(`X-Url: ${request.url}`));
wss.on('wsClientError', (err, socket, request) => socket.destroy(err));
wss.on('listening', () => {});
wss.on('close', () => {});
wss.on('something else', (a: number, b: string) => console.log(a, b));
wss.clients.forEach((client) => {
  if (client.readyState === WebSocket.OPEN) client.send('x');
});
for (const client of wss.clients) client.terminate();
wss.close((err) => console.log(err));

const server = http.createServer();

server.on('upgrade', (request, socket, head) => {
  other.handleUpgrade(request, socket, head, (ws, req) => other.emit('connection', ws, req, { user: 1 }));
});

const client: WebSocket = new WebSocket('ws://127.0.0.1', ['a', 'b'], {
  agent: new http.Agent(),
  handshakeTimeout: 1000,
  headers: { a: 'b' },
  followRedirects: true,
  maxPayload: 1,
  rejectUnauthorized: false,
  protocolVersion: 8,
  generateMask(mask) {
    mask.fill(0);
  },
  finishRequest(request, websocket) {
    request.setHeader('a', websocket.url);
    request.end();
  }
});

client.binaryType = 'arraybuffer';
client.addEventListener('message', (event) => console.log(event.data, event.target, event.type), { once: true });
client.addEventListener('close', { handleEvent: (event) => console.log(event.code, event.reason, event.wasClean) });
client.addEventListener('error', (event: WebSocket.ErrorEvent) => console.log(event.error, event.message));
client.onopen = (event: WebSocket.Event) => console.log(event.type);
client.onmessage = null;
client.on('unexpected-response', (request, response) => console.log(request.path, response.statusCode));
client.on('redirect', (url, request) => console.log(url.length, request.path));
client.on('upgrade', (response) => console.log(response.headers));
client.removeListener('open', () => {});
client.off('close', (code: number, reason: Buffer) => console.log(code, reason));
client.ping();
client.ping('x', false);
client.close(1000, 'x');
client.close(1000, Buffer.from('x'));

const stream = WebSocket.createWebSocketStream(client, { encoding: 'utf8' });

stream.pipe(process.stdout);

const states: number[] = [WebSocket.CONNECTING, client.OPEN, WebSocket.WebSocket.CLOSING, WebSocket.CLOSED];
const data: WebSocket.Data = 'x';
const cert: WebSocket.CertMeta = [Buffer.from('')];
const sync: WebSocket.VerifyClientCallbackSync = (info) => info.secure && info.origin === '' && info.req.url === '/';
const async: WebSocket.VerifyClientCallbackAsync = (info, callback) => callback(false, 401, 'no', { a: 'b' });
const finish: WebSocket.FinishRequestCallback = (request) => request.end();
const address: WebSocket.AddressInfo | string | null = wss.address();

console.log(states, data, cert, sync, async, finish, address);
