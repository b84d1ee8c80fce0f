'use strict';

const ReconnectingWebSocket = require('reconnecting-websocket');
const { WebSocket, WebSocketServer } = require('ws');

let connections = 0;
const wss = new WebSocketServer({ port: 0 }, () => {
  const ws = new ReconnectingWebSocket(`ws://127.0.0.1:${wss.address().port}`, [], {
    WebSocket,
    minReconnectionDelay: 5,
    maxReconnectionDelay: 10,
    minUptime: 1
  });

  ws.addEventListener('open', () => {
    console.log('open', ws.readyState);
    ws.send(`message ${connections}`);
  });
  ws.addEventListener('message', (event) => {
    console.log('message', event.data);
    if (connections === 3) ws.close();
  });
  ws.addEventListener('close', (event) => {
    console.log('close', event.code, event.wasClean);
    if (connections === 3) wss.close();
  });
});

wss.on('connection', (ws) => {
  connections++;
  ws.on('message', (data) => {
    ws.send(`echo ${data}`);
    if (connections < 3) ws.close(1012, 'again');
  });
});
