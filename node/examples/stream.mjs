// Standard input and output through a connection: node stream.mjs [URL]
import WebSocket, { createWebSocketStream } from 'hybi';

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080');
const duplex = createWebSocketStream(ws, { encoding: 'utf8' });

duplex.on('error', console.error);

duplex.pipe(process.stdout);
process.stdin.pipe(duplex);
