// What `ws` does not have: node beyond-ws.mjs
import WebSocket, { WebSocketServer } from 'hybi';

// A connection that is silent for ten seconds is pinged; if it stays silent for ten more, it is cut.
const wss = new WebSocketServer({ port: 0, heartbeat: 10_000 });

wss.on('connection', async (ws) => {
  // The messages one after the other, text as strings. The loop ends when the connection does.
  for await (const message of ws) {
    // To everybody else, framed and compressed once.
    const count = wss.broadcast(message, { except: ws });

    // A send that is awaited.
    await ws.sendAsync(`delivered to ${count}`);
  }
});

wss.on('listening', async () => {
  const url = `ws://localhost:${wss.address().port}`;
  const ada = new WebSocket(url);
  const grace = new WebSocket(url);
  const opened = (ws) => new Promise((resolve) => ws.on('open', resolve));

  await Promise.all([opened(ada), opened(grace)]);
  grace.on('message', (data) => {
    console.log('Grace: %s', data);
    grace.close();
  });
  ada.on('message', (data) => {
    console.log('Ada: %s', data);
    ada.close();
  });
  ada.send('hello');
  wss.close();
});
