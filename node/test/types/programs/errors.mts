// What must not compile.
import WebSocket, { WebSocketServer } from 'PACKAGE';

const ws = new WebSocket('ws://example.com');

// @ts-expect-error a state is a number
const state: string = ws.readyState;
// @ts-expect-error read only
ws.readyState = 1;
// @ts-expect-error no such type
ws.binaryType = 'text';
// @ts-expect-error the reason is text
ws.close(1000, 5);
// @ts-expect-error an address is needed
new WebSocket();
// @ts-expect-error a port is a number
new WebSocketServer({ port: '8080' });
// @ts-expect-error a callback is a function
ws.send('x', {}, 5);
// @ts-expect-error only four events
ws.addEventListener('ping', () => {});

console.log(state);
