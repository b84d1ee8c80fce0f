'use strict';

const zlib = require('node:zlib');

const { behaviour, exchange } = require('./harness');
const { frame } = require('./peer');

const offers = [
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; client_max_window_bits=10',
  'permessage-deflate; server_max_window_bits=10',
  'permessage-deflate; server_max_window_bits=8; client_max_window_bits=8',
  'permessage-deflate; server_no_context_takeover',
  'permessage-deflate; client_no_context_takeover',
  'permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits; server_max_window_bits=12',
  'permessage-deflate; server_max_window_bits=10, permessage-deflate',
  'permessage-deflate; server_no_context_takeover, permessage-deflate; client_max_window_bits',
  'foo, permessage-deflate',
  'permessage-deflate; client_max_window_bits="12"',
  'permessage-deflate; client_max_window_bits=7',
  'permessage-deflate; client_max_window_bits=16',
  'permessage-deflate; client_max_window_bits=foo',
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; server_max_window_bits=15.5',
  'permessage-deflate; client_no_context_takeover=1',
  'permessage-deflate; foo',
  'permessage-deflate; client_max_window_bits; client_max_window_bits=10',
  'permessage-deflate; foo, permessage-deflate',
  'permessage-deflate;',
  ', permessage-deflate',
  'x-webkit-deflate-frame'
];

/** One behaviour for each way to configure a server, with every offer. */
for (const options of [
  true,
  { serverNoContextTakeover: true },
  { serverNoContextTakeover: false },
  { clientNoContextTakeover: true },
  { clientNoContextTakeover: false },
  { serverMaxWindowBits: 11 },
  { serverMaxWindowBits: 9 },
  { serverMaxWindowBits: false },
  { clientMaxWindowBits: 11 },
  { clientMaxWindowBits: 9 },
  { clientMaxWindowBits: false },
  { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 10 }
]) {
  behaviour(`compression: every offer to a server with ${JSON.stringify(options)}`, async (t) => {
    const wss = await t.serve({ perMessageDeflate: options }, (ws) => {
      t.log('  open', ws.extensions);
      ws.terminate();
    });

    for (const offer of offers) {
      const peer = await t.rawSocket(wss.port);

      peer.request({ 'Sec-WebSocket-Extensions': offer });
      const text = await peer.text();

      t.log(offer, '->', text.split('\r\n')[0], /sec-websocket-extensions: .*/i.exec(text) + '', text.split('\r\n').pop());
    }
  });
}

for (const [name, clientOptions, serverOptions] of [
  ['defaults', true, true],
  ['no context takeover on both sides', { clientNoContextTakeover: true, serverNoContextTakeover: true, threshold: 0 }, true],
  ['no context takeover by the server', true, { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }],
  ['small windows', { clientMaxWindowBits: 9, serverMaxWindowBits: 9, threshold: 0 }, { threshold: 0 }],
  ['windows of 8 bits', { clientMaxWindowBits: 8, serverMaxWindowBits: 8, threshold: 0 }, { threshold: 0 }],
  ['different windows', { clientMaxWindowBits: 10, serverMaxWindowBits: 12, threshold: 0 }, { threshold: 0, serverMaxWindowBits: 11 }],
  ['best compression', { zlibDeflateOptions: { level: 9 }, threshold: 0 }, { zlibDeflateOptions: { level: 9, memLevel: 9 }, threshold: 0 }],
  ['no compression at all, level 0', { zlibDeflateOptions: { level: 0 }, threshold: 0 }, { zlibDeflateOptions: { level: 0 }, threshold: 0 }],
  ['memLevel, strategy, chunkSize', { zlibDeflateOptions: { memLevel: 1, strategy: zlib.constants.Z_HUFFMAN_ONLY, chunkSize: 64 }, zlibInflateOptions: { chunkSize: 64 }, threshold: 0 }, { threshold: 0, zlibInflateOptions: { chunkSize: 1024 } }],
  ['off on the client', false, true],
  ['off on the server', true, false],
  ['concurrencyLimit', { concurrencyLimit: 1, threshold: 0 }, { concurrencyLimit: 1, threshold: 0 }]
]) {
  exchange(`compression: an exchange with ${name}`, async (t) => {
    const { ws, peer } = await t.pair({ perMessageDeflate: serverOptions }, { perMessageDeflate: clientOptions });
    const log = t.channel('client');
    let left = 0;

    peer.on('message', (data, isBinary) => {
      t.log(data, isBinary);
      peer.send(data, { binary: isBinary });
    });
    t.log(ws.extensions, peer.extensions);
    const echoed = new Promise((resolve) => {
      ws.on('message', (data, isBinary) => {
        log(data, isBinary);
        if (--left === 0) resolve();
      });
    });
    const words = Array.from({ length: 5000 }, (_, i) => `word ${i * 7919 % 1000} `).join('');

    for (const data of ['', 'a', 'hello hello hello', 'hello hello hello', words, words, Buffer.from(words), Buffer.alloc(0), Buffer.alloc(100000, 3), 'grüße €😀']) {
      left++;
      ws.send(data);
    }
    await echoed;
    ws.close();
    await t.event(ws, 'close');
  });
}

/** Which messages are compressed, by RSV1, and what they inflate to. */
async function compressed(t, options, headers, send) {
  const { ws, peer } = await t.scripted({ perMessageDeflate: options }, { 'Sec-WebSocket-Extensions': headers });

  send(ws);
  ws.close();
  for (;;) {
    const [received] = await peer.frames(1);

    if (received.opcode === 8) break;
    t.log(received.opcode, 'fin', received.fin, 'rsv', received.rsv, received.rsv || received.opcode === 0 ? '' : received.payload);
  }
}

const some = (ws) => {
  ws.send('');
  ws.send('short');
  ws.send('x'.repeat(1023));
  ws.send('x'.repeat(1024));
  ws.send('ü'.repeat(512));
  ws.send(Buffer.alloc(1024));
  ws.send('x'.repeat(2000), { compress: false });
  ws.send('short', { compress: true });
  ws.send('x'.repeat(2000), { fin: false });
  ws.send('x'.repeat(2000), { fin: true });
  ws.send('x', { fin: false });
  ws.send('x'.repeat(2000), { fin: true });
  ws.send('x', { fin: false, compress: false });
  ws.send('x'.repeat(2000), { fin: true, compress: true });
};

behaviour('compression: which messages, with context takeover', (t) => compressed(t, true, 'permessage-deflate', some));
behaviour('compression: which messages, without context takeover', (t) => compressed(t, { serverNoContextTakeover: true }, 'permessage-deflate', some));
behaviour('compression: which messages, threshold 0', (t) => compressed(t, { serverNoContextTakeover: true, threshold: 0 }, 'permessage-deflate', some));
behaviour('compression: which messages, threshold 5', (t) => compressed(t, { serverNoContextTakeover: true, threshold: 5 }, 'permessage-deflate', some));
behaviour('compression: which messages, without an extension', (t) => compressed(t, true, 'foo', some));

behaviour('compression: what a server sends inflates with the negotiated window', async (t) => {
  for (const bits of [9, 10, 12, 15]) {
    const { ws, peer } = await t.scripted({ perMessageDeflate: { threshold: 0 } }, { 'Sec-WebSocket-Extensions': `permessage-deflate; server_max_window_bits=${bits}` });
    const text = Array.from({ length: 3000 }, (_, i) => (i * 48271 % 65537).toString(36)).join('');

    ws.send(text + text);
    const [received] = await peer.frames(1);
    const inflated = zlib.inflateRawSync(Buffer.concat([received.payload, Buffer.from([0, 0, 255, 255])]), { windowBits: bits, finishFlush: zlib.constants.Z_SYNC_FLUSH });

    t.log(bits, received.rsv, inflated.toString() === text + text);
  }
});

behaviour('compression: the context is taken over', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: { threshold: 0 } }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const text = Array.from({ length: 300 }, (_, i) => (i * 48271 % 65537).toString(36)).join('');

  ws.send(text);
  ws.send(text);
  const [first, second] = await peer.frames(2);

  t.log(second.payload.length * 5 < first.payload.length);
});

behaviour('compression: without context takeover messages are independent', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const text = Array.from({ length: 300 }, (_, i) => (i * 48271 % 65537).toString(36)).join('');

  ws.send(text);
  ws.send(text);
  const [first, second] = await peer.frames(2);

  t.log(first.payload.equals(second.payload));
});

behaviour('compression: receiving with context takeover, in odd pieces', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const deflate = zlib.createDeflateRaw();
  const parts = [];

  deflate.on('data', (chunk) => parts.push(chunk));
  const done = t.event(ws, 'pong');

  ws.on('message', (data, isBinary) => t.log(data, isBinary));
  for (const text of ['first message', 'first message again', 'first message again and again', '']) {
    parts.length = 0;
    deflate.write(text);
    await new Promise((resolve) => deflate.flush(zlib.constants.Z_SYNC_FLUSH, resolve));
    const data = Buffer.concat(parts).subarray(0, -4);

    peer.sendMasked(1, data.subarray(0, 1), { rsv: 4, fin: false });
    peer.sendMasked(0, '', { fin: false });
    peer.sendMasked(9, 'in between');
    peer.sendMasked(0, data.subarray(1));
  }
  peer.sendMasked(1, 'plain');
  peer.sendMasked(10);
  await done;
});

behaviour('compression: a stream that ends with a final block', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const done = t.event(ws, 'pong');

  ws.on('message', (data) => t.log(data));
  t.observe(ws, 'ws');
  peer.sendMasked(1, zlib.deflateRawSync('final block'), { rsv: 4 });
  peer.sendMasked(1, zlib.deflateRawSync('another'), { rsv: 4 });
  peer.sendMasked(10);
  await Promise.race([done, t.event(ws, 'close')]);
});

for (const parameters of ['', '; client_no_context_takeover']) {
  behaviour(`compression: the sender keeps the tail of a flush${parameters}`, async (t) => {
    const { ws, peer } = await t.scripted(
      { perMessageDeflate: true },
      { 'Sec-WebSocket-Extensions': `permessage-deflate${parameters}` }
    );
    const done = t.event(ws, 'pong');

    ws.on('message', (data) => t.log(data));
    t.observe(ws, 'ws');
    // RFC 7692 §7.2.1: the octets 00 00 ff ff at its end have to be removed.
    const kept = (text) => zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
    peer.sendMasked(1, kept('one'), { rsv: 4 });
    peer.sendMasked(1, kept('two'), { rsv: 4 });
    peer.sendMasked(10);
    await Promise.race([done, t.event(ws, 'close')]);
  });
}

behaviour('compression: an empty compressed message', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const done = t.event(ws, 'pong');

  ws.on('message', (data, isBinary) => t.log(data, isBinary));
  peer.sendMasked(1, Buffer.from([0]), { rsv: 4 });
  peer.sendMasked(2, Buffer.from([0]), { rsv: 4 });
  peer.sendMasked(1, '', { rsv: 4 });
  peer.sendMasked(10);
  await done;
});

behaviour('compression: a bomb is stopped at the limit', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true, maxPayload: 1024 * 1024 }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const bomb = zlib.deflateRawSync(Buffer.alloc(20 * 1024 * 1024), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

  t.observe(ws, 'ws');
  peer.sendMasked(2, bomb, { rsv: 4 });
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('compression: maxPayload counts what is inflated, over fragments', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true, maxPayload: 1000 }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const data = zlib.deflateRawSync(Buffer.alloc(600), { finishFlush: zlib.constants.Z_SYNC_FLUSH });

  t.observe(ws, 'ws');
  peer.sendMasked(2, data, { rsv: 4, fin: false });
  peer.sendMasked(0, data.subarray(0, -4));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('compression: messages after a compressed one wait for it', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });

  t.observe(ws, 'ws');
  const data = zlib.deflateRawSync('z'.repeat(50000), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

  peer.write(Buffer.concat([
    frame(1, 'before', { mask: true }),
    frame(1, data, { mask: true, rsv: 4 }),
    frame(9, 'ping', { mask: true }),
    frame(1, 'after', { mask: true }),
    frame(8, '', { mask: true })
  ]));
  t.log(await peer.describeFrames());
  await t.until(() => ws.readyState === 3);
});

behaviour('compression: a compressed message is not delivered in the tick of its octets', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const data = zlib.deflateRawSync('z', { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const done = t.event(ws, 'pong');

  ws.on('message', (message) => {
    t.log(message);
    Promise.resolve().then(() => t.log('microtask of', message));
  });
  peer.write(Buffer.concat([
    frame(1, 'a', { mask: true }),
    frame(1, data, { mask: true, rsv: 4 }),
    frame(1, 'b', { mask: true }),
    frame(10, '', { mask: true })
  ]));
  await done;
});

behaviour('compression: terminate while a message is inflated', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const data = zlib.deflateRawSync(Buffer.alloc(1000000), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

  t.observe(ws);
  ws.once('message', () => {
    setImmediate(() => ws.terminate());
  });
  peer.write(Buffer.concat([frame(1, 'now', { mask: true }), frame(2, data, { mask: true, rsv: 4 })]));
  await t.event(ws, 'close');
  t.log(ws.readyState);
});

behaviour('compression: the peer goes while a message is inflated: it is delivered', async (t) => {
  const { ws, peer } = await t.scripted({ perMessageDeflate: true }, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  const data = zlib.deflateRawSync(Buffer.alloc(100000), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

  ws.on('message', (message) => t.log('message', message));
  ws.on('close', (code) => t.log('close', code));
  peer.sendMasked(2, data, { rsv: 4 });
  peer.end();
  await t.event(ws, 'close');
});

behaviour('compression: many connections at once', async (t) => {
  const wss = await t.serve({ perMessageDeflate: { threshold: 0 } }, (peer) => peer.on('message', (data) => peer.send(data)));
  const all = Array.from({ length: 20 }, async (_, i) => {
    const ws = t.connect(wss.port, { perMessageDeflate: { threshold: 0 } });

    await t.event(ws, 'open');
    ws.send(`${i} `.repeat(3000));
    const [data] = await t.event(ws, 'message');

    return data.toString() === `${i} `.repeat(3000);
  });

  t.log(await Promise.all(all));
});
