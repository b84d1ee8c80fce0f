'use strict';

const { behaviour, exchange } = require('./harness');
const { closing } = require('./peer');

/** A client that stays in CONNECTING: its server never answers. */
async function connecting(t, options) {
  const port = await t.rawServer(() => {});
  const ws = t.connect(port, options);

  await t.event(ws._req, 'socket');
  return ws;
}

behaviour('CONNECTING: send, ping and pong throw', async (t) => {
  const ws = await connecting(t);

  for (const name of ['send', 'ping', 'pong']) {
    t.try(name, () => ws[name]('x'));
    t.try(name, () => ws[name]());
    t.try(name, () => ws[name]('x', () => t.log('callback')));
  }
  t.log(ws.readyState, ws.bufferedAmount);
});

behaviour('CONNECTING: pause and resume do nothing', async (t) => {
  const ws = await connecting(t);

  t.try('pause', () => ws.pause());
  t.log(ws.isPaused);
  t.try('resume', () => ws.resume());
});

behaviour('CONNECTING: close gives an error and close 1006', async (t) => {
  const ws = t.observe(await connecting(t));

  t.try('close', () => ws.close(4000, 'x'));
  t.log(ws.readyState);
  t.try('close', () => ws.close());
  await t.event(ws, 'close');
  t.try('close', () => ws.close());
});

behaviour('CONNECTING: terminate gives an error and close 1006', async (t) => {
  const ws = t.observe(await connecting(t));

  t.try('terminate', () => ws.terminate());
  t.log(ws.readyState);
  await t.event(ws, 'close');
  t.try('terminate', () => ws.terminate());
  await t.turns(2);
});

behaviour('CONNECTING: close at once, before the request has a socket', async (t) => {
  const port = await t.rawServer(() => {});
  const ws = t.observe(t.connect(port));

  ws.close();
  t.log(ws.readyState);
  await t.event(ws, 'close');
});

behaviour('CONNECTING: terminate in a microtask, with an error listener added before', async (t) => {
  const port = await t.rawServer(() => {});
  const ws = t.observe(t.connect(port));

  await null;
  ws.terminate();
  await t.event(ws, 'close');
});

behaviour('CONNECTING: terminate in the upgrade listener', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    t.channel('server')(await peer.ended());
  });
  const ws = t.observe(t.connect(port));

  ws.on('upgrade', () => ws.terminate());
  await t.event(ws, 'close');
});

behaviour('CONNECTING: close in the upgrade listener', async (t) => {
  const port = await t.rawWebSocketServer();
  const ws = t.observe(t.connect(port));

  ws.on('upgrade', () => ws.close(1000, 'x'));
  await t.event(ws, 'close');
});

behaviour('CONNECTING: close in the redirect listener', async (t) => {
  const port = await t.rawServer(async (peer) => {
    await peer.head();
    peer.end('HTTP/1.1 302 Found\r\nLocation: /next\r\nConnection: close\r\n\r\n');
  });
  const ws = t.observe(t.connect(port, { followRedirects: true }));

  ws.on('redirect', (url) => {
    t.log('redirect', url);
    ws.close();
  });
  await t.event(ws, 'close');
});

behaviour('OPEN: close in the open listener', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    t.channel('server')(await peer.describeFrames(1));
    peer.send(8, closing(1000));
    peer.end();
  });
  const ws = t.observe(t.connect(port));

  ws.on('open', () => ws.close(1000));
  await t.event(ws, 'close');
});

behaviour('OPEN: terminate in the open listener', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    t.channel('server')(await peer.describeFrames());
  });
  const ws = t.observe(t.connect(port));

  ws.on('open', () => ws.terminate());
  await t.event(ws, 'close');
});

behaviour('OPEN: terminate in the message listener ends delivery of the segment', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  ws.on('message', () => ws.terminate());
  peer.socket.cork();
  peer.sendMasked(1, 'a');
  peer.sendMasked(1, 'b');
  peer.sendMasked(1, 'c');
  peer.socket.uncork();
  await t.event(ws, 'close');
});

behaviour('OPEN: close in the message listener does not end delivery', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  ws.once('message', () => ws.close());
  peer.socket.cork();
  peer.sendMasked(1, 'a');
  peer.sendMasked(1, 'b');
  peer.sendMasked(9, 'c');
  peer.sendMasked(8, closing(1000));
  peer.socket.uncork();
  await t.event(ws, 'close');
  t.channel('peer')(await peer.describeFrames());
});

behaviour('CLOSING: send does not throw; the callback has an error', async (t) => {
  const { ws } = await t.scripted();

  ws.close();
  t.log(ws.readyState);
  for (const name of ['send', 'ping', 'pong']) {
    t.try(name, () => ws[name]('abc'));
    t.try(name, () => ws[name]('abc', (err) => t.log(name, 'callback', err)));
    t.try(name, () => ws[name]((err) => t.log(name, 'callback without data', err)));
  }
  t.log('synchronous end');
  await t.turns(1);
});

behaviour('CLOSING: bufferedAmount grows by what is not sent', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.close();
  await peer.frames(1);
  await t.until(() => ws.bufferedAmount === 0);
  ws.send('hello');
  t.log(ws.bufferedAmount);
  ws.send(Buffer.alloc(10));
  ws.ping(Buffer.alloc(3));
  ws.pong(new Uint8Array(2));
  ws.send(new ArrayBuffer(7));
  ws.send([1, 2, 3]);
  ws.send(new Blob(['four']));
  ws.send(12);
  ws.send('grüße');
  ws.send();
  t.log(ws.bufferedAmount);
});

behaviour('CLOSED: send does not throw; the callback has an error; bufferedAmount grows', async (t) => {
  const { ws } = await t.scripted();

  ws.terminate();
  await t.event(ws, 'close');
  t.log(ws.readyState, ws.bufferedAmount);
  for (const name of ['send', 'ping', 'pong']) {
    t.try(name, () => ws[name]('abc', (err) => t.log(name, 'callback', err)));
  }
  t.log(ws.bufferedAmount);
  await t.turns(1);
});

behaviour('CLOSED after a failed handshake: send counts too', async (t) => {
  const ws = await connecting(t);

  ws.on('error', () => {});
  ws.terminate();
  t.log(ws.readyState);
  ws.send('abc', (err) => t.log('callback', err));
  await t.event(ws, 'close');
  ws.send('abcd', (err) => t.log('callback', err));
  ws.ping(Buffer.alloc(2), true, (err) => t.log('callback', err));
  t.log(ws.bufferedAmount);
  await t.turns(1);
});

behaviour('CLOSED: close, terminate, pause, resume do nothing', async (t) => {
  const { ws } = await t.scripted();

  ws.terminate();
  await t.event(ws, 'close');
  for (const name of ['close', 'terminate', 'pause', 'resume']) {
    t.try(name, () => ws[name]());
  }
  t.try('close with nonsense', () => ws.close('nonsense', 5));
  t.log(ws.readyState, ws.isPaused);
});

behaviour('CLOSING: close again does nothing', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.close(1000, 'first');
  t.try('second', () => ws.close(1001, 'second'));
  t.try('nonsense', () => ws.close(1));
  t.log(await peer.describeFrames(1));
  peer.sendMasked(8, closing(1000));
  t.log(await peer.describeFrames());
});

exchange('CLOSING: messages that are on their way are still delivered', async (t) => {
  const { ws, peer } = await t.pair();

  t.observe(ws, 'client');
  peer.send('1');
  peer.send('2');
  ws.close();
  await t.event(ws, 'close');
});

behaviour('CLOSING: terminate gives close with the code that was received', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws);
  peer.sendMasked(8, closing(4321, 'reason'));
  await peer.frames(1);
  ws.terminate();
  await t.until(() => ws.readyState === 3);
});

exchange('readyState during the closing handshake', async (t) => {
  const { ws, peer } = await t.pair();

  peer.on('close', () => t.channel('server')('close', peer.readyState));
  ws.on('close', () => t.log('close', ws.readyState));
  t.log(ws.readyState);
  ws.close();
  t.log(ws.readyState);
  await Promise.all([t.event(ws, 'close'), t.event(peer, 'close')]);
  t.log(ws.readyState, peer.readyState);
});

behaviour('readyState cannot be assigned', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});

  for (const name of ['readyState', 'url', 'protocol', 'extensions', 'bufferedAmount', 'isPaused']) {
    t.try(name, () => {
      ws[name] = 1;
    });
  }
});

behaviour('closeTimeout: the socket is destroyed when the peer does not answer', async (t) => {
  const { ws, peer } = await t.scripted({ closeTimeout: 20 });

  t.observe(ws);
  ws.close(1000, 'x');
  await t.event(ws, 'close');
  t.channel('peer')(await peer.describeFrames());
});

behaviour('closeTimeout: of a client that waits for the server to close TCP', async (t) => {
  const port = await t.rawWebSocketServer(
    async (peer) => {
      t.channel('server')(await peer.describeFrames(1));
      peer.send(8, closing(1000, 'answer'));
    },
    [],
    { allowHalfOpen: true }
  );
  const ws = t.observe(t.connect(port, { closeTimeout: 20 }));

  ws.on('open', () => ws.close());
  await t.event(ws, 'close');
});

behaviour('_closeTimer is set while closing and kept after', async (t) => {
  const { ws, peer } = await t.scripted();

  t.log(ws._closeTimer);
  ws.close();
  t.log(ws._closeTimer.constructor.name, ws._closeTimer._idleTimeout);
  peer.sendMasked(8, closing(1000));
  await t.event(ws, 'close');
  t.log(ws._closeTimer.constructor.name, ws._closeTimer._destroyed);
});
