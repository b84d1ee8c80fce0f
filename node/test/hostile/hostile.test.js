'use strict';

// What has hit a WebSocket library somewhere, tried against our server and our client: the suite
// `hostile` of the crate (crates/hybi/tests/hostile), where it applies here. Memory is measured: what is
// reachable, on the heap of V8 and outside of it. docs/THREATS.md lists the threats.

const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const zlib = require('node:zlib');
const { once } = require('node:events');
const { test } = require('node:test');

const WebSocket = require('../..');
const { acceptRaw, accepting, connectRaw, serve } = require('../unit/support/connections');
const { frame } = require('../unit/support/frames');
const { most, settled } = require('../unit/support/memory');

const KIB = 1024;
const MIB = 1024 * 1024;
const MASK = [1, 2, 3, 4];
const SIDES = ['server', 'client'];
const DEFLATE = ['Sec-WebSocket-Extensions: permessage-deflate'];

/** 128 MiB of zeros. */
let bomb;

/**
 * Our side and a socket that says what the test writes.
 *
 * @returns {Promise<{ws: WebSocket, socket: net.Socket, wire: Function}>} `wire` makes a frame of the
 *   attacker's: masked if ours is the server
 */
async function open(t, side, options, lines = []) {
  if (side === 'server') {
    const wss = await serve(t, options);
    const { socket, server } = await connectRaw(t, wss, lines);
    return { ws: server, socket, wire: (opcode, payload, more) => frame(opcode, payload, { mask: MASK, ...more }) };
  }
  const { client, socket } = await acceptRaw(t, { perMessageDeflate: false, ...options }, accepting(lines));
  await once(client, 'open');
  return { ws: client, socket, wire: frame };
}

/** Why a connection fails, and the code of the Close frame that its peer is sent. */
async function fails(ws, socket) {
  const failed = once(ws, 'error');
  const close = closeOf(socket);
  const [[error], code] = await Promise.all([failed, close]);
  return [error.code, code];
}

/** The code of the Close frame that comes, after whatever comes before it. */
async function closeOf(socket) {
  let octets = Buffer.alloc(0);
  socket.on('data', (chunk) => (octets = Buffer.concat([octets, chunk])));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
  return closeIn(octets);
}

function closeIn(octets) {
  for (let at = 0; at + 2 <= octets.length; ) {
    const opcode = octets[at] & 15;
    const masked = octets[at + 1] >> 7;
    const length = octets[at + 1] & 127;
    assert.ok(length < 126, 'a control frame');
    const key = masked ? octets.subarray(at + 2, at + 6) : [0, 0];
    const payload = at + 2 + 4 * masked;
    if (opcode === 8) return length === 0 ? 1005 : ((octets[payload] ^ key[0]) << 8) | (octets[payload + 1] ^ key[1]);
    at = payload + length;
  }
  return null;
}

/** Writes, and waits until it is gone or the other side has. */
function sends(socket, octets) {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(false);
    socket.write(octets, (error) => resolve(!error));
  });
}

for (const side of SIDES) {
  test(`${side}: tiny fragments cost no more than their octets and end with 1008`, async (t) => {
    const { ws, socket, wire } = await open(t, side, { maxFragments: 16 * KIB });
    const thousand = Buffer.concat(Array(1000).fill(wire(0, 'x', { fin: false })));
    const held = await most(async (look) => {
      const end = fails(ws, socket);
      await sends(socket, wire(2, 'x', { fin: false }));
      for (let i = 0; i < 16; i++) await sends(socket, thousand);
      await look();
      while (await sends(socket, thousand));
      assert.deepStrictEqual(await end, ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008]);
    });
    // 16 384 views of a chunk, and the chunks.
    assert.ok(held < 8 * MIB, `${held}`);
  });

  test(`${side}: empty fragments are counted and end with 1008`, async (t) => {
    const { ws, socket, wire } = await open(t, side);
    const thousand = Buffer.concat(Array(1000).fill(wire(0, '', { fin: false })));
    const held = await most(async () => {
      const end = fails(ws, socket);
      await sends(socket, wire(1, '', { fin: false }));
      while (await sends(socket, thousand));
      assert.deepStrictEqual(await end, ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008]);
    });
    assert.ok(held < MIB, `${held}`);
  });

  test(`${side}: the limit is that of a message, however many frames it comes in`, async (t) => {
    const { ws, socket, wire } = await open(t, side, { maxPayload: MIB });
    const more = wire(0, Buffer.alloc(60000, 7), { fin: false });
    const held = await most(async (look) => {
      const end = fails(ws, socket);
      await sends(socket, wire(2, Buffer.alloc(1000, 7), { fin: false }));
      for (let i = 0; i < 17; i++) await sends(socket, more);
      await look();
      while (await sends(socket, more));
      assert.deepStrictEqual(await end, ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]);
    });
    assert.ok(held < 4 * MIB, `${held}`);
  });

  test(`${side}: a claimed length allocates nothing before its octets come`, async (t) => {
    const { ws, socket, wire } = await open(t, side, { maxPayload: 0 });
    const header = wire(2, Buffer.alloc(65536)).subarray(0, side === 'server' ? 14 : 10);
    header.writeBigUInt64BE(1n << 40n, 2);
    const held = await most(async (look) => {
      await sends(socket, Buffer.concat([header, Buffer.from('only this')]));
      // It has arrived when what comes over the same socket before it is answered.
      await once(ws._socket, 'data');
      await look();
    });
    assert.ok(held < 256 * KIB, `${held}`);
    const closed = once(ws, 'close');
    socket.destroy();
    assert.strictEqual((await closed)[0], 1006);
  });

  test(`${side}: lengths that overflow are refused with 1009`, async (t) => {
    for (const claimed of [1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n]) {
      const { ws, socket, wire } = await open(t, side, { maxPayload: 0 });
      const header = wire(2, Buffer.alloc(65536)).subarray(0, side === 'server' ? 14 : 10);
      header.writeBigUInt64BE(claimed, 2);
      const end = fails(ws, socket);
      await sends(socket, header);
      assert.deepStrictEqual(await end, ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009], `${claimed}`);
    }
  });

  test(`${side}: a zip bomb stops at the limit and not after it`, async (t) => {
    bomb ??= zlib.deflateRawSync(Buffer.alloc(128 * MIB), { level: 1, finishFlush: zlib.constants.Z_SYNC_FLUSH });
    const options = { maxPayload: MIB, perMessageDeflate: true };
    const { ws, socket, wire } = await open(t, side, options, DEFLATE);
    assert.strictEqual(ws.extensions, 'permessage-deflate');
    // All of the process, because what is inflated and let go of at once is held meanwhile.
    const before = process.resourceUsage().maxRSS;
    const end = fails(ws, socket);
    await sends(socket, wire(2, bomb.subarray(0, -4), { rsv: 4 }));
    assert.deepStrictEqual(await end, ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]);
    // KiB; 128 MiB if it worked.
    const more = process.resourceUsage().maxRSS - before;
    assert.ok(more < 32 * KIB, `${more} KiB`);
  });

  test(`${side}: a flood of pings whose pongs nobody reads is cut, and holds little`, async (t) => {
    const { ws, socket, wire } = await open(t, side);
    // Of this socket nothing is read.
    socket.pause();
    const thousand = Buffer.concat(Array(1000).fill(wire(9, Buffer.alloc(125, 1))));
    const held = await most(async (look) => {
      const closed = once(ws, 'close');
      ws.on('error', () => {});
      // More pongs than all buffers of the kernel hold.
      for (let i = 0; i < 1000 && (await sends(socket, thousand)); i++);
      await look();
      await closed;
    });
    // The pongs would be 127 MB.
    assert.ok(held < 2 * MIB, `${held}`);
  });

  test(`${side}: pongs that nobody asked for hold nothing and change nothing`, async (t) => {
    const { ws, socket, wire } = await open(t, side);
    const thousand = Buffer.concat(Array(1000).fill(wire(10, Buffer.alloc(125, 1))));
    const held = await most(async () => {
      const message = once(ws, 'message');
      for (let i = 0; i < 50; i++) await sends(socket, thousand);
      await sends(socket, wire(1, 'done'));
      assert.strictEqual((await message)[0].toString(), 'done');
      assert.strictEqual(ws.bufferedAmount, 0);
    });
    assert.ok(held < MIB, `${held}`);
  });

  test(`${side}: the end at any octet is an abnormal closure, once`, async (t) => {
    const conversation = (wire) => Buffer.concat([wire(1, 'he', { fin: false }), wire(9, 'p'), wire(0, 'llo'), wire(2, Buffer.alloc(200))]);
    const { length } = conversation(side === 'server' ? (o, p, m) => frame(o, p, { mask: MASK, ...m }) : frame);
    for (let at = 0; at <= length; at += at < 40 ? 1 : 37) {
      const { ws, socket, wire } = await open(t, side);
      let closes = 0;
      ws.on('close', (code) => {
        closes++;
        assert.strictEqual(code, 1006);
      });
      const closed = once(ws, 'close');
      socket.end(conversation(wire).subarray(0, at));
      await closed;
      await new Promise(setImmediate);
      assert.strictEqual(closes, 1);
    }
  });

  test(`${side}: every violation is told apart and answered with its close code`, async (t) => {
    const wrongly = side === 'server' ? {} : { mask: MASK };
    const rightly = side === 'server' ? { mask: MASK } : {};
    for (const [octets, code, close] of [
      [frame(1, 'x', wrongly), side === 'server' ? 'WS_ERR_EXPECTED_MASK' : 'WS_ERR_UNEXPECTED_MASK', 1002],
      [frame(1, 'x', { ...rightly, rsv: 4 }), 'WS_ERR_UNEXPECTED_RSV_1', 1002],
      [frame(1, 'x', { ...rightly, rsv: 2 }), 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
      [frame(1, 'x', { ...rightly, rsv: 1 }), 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
      [frame(3, 'x', rightly), 'WS_ERR_INVALID_OPCODE', 1002],
      [frame(11, 'x', rightly), 'WS_ERR_INVALID_OPCODE', 1002],
      [frame(0, 'x', rightly), 'WS_ERR_INVALID_OPCODE', 1002],
      [Buffer.concat([frame(1, 'x', { ...rightly, fin: false }), frame(1, 'x', rightly)]), 'WS_ERR_INVALID_OPCODE', 1002],
      [frame(9, 'x', { ...rightly, fin: false }), 'WS_ERR_EXPECTED_FIN', 1002],
      [frame(9, Buffer.alloc(126), rightly), 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
      [frame(8, 'x', rightly), 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
      ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map((wrong) => [
        frame(8, Buffer.from([wrong >> 8, wrong & 255]), rightly),
        'WS_ERR_INVALID_CLOSE_CODE',
        1002
      ]),
      [frame(8, Buffer.from([3, 232, 0xff]), rightly), 'WS_ERR_INVALID_UTF8', 1007],
      [frame(1, Buffer.from([0xed, 0xa0, 0x80]), rightly), 'WS_ERR_INVALID_UTF8', 1007]
    ]) {
      const { ws, socket } = await open(t, side);
      ws.on('message', () => assert.fail('nothing is delivered'));
      const end = fails(ws, socket);
      await sends(socket, octets);
      assert.deepStrictEqual(await end, [code, close], octets.toString('hex'));
    }
  });

  test(`${side}: a frame after the Close frame is not delivered`, async (t) => {
    const { ws, socket, wire } = await open(t, side);
    ws.on('message', () => assert.fail('nothing is delivered'));
    ws.on('ping', () => assert.fail('nothing is delivered'));
    const closed = once(ws, 'close');
    const answer = closeOf(socket);
    await sends(socket, Buffer.concat([wire(8, Buffer.from([3, 232])), wire(1, 'late'), wire(9, 'late'), wire(8, '')]));
    assert.strictEqual(await answer, 1000);
    socket.end();
    assert.strictEqual((await closed)[0], 1000);
  });

  test(`${side}: a peer that never reads and never answers the Close frame is given up after closeTimeout`, async (t) => {
    const { ws, socket } = await open(t, side, { closeTimeout: 50 });
    socket.pause();
    const closed = once(ws, 'close');
    ws.send(Buffer.alloc(16 * MIB));
    ws.close();
    assert.strictEqual((await closed)[0], 1006);
  });

  test(`${side}: half a frame and then silence is given up with the heartbeat`, async (t) => {
    const { ws, socket, wire } = await open(t, side, { heartbeat: 250 });
    const closed = once(ws, 'close');
    socket.resume();
    await sends(socket, wire(1, 'half a frame').subarray(0, 9));
    assert.strictEqual((await closed)[0], 1006);
  });

  test(`${side}: what breaks behind a message that is inflated stops all that waits behind it`, async (t) => {
    const { ws, socket, wire } = await open(t, side, { maxPayload: 100, perMessageDeflate: true }, DEFLATE);
    const deflated = (text) => zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
    const messages = [];
    ws.on('message', (data) => messages.push(data.toString()));
    const end = fails(ws, socket);
    // The third octet of the last chunk would be read as a header.
    const first = Buffer.concat([wire(2, deflated('good'), { rsv: 4 }), wire(2, deflated('large '.repeat(100)), { rsv: 4 })]);
    for (const octet of first) ws._receiver.write(Buffer.from([octet]));
    ws._receiver.write(wire(1, 'late'));
    ws._receiver.write(wire(1, 'late'));
    assert.deepStrictEqual(await end, ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009]);
    assert.deepStrictEqual(messages, ['good']);
  });
}

test('a close frame and a pong carry their octets and no others', async (t) => {
  const wss = await serve(t);
  const { socket, server, read } = await connectRaw(t, wss);
  await sends(socket, frame(9, 'mine', { mask: MASK }));
  assert.deepStrictEqual(await read(6), frame(10, 'mine'));
  server.close(1000, 'why');
  assert.deepStrictEqual(await read(7), frame(8, Buffer.from([3, 232, ...Buffer.from('why')])));
  for (const reason of [new Uint8Array(4), 5, {}]) {
    assert.throws(() => new WebSocket.Sender({}).close(1000, reason), TypeError);
  }
});

test('masking keys and nonces do not repeat', async (t) => {
  const { client, socket, request } = await acceptRaw(t, { perMessageDeflate: false });
  await once(client, 'open');
  const { request: another } = await acceptRaw(t);
  const nonce = (head) => /sec-websocket-key: (.*)\r/i.exec(head)[1];
  assert.notStrictEqual(nonce(request), nonce(another));
  let octets = Buffer.alloc(0);
  socket.on('data', (chunk) => (octets = Buffer.concat([octets, chunk])));
  for (let i = 0; i < 1000; i++) client.send('x');
  while (octets.length < 7000) await once(socket, 'data');
  const keys = new Set();
  for (let at = 0; at < 7000; at += 7) keys.add(octets.readUInt32BE(at + 2));
  // Of 1000 keys of 32 bits, two are the same once in 8600 runs.
  assert.ok(keys.size >= 999, `${keys.size}`);
});

/** What a server answers to these octets, until it hangs up. */
async function answered(t, port, octets) {
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
  for (const some of octets) if (!(await sends(socket, some))) break;
  // Not `once` of node:events, for which the end by a reset is an error.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

test('heads that are too large are refused by the parser of Node.js, and harm nobody', async (t) => {
  const wss = await serve(t);
  const { port } = wss.address();
  const ten = Array.from({ length: 10000 }, (_, i) => `X-${i}: y\r\n`).join('');
  assert.match(await answered(t, port, [`GET / HTTP/1.1\r\nHost: x\r\n${ten}${UPGRADE}\r\n`]), /^HTTP\/1\.1 431 /);
  const held = await most(async (look) => {
    const drops = Array(40).fill(Buffer.alloc(1000, 'a'));
    const answer = await answered(t, port, ['GET / HTTP/1.1\r\nHost: x\r\nX: ', ...drops]);
    await look();
    // It may be lost, because more comes after it.
    assert.match(answer, /^(HTTP\/1\.1 431 |$)/);
  });
  assert.ok(held < 2 * MIB, `${held}`);
  const { server } = await connectRaw(t, wss);
  assert.strictEqual(server.readyState, WebSocket.OPEN);
});

test('a client that says half a head is given up by the timeouts of Node.js', async (t) => {
  const server = http.createServer({ headersTimeout: 60, requestTimeout: 60, connectionsCheckingInterval: 10 });
  await serve(t, { port: undefined, server: server.listen(0, '127.0.0.1') });
  t.after(() => server.close());
  const answer = await answered(t, server.address().port, ['GET / HTTP/1.1\r\nHost: ']);
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

test('a server that says nothing, or half a head, is given up after handshakeTimeout', async (t) => {
  for (const head of ['', 'HTTP/1.1 101 Switching Protocols\r\nUpgr']) {
    const { client } = await acceptRaw(t, { handshakeTimeout: 1000 }, () => head);
    const [error] = await once(client, 'error');
    assert.strictEqual(error.message, 'Opening handshake has timed out');
  }
});

test('names and parameters that mean something to others are only names', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true, handleProtocols: (protocols) => [...protocols][0] });
  const { port } = wss.address();
  for (const [line, status] of [
    ['Sec-WebSocket-Extensions: constructor, __proto__; a, toString; valueOf=1, hasOwnProperty', 101],
    ['Sec-WebSocket-Extensions: permessage-deflate; __proto__', 400],
    ['Sec-WebSocket-Extensions: permessage-deflate; constructor=1', 400],
    ['Sec-WebSocket-Protocol: __proto__, constructor', 101]
  ]) {
    const socket = net.connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${UPGRADE}${line}\r\n\r\n`);
    const [head] = await once(socket, 'data');
    assert.ok(head.toString().startsWith(`HTTP/1.1 ${status} `), head.toString());
    assert.ok(!/sec-websocket-extensions:/i.test(head.toString()), head.toString());
  }
  assert.strictEqual({}.a, undefined);
});

test('headers that invite backtracking are looked at in proportion to their length', () => {
  const extension = require('../../lib/extension');
  const subprotocol = require('../../lib/subprotocol');
  /** How often a parser looks at the text; it may refuse it. */
  const looks = (parse, text) => {
    let count = 0;
    const get = (target, key) => {
      count++;
      return typeof target[key] === 'function' ? target[key].bind(text) : target[key];
    };
    try {
      parse(new Proxy(Object(text), { get }));
    } catch (error) {
      assert.ok(error instanceof SyntaxError, error);
    }
    assert.ok(count > 0);
    return count;
  };
  for (const [{ parse }, text] of [
    [extension, (n) => `a${' '.repeat(n)}x`],
    [extension, (n) => `x; a="${'\\"'.repeat(n)}`],
    [extension, (n) => `a;${' ;'.repeat(n)}`],
    [extension, (n) => 'a, '.repeat(n) + 'a'],
    [extension, (n) => 'a'.repeat(n) + '\\'],
    [subprotocol, (n) => `a${' '.repeat(n)}b`],
    [subprotocol, (n) => Array.from({ length: n }, (_, i) => `p${i % 10}${i}`).join(' , ')]
  ]) {
    const [short, long] = [looks(parse, text(1000)), looks(parse, text(8000))];
    assert.ok(long < short * 10 + 100, `${text(3)}: ${short} looks, ${long} looks`);
  }
});

test('window bits out of range are refused by a server and fail a client', async (t) => {
  const wss = await serve(t, { perMessageDeflate: true });
  for (const bits of ['7', '16', '0', '-1', 'x', '""', '99999999999999999999']) {
    const line = `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=${bits}\r\n`;
    const answer = await answered(t, wss.address().port, [`GET / HTTP/1.1\r\nHost: x\r\n${UPGRADE}${line}\r\n`]);
    assert.match(answer, /^HTTP\/1\.1 400 /, bits);
    const head = accepting([`Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=${bits}`]);
    const { client } = await acceptRaw(t, {}, head);
    const [error] = await once(client, 'error');
    assert.match(error.message, /Sec-WebSocket-Extensions/, bits);
  }
});

test('nothing smuggles a line into a request', async () => {
  for (const make of [
    () => new WebSocket('ws://127.0.0.1:1/', { headers: { 'X-A': 'b\r\nX-C: d' } }),
    () => new WebSocket('ws://127.0.0.1:1/', { headers: { 'X-A\r\nX-C': 'd' } }),
    () => new WebSocket('ws://127.0.0.1:1/', ['a\r\nX-C: d']),
    () => new WebSocket('ws://127.0.0.1:1/', { origin: 'http://a\r\nX-C: d' }),
    () => new WebSocket('ws://127.0.0.1:1/', { host: '127.0.0.1', path: '/a\r\nX-C: d' })
  ]) {
    let failed;
    try {
      const ws = make();
      const [error] = await once(ws, 'error');
      failed = error.code !== 'ECONNREFUSED' || ws.url;
      // The URL parser takes CR and LF out of a path.
      assert.ok(!/[\r\n]/.test(`${ws._req?.path}`));
    } catch (error) {
      failed = error;
    }
    assert.ok(failed);
  }
  assert.strictEqual(new URL('ws://h/a\r\nX-C: d').pathname, '/aX-C:%20d');
});

test('secrets do not follow a redirect to another origin', async (t) => {
  const elsewhere = http.createServer().listen(0, '127.0.0.1');
  t.after(() => elsewhere.close());
  const asked = once(elsewhere, 'upgrade');
  const { client } = await acceptRaw(
    t,
    { followRedirects: true, headers: { Authorization: 'Bearer secret', Cookie: 'secret', 'X-Own': 'kept' } },
    () => `HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${elsewhere.address().port}/\r\nContent-Length: 0\r\n\r\n`
  );
  client.on('error', () => {});
  const [request, socket] = await asked;
  socket.destroy();
  assert.strictEqual(request.headers.authorization, undefined);
  assert.strictEqual(request.headers.cookie, undefined);
  assert.strictEqual(request.headers['x-own'], 'kept');
});

test('connections that have ended leave nothing', async (t) => {
  const wss = await serve(t, { perMessageDeflate: { threshold: 0 } });
  const lives = async (count) => {
    for (let i = 0; i < count; i++) {
      const { socket, server } = await connectRaw(t, wss, DEFLATE);
      server.on('error', () => {});
      const closed = new Promise((resolve) => server.once('close', resolve));
      const deflated = zlib.deflateRawSync(`message ${i}`, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
      const message = once(server, 'message');
      await sends(socket, frame(1, deflated.subarray(0, -4), { mask: MASK, rsv: 4 }));
      server.send((await message)[0]);
      // A goodbye, a rule that is broken, half a message, and nothing.
      const end = [frame(8, '', { mask: MASK }), frame(3), frame(1, 'half', { mask: MASK, fin: false }), ''][i % 4];
      socket.end(end);
      await closed;
    }
  };
  // What `t.after` is asked for, the test holds on to.
  await lives(100);
  const before = await settled();
  await lives(400);
  const each = ((await settled()) - before) / 400;
  // The socket of the test's own side and what closes it are among it; a connection of ours is not.
  assert.ok(each < 6 * KIB, `${each} bytes each`);
  assert.strictEqual(wss.clients.size, 0);
});
