// What this package has and `ws` has not.
import WebSocket, { WebSocketServer, Receiver, Sender, PerMessageDeflate, extension, subprotocol } from 'PACKAGE';

const wss = new WebSocketServer({ port: 0, heartbeat: true, closeTimeout: 1000, maxPendingAutoPongs: 5 });
const ws = new WebSocket('ws://example.com', { heartbeat: { interval: 5000 } });

ws.binaryType = 'blob';
await ws.sendAsync('x', { compress: false });
for await (const message of ws) {
  const data: string | Buffer | ArrayBuffer | Buffer[] = message;

  console.log(data);
}
const count: number = wss.broadcast('x', { except: ws, binary: true, compress: false });

wss.broadcast(Buffer.from('x'), { except: [ws] });
wss.broadcast('x');
// @ts-expect-error it would have to be read before
wss.broadcast(new Blob(['x']));
wss.broadcast(new Uint8Array(1));
new Receiver({ isServer: true, extensions: { 'permessage-deflate': new PerMessageDeflate({ isServer: true }) } }).on('message', () => {});
new Sender(process.stdout as any).ping('x', true);
const codec: 'native' | 'js' = WebSocket.codec;
// @ts-expect-error read only
WebSocket.codec = 'js';
console.log(codec, count, extension.parse('a; b=1').a?.[0]?.b, subprotocol.parse('a, b').has('a'));
console.log(Sender.frame(Buffer.from(''), { fin: true, opcode: 1, mask: false, rsv1: false }).length, WebSocket.Receiver);
