// A client that finds its connection broken, when the server pings every INTERVAL ms:
// INTERVAL=30000 node heartbeat-client.mjs [URL]
import WebSocket from 'hybi';

const patience = Number(process.env.INTERVAL ?? 30000) + 1000;

function heartbeat() {
  clearTimeout(this.pingTimeout);

  // Not `close()`: nobody may be there to answer.
  this.pingTimeout = setTimeout(() => {
    console.log('the server is gone');
    this.terminate();
  }, patience);
}

const ws = new WebSocket(process.argv[2] ?? 'ws://localhost:8080');

ws.on('error', console.error);
ws.on('open', heartbeat);
ws.on('ping', heartbeat);
ws.on('close', function clear(code) {
  console.log('closed: %d', code);
  clearTimeout(this.pingTimeout);
});
