'use strict';

const zlib = require('node:zlib');

const { behaviour } = require('./harness');
const { closing, frame } = require('./peer');

/** A Receiver whose events are logged. */
function receiver(t, options) {
  const r = new t.impl.Receiver(options);

  for (const name of ['message', 'ping', 'pong', 'conclude', 'error', 'finish', 'close', 'drain']) {
    r.on(name, (...args) => t.log(name, ...args));
  }
  return r;
}

behaviour('Receiver: is a Writable', async (t) => {
  const { Writable } = require('node:stream');
  const r = new t.impl.Receiver();

  t.log(r instanceof Writable, r.writableObjectMode, r.writableHighWaterMark, t.impl.Receiver.length, t.impl.Receiver.name);
});

behaviour('Receiver: messages and control frames', async (t) => {
  const r = receiver(t);

  t.log(r.write(Buffer.concat([frame(1, 'text'), frame(2, 'binary'), frame(9, 'ping'), frame(10, 'pong')])));
  r.write(frame(1, 'fin', { fin: false }));
  r.write(frame(0, 'ish'));
  r.write(frame(8, closing(1000, 'bye')));
  await t.turns(3);
});

behaviour('Receiver: isServer wants masked frames', async (t) => {
  const r = receiver(t, { isServer: true });

  r.write(frame(1, 'masked', { mask: true }));
  r.write(frame(1, 'not masked'));
  await t.turns(3);
});

behaviour('Receiver: single octets', async (t) => {
  const r = receiver(t, { isServer: true });

  for (const octet of Buffer.concat([frame(2, 'x'.repeat(200), { mask: true }), frame(9, 'p', { mask: true })])) {
    r.write(Buffer.from([octet]));
  }
  await t.turns(3);
});

behaviour('Receiver: conclude without a code, then more', async (t) => {
  const r = receiver(t);

  r.write(frame(8));
  await t.turns(1);
  t.try('write after', () => r.write(frame(1, 'late')));
  await t.turns(3);
});

behaviour('Receiver: each error has a code and a status', async (t) => {
  for (const [options, octets] of [
    [{}, frame(1, 'x', { rsv: 4 })],
    [{}, frame(1, 'x', { rsv: 2 })],
    [{}, frame(0, 'x')],
    [{}, frame(9, 'x', { fin: false })],
    [{}, frame(9, 'x'.repeat(126))],
    [{}, frame(8, 'x')],
    [{}, frame(8, closing(1005))],
    [{}, frame(1, Buffer.from([0xff]))],
    [{}, frame(1, 'x', { mask: true })],
    [{ isServer: true }, frame(1, 'x')],
    [{}, frame(2, '', { length: 2n ** 60n })],
    [{ maxPayload: 1 }, frame(2, 'xx')],
    [{ maxFragments: 1 }, Buffer.concat([frame(2, 'x', { fin: false }), frame(0, 'x')])]
  ]) {
    const r = new t.impl.Receiver(options);
    const error = t.event(r, 'error');

    r.write(octets);
    const [err] = await error;
    const symbols = Object.getOwnPropertySymbols(err).map((s) => `${s.description} ${err[s]}`);

    t.log(err, symbols, err instanceof RangeError);
  }
});

behaviour('Receiver: allowSynchronousEvents: false', async (t) => {
  const r = receiver(t, { allowSynchronousEvents: false });

  r.write(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(9, 'c')]), () => t.log('written'));
  t.log('synchronous end');
  await t.turns(6);
});

behaviour('Receiver: binaryType', async (t) => {
  for (const binaryType of ['nodebuffer', 'arraybuffer', 'fragments', 'blob']) {
    const r = receiver(t, { binaryType });

    r.write(frame(2, 'frag', { fin: false }));
    r.write(frame(0, 'ment'));
    r.write(frame(1, 'text'));
  }
  await t.turns(2);
});

behaviour('Receiver: the callback of write and end', async (t) => {
  const r = receiver(t);

  r.write(frame(1, 'a').subarray(0, 2), (err) => t.log('first', err));
  r.write(frame(1, 'a').subarray(2), (err) => t.log('second', err));
  r.end(() => t.log('ended'));
  await t.turns(3);
});

behaviour('Receiver: an error ends it', async (t) => {
  const r = receiver(t);

  r.write(frame(3, 'x'), (err) => t.log('callback', err));
  await t.turns(2);
  r.write(frame(1, 'y'), (err) => t.log('callback', err && err.code));
  await t.turns(2);
});

behaviour('Receiver: with compression, in order', async (t) => {
  const deflate = new t.impl.PerMessageDeflate({ isServer: false });

  deflate.accept([{}]);
  const r = receiver(t, { extensions: { 'permessage-deflate': deflate } });
  const data = zlib.deflateRawSync('compressed', { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const done = t.event(r, 'pong');

  r.write(Buffer.concat([frame(1, 'before'), frame(1, data, { rsv: 4 }), frame(2, 'after'), frame(10)]));
  t.log('synchronous end');
  await done;
});

behaviour('Receiver: the octets given are consumed, masked ones are unmasked', async (t) => {
  const r = new t.impl.Receiver({ isServer: true });
  const message = t.event(r, 'message');

  r.write(frame(2, 'hello', { mask: true }));
  t.log((await message)[0]);
});

/** A Sender over a stream that keeps what is written. */
function sender(t, extensions, generateMask) {
  const { Duplex } = require('node:stream');
  const chunks = [];
  const socket = new Duplex({
    read() {},
    write(chunk, encoding, callback) {
      chunks.push(chunk);
      callback();
    }
  });

  return { s: new t.impl.Sender(socket, extensions, generateMask), chunks, socket };
}

behaviour('Sender.frame', async (t) => {
  for (const [data, options] of [
    [Buffer.from('x'), { opcode: 1, fin: true, mask: false, rsv1: false }],
    [Buffer.from('x'), { opcode: 2, fin: false, mask: false, rsv1: true }],
    [Buffer.alloc(0), { opcode: 9, fin: true, mask: false, rsv1: false, readOnly: true }],
    [Buffer.alloc(126), { opcode: 2, fin: true, mask: false, rsv1: false, readOnly: true }],
    [Buffer.alloc(65536), { opcode: 2, fin: true, mask: false, rsv1: false, readOnly: true }],
    ['grüße', { opcode: 1, fin: true, mask: false, rsv1: false }],
    [Buffer.from('abc'), { opcode: 1, fin: true, mask: true, rsv1: false, readOnly: true, generateMask: (m) => m.fill(1) }],
    [Buffer.from('abc'), { opcode: 1, fin: true, mask: true, rsv1: false, readOnly: false, generateMask: (m) => m.fill(0) }],
    [Buffer.alloc(200), { opcode: 1, fin: true, mask: true, rsv1: false, readOnly: true, maskBuffer: Buffer.alloc(4), generateMask: (m) => m.fill(2) }]
  ]) {
    const list = t.impl.Sender.frame(data, options);

    t.log(list.length, Buffer.concat(list.map((part) => Buffer.from(part))));
  }
});

behaviour('Sender: send, ping, pong, close', async (t) => {
  const { s, chunks } = sender(t);

  s.send('text', { binary: false, fin: true, mask: false, compress: false });
  s.send(Buffer.from('binary'), { binary: true, fin: true, mask: false, compress: false });
  s.send('first', { binary: false, fin: false, mask: false, compress: false });
  s.send('rest', { binary: false, fin: true, mask: false, compress: false });
  s.ping('p', false);
  s.pong('q', false);
  s.close(1000, 'bye', false);
  await t.turns(1);
  t.log(Buffer.concat(chunks));
});

behaviour('Sender: callbacks', async (t) => {
  const { s } = sender(t);

  s.send('x', { binary: false, fin: true, mask: false }, (...args) => t.log('send', t.given(args)));
  s.ping('x', false, (...args) => t.log('ping', t.given(args)));
  s.pong('x', false, (...args) => t.log('pong', t.given(args)));
  s.close(undefined, undefined, false, (...args) => t.log('close', t.given(args)));
  await t.turns(2);
});

behaviour('Sender: what is refused', async (t) => {
  const { s } = sender(t);

  t.try('close 1', () => s.close(1, '', false));
  t.try('close text', () => s.close('1000', '', false));
  t.try('close long', () => s.close(1000, 'x'.repeat(124), false));
  t.try('ping', () => s.ping('x'.repeat(126), false));
  t.try('pong', () => s.pong(Buffer.alloc(126), false));
});

behaviour('Sender: with compression', async (t) => {
  const deflate = new t.impl.PerMessageDeflate({ threshold: 0 });

  deflate.accept([{}]);
  const { s, chunks } = sender(t, { 'permessage-deflate': deflate });

  await new Promise((resolve) => {
    s.send('hello', { binary: false, fin: true, mask: false, compress: true });
    s.send('hello', { binary: false, fin: true, mask: false, compress: true });
    s.ping('between', false);
    s.send('plain', { binary: false, fin: true, mask: false, compress: false }, resolve);
  });
  const all = Buffer.concat(chunks);

  t.log(all[0].toString(2), all.includes('between'), all.includes('plain'), all.indexOf('between') < all.indexOf('plain'));
});

behaviour('Sender: a mask with generateMask', async (t) => {
  const { s, chunks } = sender(t, {}, (mask) => mask.writeUInt32BE(0x01020304));

  s.send('hello', { binary: false, fin: true, mask: true, compress: false });
  s.ping('p', true);
  s.close(1000, '', true);
  await t.turns(1);
  t.log(Buffer.concat(chunks));
});

behaviour('PerMessageDeflate: extensionName and offers', async (t) => {
  t.log(t.impl.PerMessageDeflate.extensionName);
  for (const options of [
    undefined, {}, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }, { serverMaxWindowBits: 10 },
    { clientMaxWindowBits: 11 }, { clientMaxWindowBits: false }, { clientMaxWindowBits: true }, { clientMaxWindowBits: null },
    { serverMaxWindowBits: true },
    { serverNoContextTakeover: true, clientNoContextTakeover: true, clientMaxWindowBits: 9, serverMaxWindowBits: 9, threshold: 5, concurrencyLimit: 2 }
  ]) {
    const p = new t.impl.PerMessageDeflate(options);

    t.log(options, p.offer(), p.params);
  }
});

behaviour('PerMessageDeflate: accept as a server', async (t) => {
  for (const [options, offers] of [
    [{}, [{}]],
    [{}, [{ client_max_window_bits: [true] }]],
    [{}, [{ client_max_window_bits: ['10'], server_max_window_bits: ['12'] }]],
    [{}, [{ server_no_context_takeover: [true], client_no_context_takeover: [true] }]],
    [{ serverMaxWindowBits: 10 }, [{}]],
    [{ serverMaxWindowBits: 10 }, [{ server_max_window_bits: ['9'] }]],
    [{ serverMaxWindowBits: 10 }, [{ server_max_window_bits: ['9'] }, { server_max_window_bits: ['11'] }]],
    [{ clientMaxWindowBits: 10 }, [{}]],
    [{ clientMaxWindowBits: 10 }, [{ client_max_window_bits: [true] }]],
    [{ serverNoContextTakeover: false }, [{ server_no_context_takeover: [true] }]],
    [{}, [{ foo: ['1'] }]],
    [{}, [{ server_no_context_takeover: ['1'] }]],
    [{}, [{ client_no_context_takeover: [true, true] }]],
    [{}, [{ client_max_window_bits: ['7'] }]],
    [{}, [{ client_max_window_bits: ['16'] }]],
    [{}, [{ server_max_window_bits: [true] }]],
    [{}, [{ server_max_window_bits: ['10.5'] }]],
    [{}, []]
  ]) {
    const p = new t.impl.PerMessageDeflate({ ...options, isServer: true });

    t.try('accept', () => p.accept(structuredClone(offers)));
    t.log(p.params);
  }
});

behaviour('PerMessageDeflate: accept as a client', async (t) => {
  for (const [options, response] of [
    [{}, [{}]],
    [{}, [{ client_max_window_bits: ['10'], server_max_window_bits: ['12'] }]],
    [{}, [{ client_max_window_bits: [true] }]],
    [{ clientMaxWindowBits: 10 }, [{}]],
    [{ clientMaxWindowBits: 10 }, [{ client_max_window_bits: ['11'] }]],
    [{ clientMaxWindowBits: false }, [{ client_max_window_bits: ['11'] }]],
    [{ clientNoContextTakeover: false }, [{ client_no_context_takeover: [true] }]],
    [{ clientNoContextTakeover: true }, [{}]],
    [{ serverMaxWindowBits: 10 }, [{}]],
    [{ serverNoContextTakeover: true }, [{}]],
    [{}, [{ unknown: [true] }]]
  ]) {
    const p = new t.impl.PerMessageDeflate({ ...options, isServer: false });

    t.try('accept', () => p.accept(structuredClone(response)));
    t.log(p.params);
  }
});

behaviour('PerMessageDeflate: compress and decompress', async (t) => {
  const p = new t.impl.PerMessageDeflate({ threshold: 0 });

  p.accept([{}]);
  const compress = (data, fin) => new Promise((resolve) => p.compress(data, fin, (err, result) => resolve([err, result])));
  const decompress = (data, fin) => new Promise((resolve) => p.decompress(data, fin, (err, result) => resolve([err, result])));

  for (const text of ['hello hello', 'hello hello', '', 'x'.repeat(100000)]) {
    const [err, data] = await compress(Buffer.from(text), true);
    const [error, result] = await decompress(data, true);

    t.log(err, error, result.toString() === text, data.length < text.length + 12);
  }
  const [, first] = await compress(Buffer.from('in two '), false);
  const [, second] = await compress(Buffer.from('parts'), true);

  t.log((await decompress(first, false))[1].toString(), (await decompress(second, true))[1].toString());
  p.cleanup();
  t.try('cleanup twice', () => p.cleanup());
});

behaviour('PerMessageDeflate: errors of decompress', async (t) => {
  for (const [options, data] of [
    [{}, Buffer.from([0xff, 0xff, 0xff, 0xff])],
    [{ maxPayload: 10 }, zlib.deflateRawSync(Buffer.alloc(1000))]
  ]) {
    const p = new t.impl.PerMessageDeflate(options);

    p.accept([{}]);
    const [err] = await new Promise((resolve) => p.decompress(data, true, (...args) => resolve(args)));

    // The words for invalid data are those of the zlib that found it.
    t.log(err.code, err.errno === undefined ? err.message : err.errno, err instanceof RangeError);
    t.log(Object.getOwnPropertySymbols(err).map((s) => `${s.description} ${err[s]}`));
  }
});

behaviour('PerMessageDeflate: cleanup while data is compressed', async (t) => {
  const p = new t.impl.PerMessageDeflate({ threshold: 0 });

  p.accept([{}]);
  const result = new Promise((resolve) => p.compress(Buffer.alloc(1000000), true, (...args) => resolve(args)));

  p.cleanup();
  const [err] = await result;

  t.log(err);
});

behaviour('extension.parse: good headers', async (t) => {
  for (const header of [
    'foo', 'foo, bar', 'foo; a', 'foo; a=1', 'foo;a=1;a=2', 'foo; a="1"', 'foo; a="b\\c"', 'foo, foo; a', 'foo ; a = '.slice(0, 8),
    'permessage-deflate; client_max_window_bits, permessage-deflate', 'foo\t;\ta', 'foo; a=b ; c', '__proto__', 'foo; __proto__=1',
    'foo; constructor', 'a;b;c, d;e=f , g'
  ]) {
    t.try(header, () => {
      const result = t.impl.extension.parse(header);

      return Object.keys(result).map((name) => [name, result[name].map((params) => Object.entries(params))]);
    });
  }
});

behaviour('extension.parse: bad headers', async (t) => {
  for (const header of [
    '', ' ', ',', ';', 'foo,', 'foo;', 'foo; a=', 'foo; a="', 'foo; a="b', 'foo; a=""', 'foo; a="b"c', 'f oo', 'foo;a b', 'foo; a=b c',
    'foo; a="b c"', 'foo; a="\\', 'foo=1', 'foo; =1', '"foo"', 'foo,,bar', 'foo; a;; b', ' foo', 'foo ', 'foo; a\0', 'grüße', 'foo; a="ü"', 'foo; a=b=c'
  ]) {
    t.try(JSON.stringify(header), () => Object.keys(t.impl.extension.parse(header)));
  }
});

behaviour('extension.format', async (t) => {
  for (const extensions of [
    {}, { foo: [] }, { foo: {} }, { foo: [{}] }, { foo: { a: true } }, { foo: { a: 1, b: 'x' } }, { foo: [{ a: [true, 2] }, { b: [3] }] },
    { foo: {}, bar: [{ x: true }, { y: 1 }] }
  ]) {
    t.try('format', () => t.impl.extension.format(extensions));
  }
});

behaviour('subprotocol.parse', async (t) => {
  for (const header of [
    'foo', 'foo,bar', 'foo, bar', 'foo , bar', 'foo\t,\tbar', '', ' ', ',', 'foo,', ',foo', 'foo,,bar', 'foo bar', 'foo;bar', 'foo, foo', ' foo', 'foo ',
    'a"b', 'ü', 'foo, Foo', 'a,b,c,d', "!#$%&'*+-.^_`|~"
  ]) {
    t.try(JSON.stringify(header), () => t.impl.subprotocol.parse(header));
  }
});
