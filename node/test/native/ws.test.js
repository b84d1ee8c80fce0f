'use strict';

// The same octets, cut in any way, to our receiver and to that of npm `ws`: the same messages, pings,
// pongs, and the same end with the same close code, or one of the three differences that are meant.
//
// HYBI_FUZZ_SECONDS=600 node --test test/native/ws.test.js   the long form
// HYBI_FUZZ_SEED=N                                           the run that failed

const { test } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');
const zlib = require('node:zlib');

const { cut, frame, randomFrom, stream } = require('./support/streams');

const SECONDS = Number(process.env.HYBI_FUZZ_SECONDS) || 0;
/** Without a time: so many streams, always the same. */
const STREAMS = 3000;
const SEED = Number(process.env.HYBI_FUZZ_SEED) || 0;

const lib = (name) => path.join(path.dirname(require.resolve('ws')), 'lib', name);
const OURS = {
  Receiver: require('../../lib/receiver'),
  PerMessageDeflate: require('../../lib/permessage-deflate'),
  kStatusCode: require('../../lib/constants').kStatusCode
};
const THEIRS = {
  Receiver: require(lib('receiver.js')),
  PerMessageDeflate: require(lib('permessage-deflate.js')),
  kStatusCode: require(lib('constants.js')).kStatusCode
};

/**
 * The events of a receiver, until it fails or has been given everything.
 *
 * `atOnce`: chunks wait in the stream for those before them. That of `ws` reads on behind an error then,
 * and may throw what nobody can catch.
 */
async function observe({ Receiver, PerMessageDeflate, kStatusCode }, options, chunks, atOnce) {
  const extensions = {};
  if (options.rsv1Allowed) {
    const deflate = new PerMessageDeflate({ isServer: options.isServer, maxPayload: options.maxPayload });
    deflate.accept([{}]);
    extensions['permessage-deflate'] = deflate;
  }
  const receiver = new Receiver({ ...options, extensions });
  const events = [];
  const note = (name) => (data, more) => events.push(`${name} ${data.toString('latin1')} ${more ?? ''}`);
  receiver.on('message', note('message'));
  receiver.on('ping', note('ping'));
  receiver.on('pong', note('pong'));
  const ended = new Promise((resolve) => {
    receiver.on('conclude', (code, reason) => {
      events.push(`conclude ${code} ${reason.toString('latin1')}`);
      resolve();
    });
    receiver.on('error', (error) => {
      events.push(`error ${error.code} ${error[kStatusCode]}`);
      resolve();
    });
    receiver.on('finish', resolve);
  });
  for (const chunk of chunks) {
    // Both unmask in place.
    const written = new Promise((resolve) => receiver.write(Buffer.from(chunk), resolve));
    if (!atOnce) await Promise.race([written, ended]);
    if (receiver.destroyed || receiver.writableEnded) break;
  }
  if (!receiver.destroyed && !receiver.writableEnded) receiver.end();
  await ended;
  extensions['permessage-deflate']?.cleanup();
  return events;
}

/** Frames of which the compressed ones are compressed; `isSpoilt`: but for octets that somebody has changed. */
function compressed(random, options) {
  const frames = [];
  let isSpoilt = false;
  for (let i = random.pick(1, 2, 5, 9); i > 0; i--) {
    const text = 'over and over '.repeat(random.pick(1, 3, 50, 500)) + random.below(1000);
    const rsv1 = !random.chance(4);
    let data = rsv1
      ? zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
      : Buffer.from(text);
    if (random.chance(10)) {
      data[random.below(data.length)] ^= 1 << random.below(8);
      isSpoilt = true;
    }
    if (random.chance(20)) {
      data = random.octets(20);
      isSpoilt = true;
    }
    const opcode = 1 + random.below(2);
    const at = random.chance(3) ? random.below(data.length) : 0;
    const masked = options.isServer;
    if (at > 0) frames.push(frame(random, { opcode, fin: false, rsv1, masked, data: data.subarray(0, at) }));
    if (random.chance(4)) frames.push(frame(random, { opcode: 9, fin: true, rsv1: false, masked, data: Buffer.from('p') }));
    const last = at > 0 ? { opcode: 0, rsv1: false } : { opcode, rsv1 };
    frames.push(frame(random, { ...last, fin: true, masked, data: data.subarray(at) }));
  }
  return { octets: Buffer.concat(frames), isSpoilt };
}

/** The events before the error that ends them, if those of the other begin with them too. */
function sameUntil(error, events, others) {
  const before = events.slice(0, -1);
  return events.at(-1) === error && before.every((event, i) => event === others[i]) ? before : null;
}

/** Whether ours may differ from what `ws` makes of it, and does so no further than is meant. */
function isMeant(ours, theirs, isSpoilt) {
  // RFC 6455 §5.2: the shortest form of a length is a MUST; `ws` takes any.
  if (sameUntil('error WS_ERR_NON_MINIMAL_LENGTH 1002', ours, theirs) !== null) return true;
  // §8.1: text is refused with its first octet that is wrong; `ws` waits for the end of the message,
  // which may not come, or be wrong in another way before. It does not deliver it either.
  const before = sameUntil('error WS_ERR_INVALID_UTF8 1007', ours, theirs);
  if (before !== null) return !theirs.slice(before.length).some((event) => event.startsWith('message'));
  // RFC 7692 §7.2.2: what is compressed ends where a block does. Our native half refuses a message that
  // ends within one; zlib, and so `ws`, goes on in it with the next message, which is then something
  // else or wrong.
  return isSpoilt && [ours, theirs].some((events) => events.at(-1) === 'error Z_DATA_ERROR 1007');
}

test('our receiver and that of ws make the same of the same octets', async (t) => {
  const end = Date.now() + SECONDS * 1000;
  const first = SEED || (SECONDS > 0 ? Date.now() >>> 0 : 1);
  const seen = { same: 0, meant: 0, messages: 0, errors: new Set() };
  let seed = first;
  do {
    const random = randomFrom(seed);
    const options = {
      isServer: random.chance(2),
      rsv1Allowed: random.chance(3),
      maxPayload: random.pick(0, 0, 1000, 100000, 100),
      maxFragments: random.pick(0, 0, 3, 10),
      maxBufferedChunks: random.pick(0, 0, 20, 100),
      skipUTF8Validation: random.chance(4)
    };
    const { octets, isSpoilt } = options.rsv1Allowed
      ? compressed(random, options)
      : { octets: stream(random, options), isSpoilt: false };
    // A socket never gives an empty chunk.
    const chunks = cut(random, octets).filter(({ length }) => length > 0);
    const ours = await observe(OURS, options, chunks, random.chance(2));
    const theirs = await observe(THEIRS, options, chunks, false);
    const same = ours.length === theirs.length && ours.every((event, i) => event === theirs[i]);
    if (!same && !isMeant(ours, theirs, isSpoilt)) {
      const at = ours.findIndex((event, i) => event !== theirs[i]);
      const shown = (events) => (at === -1 ? events.slice(ours.length) : events.slice(at, at + 3)).map((e) => e.slice(0, 100));
      assert.fail(
        `HYBI_FUZZ_SEED=${seed} ${JSON.stringify(options)}: ours ${JSON.stringify(shown(ours))}, ` +
          `ws ${JSON.stringify(shown(theirs))}`
      );
    }
    seen[same ? 'same' : 'meant']++;
    for (const event of ours) {
      if (event.startsWith('message')) seen.messages++;
      if (event.startsWith('error')) seen.errors.add(event);
    }
    seed++;
  } while (SEED === 0 && (SECONDS > 0 ? Date.now() < end : seed < first + STREAMS));
  t.diagnostic(`${seed - first} streams from seed ${first}: ${seen.same} the same, ${seen.meant} as meant, ${seen.messages} messages`);
  // They reach what there is, or they are not worth much.
  if (SEED === 0) assert.ok(seen.errors.size >= 12, [...seen.errors].join(', '));
});
