'use strict';

const { behaviour, exchange } = require('./harness');
const { closing, frame } = require('./peer');

/** Pseudo-random numbers, the same in every run. */
function random(seed) {
  return (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
}

/** Sends all kinds of messages, from both ends at once, and logs what arrives. */
async function traffic(t, { ws, peer }, seed, count = 150) {
  const ends = [['client', ws, peer], ['server', peer, ws]];

  await Promise.all(ends.map(async ([name, from, to], i) => {
    const log = t.channel(`from the ${name}`);
    const next = random(seed + i);
    const done = new Promise((resolve) => {
      to.on('pong', (data) => {
        log('pong', data);
        if (String(data) === 'end') resolve();
      });
    });

    to.on('message', (data, isBinary) => log(data, isBinary));
    to.on('ping', (data) => log('ping', data));
    for (let n = 0; n < count; n++) {
      const size = [next(10), next(200), next(5000), next(100000)][next(4)];
      const data = next(2) ? 'é'.repeat(size >> 1) : Buffer.alloc(size, next(256));

      switch (next(8)) {
        case 0:
          from.ping(`ping ${n}`);
          break;
        case 1:
          from.send(data, { fin: false });
          from.send(data, { fin: false });
          from.ping('within');
          from.send(data, { fin: true });
          break;
        case 2:
          from.send(data, { compress: false });
          break;
        case 3:
          await new Promise((resolve) => from.send(data, resolve));
          break;
        case 4:
          from.send(new Blob([data]));
          break;
        default:
          from.send(data);
      }
      if (next(20) === 0) await t.turns(1);
    }
    from.pong('end');
    await done;
  }));
}

exchange('traffic of all kinds', async (t) => traffic(t, await t.pair({ autoPong: false }, { autoPong: false }), 1));

exchange('traffic of all kinds, compressed', async (t) => {
  const perMessageDeflate = { threshold: 0, zlibDeflateOptions: { level: 1 } };

  await traffic(t, await t.pair({ autoPong: false, perMessageDeflate }, { autoPong: false, perMessageDeflate }), 2, 100);
});

exchange('traffic of all kinds, each event in a turn of its own', async (t) => {
  const options = { autoPong: false, allowSynchronousEvents: false };

  await traffic(t, await t.pair(options, options), 3, 100);
});

exchange('traffic of all kinds, as ArrayBuffers', async (t) => {
  const pair = await t.pair({ autoPong: false }, { autoPong: false });

  pair.ws.binaryType = pair.peer.binaryType = 'arraybuffer';
  await traffic(t, pair, 4, 100);
});

exchange('a message of 8 MiB there and back', async (t) => {
  const { ws, peer } = await t.pair();

  peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
  ws.send(Buffer.alloc(8 * 1024 * 1024, 'octets'));
  t.log(await t.event(ws, 'message'));
});

behaviour('five thousand small messages in one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const all = [];
  const frames = [];
  const done = t.event(ws, 'pong');

  ws.on('message', (data) => all.push(String(data)));
  ws.on('ping', (data) => all.push(`ping ${data}`));
  for (let i = 0; i < 5000; i++) frames.push(frame(i % 10 === 9 ? 9 : 1, String(i), { mask: true }));
  frames.push(frame(10, '', { mask: true }));
  peer.write(Buffer.concat(frames));
  await done;
  t.log(all.length, all.every((text, i) => text === (i % 10 === 9 ? `ping ${i}` : String(i))));
});

behaviour('an answer to each of five thousand messages of one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const frames = [];

  ws.on('message', (data) => ws.send(data));
  for (let i = 0; i < 5000; i++) frames.push(frame(1, String(i), { mask: true }));
  peer.write(Buffer.concat(frames));
  const answers = await peer.frames(5000);

  t.log(answers.every((answer, i) => answer.payload.toString() === String(i)));
});

behaviour('an error in the middle of many messages of one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const frames = [];

  t.observe(ws);
  for (let i = 0; i < 50; i++) frames.push(frame(i === 30 ? 3 : 1, String(i), { mask: true }));
  peer.write(Buffer.concat(frames));
  t.channel('peer')(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('a close in the middle of many messages of one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const frames = [];

  t.observe(ws);
  for (let i = 0; i < 50; i++) frames.push(i === 30 ? frame(8, closing(1000), { mask: true }) : frame(1, String(i), { mask: true }));
  peer.write(Buffer.concat(frames));
  t.channel('peer')(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('close() in the middle of many messages of one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const frames = [];

  t.observe(ws);
  ws.on('message', (data) => {
    ws.send(data);
    if (String(data) === '20') ws.close(4000, 'enough');
  });
  for (let i = 0; i < 40; i++) frames.push(frame(1, String(i), { mask: true }));
  frames.push(frame(8, closing(4000), { mask: true }));
  peer.write(Buffer.concat(frames));
  t.channel('peer')(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('a listener that throws in the middle of many messages of one write', async (t) => {
  const { ws, peer } = await t.scripted();
  const listeners = process.listeners('uncaughtException');
  const frames = [];

  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (err) => t.channel('uncaught')(err));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  let thrown = false;

  ws.on('message', (data) => {
    ws.send(data);
    if (String(data) === '3' && !thrown) {
      thrown = true;
      throw new Error('from the listener');
    }
  });
  for (let i = 0; i < 6; i++) frames.push(frame(1, String(i), { mask: true }));
  peer.write(Buffer.concat(frames));
  t.log(await peer.describeFrames(4));
});

behaviour('two connections: what each sends in the listener of the other', async (t) => {
  const wss = await t.serve({}, (ws) => {
    ws.on('message', (data) => {
      for (const each of wss.clients) each.send(`all: ${data}`);
      ws.send('only you');
    });
  });
  const one = await t.rawClient(wss.port);
  const two = await t.rawClient(wss.port);
  const frames = [];

  for (let i = 0; i < 3; i++) frames.push(frame(1, String(i), { mask: true }));
  one.write(Buffer.concat(frames));
  t.log(await one.describeFrames(6));
  t.log(await two.describeFrames(3));
});
