'use strict';

const WebSocket = require('isomorphic-ws');

const wss = new WebSocket.Server({ port: 0 }, () => {
  const ws = new WebSocket(`ws://127.0.0.1:${wss.address().port}`);

  ws.onopen = () => ws.send('hello');
  ws.onmessage = (event) => {
    console.log('client', event.data);
    ws.close(1000, 'done');
  };
  ws.onclose = (event) => {
    console.log('closed', event.code, event.reason, event.wasClean);
    wss.close();
  };
});

wss.on('connection', (ws) => ws.on('message', (data) => ws.send(`echo ${data}`)));
