'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { Writable } = require('node:stream');
const { describe, test } = require('node:test');

const batch = require('../../lib/batch');
const Receiver = require('../../lib/receiver');
const Sender = require('../../lib/sender');
const { frame } = require('./support/frames');

const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const WHOLE = { fin: true, binary: false, compress: false, mask: false };

/** A socket that keeps what it is given, write by write. */
class Socket extends Writable {
  constructor() {
    super();
    this.writes = [];
  }

  _write(chunk, encoding, cb) {
    this.writes.push(Buffer.from(chunk));
    cb();
  }

  _writev(chunks, cb) {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    cb();
  }
}

const tick = () => new Promise(setImmediate);

describe('Sender.frame', () => {
  test('frames every length in its shortest form', () => {
    for (const length of [0, 1, 125, 126, 65535, 65536, 100000]) {
      const data = Buffer.alloc(length, 0x61);
      const options = { opcode: 2, fin: true };
      assert.deepStrictEqual(Buffer.concat(Sender.frame(data, options)), frame(2, data));
      const masked = { ...options, mask: true, readOnly: true, generateMask: (mask) => KEY.copy(mask) };
      assert.deepStrictEqual(Buffer.concat(Sender.frame(data, masked)), frame(2, data, { mask: KEY }));
      assert.ok(data.every((octet) => octet === 0x61));
    }
  });

  test('sets the bits that it is told to', () => {
    assert.deepStrictEqual(Sender.frame('', { opcode: 1, rsv1: true }), [Buffer.from([0x41, 0x00])]);
  });
});

test('messages are sent in the form that they come in', async () => {
  for (const mask of [false, true]) {
    for (const length of [0, 5, 125, 126, 3000, 16380, 70000]) {
      const socket = new Socket();
      const sender = new Sender(socket, {}, (key) => KEY.copy(key));
      const text = 'ä'.repeat(length / 2) + 'x'.repeat(length % 2);
      const octets = Buffer.from(text);
      const forms = [text, octets, new Uint8Array(octets), new Uint8Array(octets).buffer, [...octets]];
      for (const form of forms) sender.send(form, { ...WHOLE, binary: typeof form !== 'string', mask });
      await tick();
      const options = mask ? { mask: KEY } : {};
      const expected = forms.map((form) => frame(typeof form === 'string' ? 1 : 2, octets, options));
      assert.deepStrictEqual(Buffer.concat(socket.writes), Buffer.concat(expected));
      assert.deepStrictEqual(octets, Buffer.from(text), 'what was sent must not be changed');
    }
  }
});

test('fragments continue the message', async () => {
  const socket = new Socket();
  const sender = new Sender(socket);
  sender.send('a', { ...WHOLE, fin: false });
  sender.ping('p');
  sender.send('b', { ...WHOLE, fin: false });
  sender.send('c', WHOLE);
  sender.send('d', WHOLE);
  await tick();
  assert.deepStrictEqual(
    Buffer.concat(socket.writes),
    Buffer.concat([
      frame(1, 'a', { fin: false }),
      frame(9, 'p'),
      frame(0, 'b', { fin: false }),
      frame(0, 'c'),
      frame(1, 'd')
    ])
  );
});

describe('what is sent together leaves together', () => {
  test('the first at once, the others at the end of the tick', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    for (const text of ['a', 'b', 'c']) sender.send(text, WHOLE);
    assert.deepStrictEqual(socket.writes, [frame(1, 'a')]);
    assert.strictEqual(sender._bufferedBytes, 6);
    await tick();
    assert.deepStrictEqual(socket.writes.slice(1), [Buffer.concat([frame(1, 'b'), frame(1, 'c')])]);
    assert.strictEqual(sender._bufferedBytes, 0);
    sender.send('d', WHOLE);
    assert.deepStrictEqual(socket.writes.slice(2), [frame(1, 'd')]);
  });

  test('of a chunk whose listeners take their time, what they have sent, before the next', () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const receiver = new Receiver();
    receiver.on('message', () => {
      sender.send('ack', WHOLE);
      for (const until = Date.now() + 20; Date.now() < until; );
      sender.send('done', WHOLE);
    });
    receiver.write(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(1, 'c')]));
    const [ack, done] = [frame(1, 'ack'), frame(1, 'done')];
    // After the first it is known that they are slow, and the first of each need not wait for the others.
    assert.deepStrictEqual(socket.writes, [Buffer.concat([ack, done]), ack, done, ack, done]);
  });

  test('of a chunk whose listeners are quick at first, at the latest after four that are not', () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const receiver = new Receiver();
    let written = 0;
    receiver.on('message', (data) => {
      written = socket.writes.length;
      sender.send('ack', WHOLE);
      if (String(data) === 'slow') for (const until = Date.now() + 20; Date.now() < until; );
    });
    receiver.write(Buffer.concat([frame(1, 'quick'), ...Array(4).fill(frame(1, 'slow')), frame(1, 'last')]));
    // All that was sent before the last.
    const ack = frame(1, 'ack');
    assert.ok(written >= 1);
    assert.deepStrictEqual(Buffer.concat(socket.writes.slice(0, written)), Buffer.concat(Array(5).fill(ack)));
    assert.deepStrictEqual(Buffer.concat(socket.writes), Buffer.concat(Array(6).fill(ack)));
  });

  test('of a chunk whose listeners take their time, and a socket that throws loses none of its messages', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const receiver = new Receiver();
    const received = [];
    receiver.on('message', (data) => {
      received.push(String(data));
      if (received.length > 1) return;
      sender.send('ack', WHOLE);
      for (const until = Date.now() + 20; Date.now() < until; );
      socket.write = () => {
        throw new Error('broken');
      };
    });
    assert.throws(() => receiver.write(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(1, 'c')])), { message: 'broken' });
    await tick();
    assert.deepStrictEqual(received, ['a', 'b', 'c']);
  });

  test('all of a chunk when it is done', () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    batch.begin();
    for (const text of ['a', 'b']) sender.send(text, WHOLE);
    assert.deepStrictEqual(socket.writes, []);
    batch.end();
    assert.deepStrictEqual(socket.writes, [Buffer.concat([frame(1, 'a'), frame(1, 'b')])]);
  });

  test('in order, also for several senders at a time', async () => {
    const sockets = [new Socket(), new Socket()];
    const senders = sockets.map((socket) => new Sender(socket));
    const expected = [[], []];
    for (let i = 0; i < 200; i++) {
      const text = `${i}`.padStart((i * 37) % 900, '-');
      senders[i % 2].send(text, WHOLE);
      expected[i % 2].push(frame(1, text));
      if (i % 50 === 0) senders[0].flush();
    }
    senders[0].send(Buffer.alloc(70000), { ...WHOLE, binary: true });
    expected[0].push(frame(2, Buffer.alloc(70000)));
    senders[0].send('last', WHOLE);
    expected[0].push(frame(1, 'last'));
    await tick();
    assert.deepStrictEqual(sockets.map((s) => Buffer.concat(s.writes)), expected.map((list) => Buffer.concat(list)));
  });

  test('a socket that throws does not keep the others from being written to', async () => {
    const broken = new Socket();
    const socket = new Socket();
    const senders = [new Sender(broken), new Sender(socket)];
    batch.begin();
    for (const sender of senders) sender.send('a', WHOLE);
    broken.write = () => {
      throw new Error('broken');
    };
    assert.throws(() => batch.end(), { message: 'broken' });
    await tick();
    assert.deepStrictEqual(socket.writes, [frame(1, 'a')]);
  });

  test('a large message at once, behind what is gathered', () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    sender.send('a', WHOLE);
    sender.send('b', WHOLE);
    const large = Buffer.alloc(20000);
    sender.send(large, { ...WHOLE, binary: true });
    assert.deepStrictEqual(Buffer.concat(socket.writes), Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(2, large)]));
  });

  test('never more than 64 KiB', () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    batch.begin();
    for (let i = 0; i < 100; i++) sender.send(Buffer.alloc(1000), { ...WHOLE, binary: true });
    assert.ok(sender._bufferedBytes < 65536);
    batch.end();
    assert.strictEqual(Buffer.concat(socket.writes).length, 100 * 1004);
  });

  test('every callback is called, in order', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const called = [];
    batch.begin();
    sender.send('a', WHOLE, () => called.push('a'));
    sender.send('b', WHOLE);
    sender.ping('c', false, (error) => called.push(['c', error ?? null]));
    sender.send('d', WHOLE, () => called.push('d'));
    assert.deepStrictEqual(called, []);
    batch.end();
    await tick();
    assert.deepStrictEqual(called, ['a', ['c', null], 'd']);
  });

  test('callbacks get the error of the socket', async () => {
    const socket = new Socket();
    socket.on('error', () => {});
    const sender = new Sender(socket);
    const errors = [];
    sender.send('a', WHOLE);
    socket.destroy();
    sender.send('b', WHOLE, (error) => errors.push(error.code));
    sender.send('c', WHOLE, (error) => errors.push(error.code));
    await tick();
    assert.deepStrictEqual(errors, ['ERR_STREAM_DESTROYED', 'ERR_STREAM_DESTROYED']);
  });

  test('a callback that throws does not keep the others from being called', () => {
    assert.strictEqual(
      run(`
        process.on('uncaughtException', (error) => console.log(error.message));
        const socket = new Writable({ write: (chunk, encoding, cb) => cb() });
        const sender = new Sender(socket);
        sender.send('a', { fin: true });
        sender.send('b', { fin: true }, () => { throw new Error('a bug'); });
        sender.send('c', { fin: true }, () => console.log('c'));`),
      'a bug\nc\n'
    );
  });

  test('what is gathered when the program exits is written', () => {
    assert.strictEqual(
      run(`
        const server = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1', () => {
          const socket = net.connect(server.address().port, '127.0.0.1', () => {
            const sender = new Sender(socket);
            for (const text of ['a', 'b', 'c']) sender.send(text, { fin: true });
            process.on('exit', () => console.log(socket.bytesWritten));
            process.exit();
          });
        });`),
      '9\n'
    );
  });
});

/** Runs a program of its own, and returns what it prints. */
function run(program) {
  const head = `
    const net = require('node:net');
    const { Writable } = require('node:stream');
    const Sender = require(${JSON.stringify(require.resolve('../../lib/sender'))});`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', head + program], { encoding: 'utf8' });
  return stdout + stderr;
}

describe('control frames', () => {
  test('ping and pong of at most 125 bytes', async () => {
    const socket = new Socket();
    const sender = new Sender(socket, {}, (key) => KEY.copy(key));
    sender.ping('x'.repeat(125), true);
    sender.pong(Buffer.from('hi'), false);
    for (const data of ['x'.repeat(126), 'ä'.repeat(63), Buffer.alloc(126)]) {
      assert.throws(() => sender.ping(data), { name: 'RangeError', message: 'The data size must not be greater than 125 bytes' });
    }
    await tick();
    assert.deepStrictEqual(Buffer.concat(socket.writes), Buffer.concat([frame(9, 'x'.repeat(125), { mask: KEY }), frame(10, 'hi')]));
  });

  test('close with code and reason', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    sender.close();
    sender.close(1000);
    sender.close(3000, 'bye');
    sender.close(4999, new Uint8Array([0x62]));
    for (const code of [999, 1005, 1006, 1015, 2999, 5000, '1000']) {
      assert.throws(() => sender.close(code), { name: 'TypeError', message: 'First argument must be a valid error code number' });
    }
    assert.throws(() => sender.close(1000, 'ä'.repeat(62)), { name: 'RangeError', message: 'The message must not be greater than 123 bytes' });
    await tick();
    assert.deepStrictEqual(
      Buffer.concat(socket.writes),
      Buffer.concat([frame(8), frame(8, [3, 0xe8]), frame(8, [0x0b, 0xb8, 0x62, 0x79, 0x65]), frame(8, [0x13, 0x87, 0x62])])
    );
  });
});

describe('blobs', { skip: typeof Blob === 'undefined' }, () => {
  test('what is sent behind one waits for it', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const blob = new Blob(['blob']);
    sender.send(blob, { ...WHOLE, binary: true });
    await new Promise((resolve) => sender.send('after', WHOLE, resolve));
    sender.send(blob, { ...WHOLE, binary: true });
    sender.ping(new Blob(['p']));
    sender.send('x', WHOLE);
    assert.strictEqual(sender._bufferedBytes, 4 + 1 + 1);
    await new Promise((resolve) => sender.close(1000, '', false, resolve));
    assert.deepStrictEqual(
      Buffer.concat(socket.writes),
      Buffer.concat([frame(2, 'blob'), frame(1, 'after'), frame(2, 'blob'), frame(9, 'p'), frame(1, 'x'), frame(8, [3, 0xe8])])
    );
    assert.strictEqual(sender._bufferedBytes, 0);
  });

  test('if the socket is closed meanwhile, every callback gets an error', async () => {
    const socket = new Socket();
    const sender = new Sender(socket);
    const errors = [];
    sender.send(new Blob(['blob']), WHOLE, (error) => errors.push(error.message));
    const told = new Promise((resolve) => sender.send('x', WHOLE, (error) => resolve(errors.push(error.message))));
    socket.destroy();
    await told;
    assert.deepStrictEqual(errors, Array(2).fill('The socket was closed while the blob was being read'));
  });

  test('one that cannot be read is an error of the connection', async () => {
    const sender = new Sender(new Socket());
    const blob = new Blob(['blob']);
    blob.arrayBuffer = () => Promise.reject(new Error('gone'));
    const error = await new Promise((resolve) => {
      sender.onerror = resolve;
      sender.send(blob, WHOLE);
    });
    assert.strictEqual(error.message, 'gone');
  });
});
