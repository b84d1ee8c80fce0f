'use strict';

const { behaviour, exchange } = require('./harness');
const { closing, frame } = require('./peer');

const mask = true;

/** One behaviour for each way to break the protocol, for a server and for a client. */
for (const [name, octets, options] of [
  ['RSV1 without compression', (o) => frame(1, 'x', { rsv: 4, ...o })],
  ['RSV2', (o) => frame(1, 'x', { rsv: 2, ...o })],
  ['RSV3', (o) => frame(2, 'x', { rsv: 1, ...o })],
  ['all RSV bits', (o) => frame(2, 'x', { rsv: 7, ...o })],
  ['RSV1 of a ping', (o) => frame(9, 'x', { rsv: 4, ...o })],
  ['RSV1 of a ping with compression', (o) => frame(9, 'x', { rsv: 4, ...o }), { perMessageDeflate: true }],
  ['RSV1 of a continuation with compression', (o) => Buffer.concat([frame(1, 'x', { fin: false, ...o }), frame(0, 'y', { rsv: 4, ...o })]), { perMessageDeflate: true }],
  ['a continuation without a beginning', (o) => frame(0, 'x', o)],
  ['a continuation after the end', (o) => Buffer.concat([frame(1, 'x', { fin: false, ...o }), frame(0, 'y', o), frame(0, 'z', o)])],
  ['a text frame within a message', (o) => Buffer.concat([frame(1, 'x', { fin: false, ...o }), frame(1, 'y', o)])],
  ['a binary frame within a message', (o) => Buffer.concat([frame(1, 'x', { fin: false, ...o }), frame(2, 'y', o)])],
  ['opcode 3', (o) => frame(3, 'x', o)],
  ['opcode 7', (o) => frame(7, 'x', o)],
  ['opcode 11', (o) => frame(11, 'x', o)],
  ['opcode 15', (o) => frame(15, 'x', o)],
  ['a fragmented ping', (o) => frame(9, 'x', { fin: false, ...o })],
  ['a fragmented pong', (o) => frame(10, 'x', { fin: false, ...o })],
  ['a fragmented close', (o) => frame(8, closing(1000), { fin: false, ...o })],
  ['a ping of 126 octets', (o) => frame(9, 'x'.repeat(126), o)],
  ['a pong of 65536 octets', (o) => frame(10, 'x'.repeat(65536), o)],
  ['a close of 126 octets', (o) => frame(8, closing(1000, 'x'.repeat(124)), o)],
  ['a close of one octet', (o) => frame(8, 'x', o)],
  ['a wrong masking bit', (o) => frame(1, 'x', { mask: !o.mask })],
  ['a wrong masking bit of a ping', (o) => frame(9, 'x', { mask: !o.mask })],
  ['a length of 2^53', (o) => frame(2, '', { length: 2n ** 53n, ...o })],
  ['a length of 2^63', (o) => frame(2, '', { length: 2n ** 63n, ...o })],
  ['a text that is no UTF-8', (o) => frame(1, Buffer.from([0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0x83, 0xce, 0xbc, 0xce, 0xb5, 0xed, 0xa0, 0x80]), o)],
  ['a text that ends in the middle of a character', (o) => frame(1, Buffer.from([0x61, 0xe2, 0x82]), o)],
  ['a text that is an overlong character', (o) => frame(1, Buffer.from([0xc0, 0xaf]), o)],
  ['a text beyond U+10FFFF', (o) => frame(1, Buffer.from([0xf4, 0x90, 0x80, 0x80]), o)],
  ['a fragmented text that is no UTF-8 at its end', (o) => Buffer.concat([frame(1, 'a', { fin: false, ...o }), frame(0, Buffer.from([0xe2, 0x82]), o)])],
  ['a message larger than maxPayload', (o) => frame(2, 'x'.repeat(11), o), { maxPayload: 10 }],
  ['a message larger than maxPayload by its header', (o) => frame(2, '', { length: 11, ...o }), { maxPayload: 10 }],
  ['fragments that are larger than maxPayload together', (o) => Buffer.concat([frame(2, '123456', { fin: false, ...o }), frame(0, '78901', o)]), { maxPayload: 10 }],
  ['more fragments than maxFragments', (o) => Buffer.concat([frame(2, '1', { fin: false, ...o }), frame(0, '2', { fin: false, ...o }), frame(0, '3', o)]), { maxFragments: 2 }],
  ['more empty fragments than maxFragments', (o) => Buffer.concat([frame(2, '', { fin: false, ...o }), frame(0, '', { fin: false, ...o }), frame(0, '', o)]), { maxFragments: 2 }],
  ['a message of 100 MiB and one octet by its header', (o) => frame(2, '', { length: 100 * 1024 * 1024 + 1, ...o })],
  ['compressed data that cannot be inflated', (o) => frame(1, Buffer.from([0xff, 0xff, 0xff, 0xff]), { rsv: 4, ...o }), { perMessageDeflate: true }],
  ['compressed data larger than maxPayload', (o) => frame(2, require('node:zlib').deflateRawSync(Buffer.alloc(100000), { finishFlush: 2 }).subarray(0, -4), { rsv: 4, ...o }), { perMessageDeflate: true, maxPayload: 1000 }],
  ['a compressed text that is no UTF-8', (o) => frame(1, require('node:zlib').deflateRawSync(Buffer.from([0x61, 0xff]), { finishFlush: 2 }).subarray(0, -4), { rsv: 4, ...o }), { perMessageDeflate: true }]
]) {
  behaviour(`server receives ${name}`, async (t) => {
    const headers = options && options.perMessageDeflate ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {};
    const { ws, peer } = await t.scripted(options, headers);

    t.observe(ws, 'ws');
    peer.write(octets({ mask }));
    t.log(await peer.describeFrames(), peer.ending);
    await t.until(() => ws.readyState === 3);
  });

  behaviour(`client receives ${name}`, async (t) => {
    const headers = options && options.perMessageDeflate ? ['Sec-WebSocket-Extensions: permessage-deflate'] : [];
    const port = await t.rawWebSocketServer(async (peer) => {
      peer.write(octets({ mask: false }));
      t.channel('server')(await peer.describeFrames(), peer.ending);
      peer.end();
    }, headers);
    const ws = t.observe(t.connect(port, options), 'client');

    await t.event(ws, 'close');
  });
}

behaviour('a length that is not in its shortest form, 16 bits', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.write(frame(1, 'x', { mask, form: 16 }));
  peer.write(frame(8, closing(1000), { mask }));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('a length that is not in its shortest form, 64 bits', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.write(frame(2, 'x'.repeat(300), { mask, form: 64 }));
  peer.write(frame(8, closing(1000), { mask }));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('a fragment that is no UTF-8 before the message is complete', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.write(frame(1, Buffer.from([0x61, 0xff]), { mask, fin: false }));
  peer.write(frame(9, 'still here?', { mask }));
  const first = await peer.describeFrames(1);

  t.log(first);
  peer.end();
  await t.until(() => ws.readyState === 3);
});

behaviour('skipUTF8Validation: what is no UTF-8 is delivered', async (t) => {
  const { ws, peer } = await t.scripted({ skipUTF8Validation: true });

  t.observe(ws, 'ws');
  peer.write(frame(1, Buffer.from([0x61, 0xff]), { mask }));
  peer.write(frame(8, Buffer.concat([closing(1000), Buffer.from([0xff])]), { mask }));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('the boundaries of lengths', async (t) => {
  const { ws, peer } = await t.scripted();
  const done = t.event(ws, 'pong');

  ws.on('message', (data) => t.log(data.length, data));
  for (const length of [0, 1, 124, 125, 126, 127, 128, 1023, 65534, 65535, 65536, 65537, 300000]) {
    peer.sendMasked(2, Buffer.alloc(length, length & 255));
  }
  peer.sendMasked(10);
  await done;
});

behaviour('a control frame of 125 octets', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(9, 'x'.repeat(125));
  t.log(await peer.describeFrames(1));
});

behaviour('octet by octet', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.socket.setNoDelay();
  const all = Buffer.concat([
    frame(1, 'grüße €', { mask }),
    frame(2, 'frag', { mask, fin: false }),
    frame(9, 'ping', { mask }),
    frame(0, 'ment', { mask }),
    frame(2, 'y'.repeat(130), { mask }),
    frame(8, closing(1000, 'ende'), { mask })
  ]);

  for (const octet of all) {
    peer.write(Buffer.from([octet]));
    await t.turns(1);
  }
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('fragments: text, binary, empty ones, pings within', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  peer.sendMasked(1, 'a', { fin: false }).sendMasked(0, 'b', { fin: false }).sendMasked(9, 'p').sendMasked(0, 'c');
  peer.sendMasked(2, '', { fin: false }).sendMasked(0, '', { fin: false }).sendMasked(0, '');
  peer.sendMasked(1, '', { fin: false }).sendMasked(0, 'x');
  peer.sendMasked(1, Buffer.from([0xe2]), { fin: false }).sendMasked(0, Buffer.from([0x82]), { fin: false }).sendMasked(0, Buffer.from([0xac]));
  peer.sendMasked(8, closing(1000));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

for (const type of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
  behaviour(`binaryType ${type}`, async (t) => {
    const { ws, peer } = await t.scripted();
    const all = [];

    ws.binaryType = type;
    t.log(ws.binaryType);
    ws.on('message', (data, isBinary) => all.push([data, isBinary]));
    const done = t.event(ws, 'pong');

    peer.sendMasked(2, 'whole');
    peer.sendMasked(2, '');
    peer.sendMasked(2, 'frag', { fin: false }).sendMasked(0, '', { fin: false }).sendMasked(0, 'ment');
    peer.sendMasked(1, 'text').sendMasked(1, 'te', { fin: false }).sendMasked(0, 'xt');
    peer.sendMasked(2, 'z'.repeat(70000));
    peer.sendMasked(9, 'ping').sendMasked(10, 'pong');
    ws.on('ping', (data) => t.log('ping', data));
    await done;
    for (const [data, isBinary] of all) {
      if (data instanceof Blob) t.log('Blob', data.size, data.type, await data.arrayBuffer(), isBinary);
      else t.log(data, isBinary);
    }
  });

  exchange(`binaryType ${type} with compression`, async (t) => {
    const { ws, peer } = await t.pair({ perMessageDeflate: { threshold: 0 } }, { perMessageDeflate: { threshold: 0 } });
    const all = [];

    peer.binaryType = type;
    peer.on('message', (data, isBinary) => all.push([data, isBinary]));
    const done = t.event(peer, 'pong');

    ws.send(Buffer.from('compressed'));
    ws.send(Buffer.alloc(3000, 1));
    ws.send('text');
    ws.send(Buffer.alloc(0));
    ws.pong();
    await done;
    for (const [data, isBinary] of all) {
      if (data instanceof Blob) t.log('Blob', await data.arrayBuffer(), isBinary);
      else if (Array.isArray(data)) t.log('fragments', Buffer.concat(data), isBinary);
      else t.log(data, isBinary);
    }
  });
}

behaviour('binaryType: what is no type is ignored', async (t) => {
  const ws = new t.impl.WebSocket(null, undefined, {});

  for (const type of ['text', '', undefined, null, 'Blob', 'NODEBUFFER', 'blob', 'arraybuffer']) {
    ws.binaryType = type;
    t.log(ws.binaryType);
  }
});

behaviour('binaryType changed in between', async (t) => {
  const { ws, peer } = await t.scripted();
  const done = t.event(ws, 'pong');
  const types = ['arraybuffer', 'fragments', 'nodebuffer'];

  ws.on('message', (data) => {
    t.log(ws.binaryType, data);
    ws.binaryType = types.shift();
  });
  peer.socket.cork();
  for (let i = 0; i < 3; i++) peer.sendMasked(2, `message ${i}`);
  peer.sendMasked(10);
  peer.socket.uncork();
  await done;
});

behaviour('binaryType of a client set in CONNECTING', async (t) => {
  const port = await t.rawWebSocketServer((peer) => peer.send(2, 'x'));
  const ws = t.connect(port);

  ws.binaryType = 'arraybuffer';
  t.log(await t.event(ws, 'message'));
});

behaviour('maxPayload: exactly as large is allowed; text counts octets', async (t) => {
  const { ws, peer } = await t.scripted({ maxPayload: 10 });

  t.observe(ws, 'ws');
  peer.sendMasked(2, '1234567890');
  peer.sendMasked(1, '12345', { fin: false }).sendMasked(0, '67890');
  peer.sendMasked(1, 'üüüüü').sendMasked(1, 'üüüüüü');
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('maxPayload: 0 means no limit', async (t) => {
  const { ws, peer } = await t.scripted({ maxPayload: 0 });
  const message = t.event(ws, 'message');

  peer.sendMasked(2, Buffer.alloc(100000));
  t.log(await message);
});

behaviour('maxPayload: control frames do not count', async (t) => {
  const { ws, peer } = await t.scripted({ maxPayload: 4 });
  const ping = t.event(ws, 'ping');

  peer.sendMasked(9, 'longer than four');
  t.log(await ping);
});

behaviour('maxFragments: exactly as many are allowed, for each message anew', async (t) => {
  const { ws, peer } = await t.scripted({ maxFragments: 2 });
  const done = t.event(ws, 'pong');

  t.observe(ws, 'ws');
  for (let i = 0; i < 3; i++) peer.sendMasked(2, 'a', { fin: false }).sendMasked(0, 'b');
  peer.sendMasked(10);
  await done;
});

behaviour('maxBufferedChunks: too many chunks of a frame', async (t) => {
  const { ws, peer } = await t.scripted({ maxBufferedChunks: 3 });

  t.observe(ws, 'ws');
  peer.socket.setNoDelay();
  const all = frame(2, 'x'.repeat(100), { mask });
  let at = 0;

  while (at < all.length && peer.ending === null && ws.readyState === 1) {
    const before = ws._socket.bytesRead;

    peer.write(all.subarray(at, ++at));
    await t.until(() => ws.readyState !== 1 || ws._socket.bytesRead > before);
    await t.turns(1);
  }
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('autoPong: false', async (t) => {
  const { ws, peer } = await t.scripted({ autoPong: false });

  ws.on('ping', (data) => {
    t.log('ping', data);
    ws.send('no pong');
  });
  peer.sendMasked(9, 'p');
  t.log(await peer.describeFrames(1));
});

behaviour('autoPong: false of a client', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    peer.send(9, 'p');
    t.channel('server')(await peer.describeFrames(1));
    peer.end();
  });
  const ws = t.connect(port, { autoPong: false });

  ws.on('ping', () => ws.pong('by hand'));
  await t.event(ws, 'close');
});

behaviour('pings are not answered while closing', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  ws.close();
  await peer.frames(1);
  peer.sendMasked(9, 'p');
  peer.sendMasked(8, closing(1000));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('a retained message is not overwritten by later ones', async (t) => {
  const { ws, peer } = await t.scripted();
  const all = [];

  ws.on('message', (data) => all.push(data));
  for (let i = 0; i < 200; i++) {
    peer.sendMasked(2, Buffer.alloc(1 + i * 37, i));
    if (i % 20 === 0) await t.turns(1);
  }
  await t.until(() => all.length === 200);
  all.forEach((data, i) => t.log(data.length, data.every((octet) => octet === i)));
});

behaviour('pause: nothing more after the tick; resume: the rest in order', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.on('message', (data) => t.log('message', data));
  t.log(ws.isPaused);
  ws.pause();
  t.log(ws.isPaused, ws._socket.isPaused());
  peer.sendMasked(1, 'a').sendMasked(1, 'b');
  await t.turns(20);
  t.log('still paused');
  const done = t.event(ws, 'pong');

  peer.sendMasked(10);
  ws.resume();
  t.log(ws.isPaused, ws._socket.isPaused());
  await done;
});

behaviour('pause in a message listener: the segment goes on', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.on('message', (data) => {
    t.log('message', data, ws.isPaused);
    ws.pause();
  });
  peer.socket.cork();
  peer.sendMasked(1, 'a').sendMasked(1, 'b').sendMasked(1, 'c');
  peer.socket.uncork();
  await t.event(ws, 'message');
  await t.turns(10);
  t.log('end', ws.isPaused);
});

behaviour('a socket that somebody has given an encoding', async (t) => {
  const port = await t.rawWebSocketServer(async (peer) => {
    await peer.frames(1);
    peer.send(1, 'a');
    t.channel('peer')(await peer.describeFrames(1));
    peer.end();
  });
  const ws = t.observe(t.connect(port));

  await t.event(ws, 'open');
  ws._socket.setEncoding('latin1');
  ws.ping();
  await t.event(ws, 'close');
});

behaviour('pause and resume twice', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.pause();
  ws.pause();
  ws.resume();
  ws.resume();
  const message = t.event(ws, 'message');

  peer.sendMasked(1, 'x');
  t.log(await message, ws.isPaused);
});

behaviour('pause and resume while the receiver has enough to do: the socket waits', async (t) => {
  const { ws, peer } = await t.scripted({ allowSynchronousEvents: false });
  let count = 0;
  const all = new Promise((resolve) => {
    ws.on('message', () => {
      if (++count === 5000) resolve();
    });
  });

  peer.write(Buffer.concat(Array.from({ length: 5000 }, () => frame(2, Buffer.alloc(20), { mask: true }))));
  await t.until(() => ws._receiver._writableState.needDrain);
  t.log(ws.isPaused, ws._socket.isPaused());
  ws.pause();
  ws.resume();
  t.log(ws.isPaused, ws._socket.isPaused(), ws._receiver._writableState.needDrain);
  await all;
});

behaviour('pause: close() does not resume', async (t) => {
  const { ws, peer } = await t.scripted({ closeTimeout: 50 });

  t.observe(ws, 'ws');
  ws.pause();
  ws.close();
  t.log(ws.isPaused, await peer.describeFrames(1));
  peer.sendMasked(8, closing(1000));
  await t.event(ws, 'close');
  t.log(ws.isPaused);
});

behaviour('pause while closing, then resume', async (t) => {
  const { ws, peer } = await t.scripted();

  t.observe(ws, 'ws');
  ws.close(1000);
  ws.pause();
  t.log(ws.isPaused);
  peer.sendMasked(1, 'x').sendMasked(8, closing(1000));
  await t.turns(5);
  ws.resume();
  await t.event(ws, 'close');
});

behaviour('pause in the open listener of a client: early messages', async (t) => {
  const port = await t.rawServer(async (peer) => {
    peer.key = /sec-websocket-key: (.*)/i.exec(await peer.head())[1];
    peer.write(Buffer.concat([Buffer.from(peer.acceptance()), frame(1, 'early')]));
  });
  const ws = t.connect(port);

  ws.on('message', (data) => t.log('message', data));
  await new Promise((resolve) => {
    ws.on('open', () => {
      ws.pause();
      setTimeout(resolve, 20);
    });
  });
  t.log('resume');
  ws.resume();
  await t.event(ws, 'message');
});

exchange('backpressure: a paused reader stops the sender, nothing is lost', async (t) => {
  const { ws, peer } = await t.pair();
  const chunk = Buffer.alloc(64 * 1024, 1);
  let received = 0;

  peer.on('message', (data) => {
    received += data.length;
  });
  peer.pause();
  for (let i = 0; i < 400; i++) ws.send(chunk);
  await t.turns(50);
  t.log(received === 0, ws.bufferedAmount > 0);
  peer.resume();
  await t.until(() => received === 400 * chunk.length);
  await t.until(() => ws.bufferedAmount === 0);
  t.log(received, ws.bufferedAmount);
});

behaviour('maxPendingAutoPongs: a flood of pings to a peer that does not read', async (t) => {
  const { ws, peer } = await t.scripted({ maxPendingAutoPongs: 5 });

  t.observe(ws, 'ws');
  peer.socket.cork();
  for (let i = 0; i < 8; i++) peer.sendMasked(9, String(i));
  peer.socket.uncork();
  await t.turns(50);
  t.log(ws.readyState);
});
