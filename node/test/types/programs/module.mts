// A program in an ES module, as it is written for `ws`.
import WebSocket, { WebSocketServer, createWebSocketStream } from 'PACKAGE';
import type { ClientOptions, Data, RawData, ServerOptions, PerMessageDeflateOptions, CloseEvent, MessageEvent } from 'PACKAGE';
import { WebSocket as Named } from 'PACKAGE';
import { createServer, IncomingMessage } from 'http';
import { createServer as createSecureServer } from 'https';

class MyRequest extends IncomingMessage {
  session?: string;
}

class MyWebSocket extends WebSocket {
  isAlive = true;

  override send(...args: any[]): void {
    super.send(args[0]);
  }
}

const wss = new WebSocketServer<typeof MyWebSocket, typeof MyRequest>({
  server: createServer({ IncomingMessage: MyRequest }),
  WebSocket: MyWebSocket,
  verifyClient: (info, callback) => callback(info.req.session !== undefined),
  handleProtocols: (protocols, request) => (request.session ? protocols.values().next().value ?? false : false)
});

wss.on('connection', (ws, request) => {
  ws.isAlive = request.session === 'x';
});
wss.clients.forEach((ws) => (ws.isAlive = false));

const secure = new WebSocketServer({ server: createSecureServer(), path: '/x', clientTracking: false });
const ws = new WebSocket(new URL('wss://example.com'), { origin: 'x', ca: 'y' });
const named: WebSocket = new Named('ws://example.com');
const duplex = createWebSocketStream(ws);

interface Extended extends WebSocket {
  isAlive: boolean;
}

secure.on('connection', function connection(each: Extended) {
  each.isAlive = true;
  each.on('pong', function (this: WebSocket) {
    (this as Extended).isAlive = true;
  });
});

ws.on('message', (data: RawData) => {
  if (data instanceof ArrayBuffer) console.log(data.byteLength);
  else if (Array.isArray(data)) console.log(Buffer.concat(data));
  else console.log(data.readUInt8(0));
});
ws.onmessage = (event: MessageEvent) => {
  const data: Data = event.data;

  console.log(data);
};
ws.onclose = (event: CloseEvent) => console.log(event.code);
for (const data of ['x', Buffer.from(''), new Uint8Array(1), new ArrayBuffer(1), [1, 2], 5, new DataView(new ArrayBuffer(1)), new Blob([])]) ws.send(data);
ws.send(Date.now());
ws.send(new Float32Array(5), { binary: true });

const options: ServerOptions & ClientOptions = {};
const deflate: PerMessageDeflateOptions = { zlibInflateOptions: { chunkSize: 10 * 1024 }, serverMaxWindowBits: 10, concurrencyLimit: 10 };

console.log(named, duplex, options, deflate, ws.bufferedAmount, ws.extensions, ws.protocol, ws.isPaused, ws.url);
