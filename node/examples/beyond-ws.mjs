// What `ws` does not have: node beyond-ws.mjs
import WebSocket, { WebSocketServer } from 'hybi';

// Every ten seconds a ping; where nothing comes until the next, the connection is cut.
const wss = new WebSocketServer({ port: 0, heartbeat: 10_000 });

wss.on('connection', async (ws) => {
  try {
    // The messages one after the other, text as strings. The loop ends when the peer closes the connection.
    for await (const message of ws) {
      // To everybody else, framed and compressed once.
      const count = wss.broadcast(message, { except: ws });

      // A send that is awaited.
      await ws.sendAsync(`delivered to ${count}`);
    }
  } catch (error) {
    // The peer broke the protocol, or was cut off: nobody else would catch it.
    console.error(error.message);
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
