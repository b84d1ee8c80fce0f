'use strict';

// The same octets, cut in any way, are the same to both codecs: record for record.
//
// HYBI_FUZZ_SECONDS=600 node --test test/native/differential.test.js   the long form
// HYBI_FUZZ_SEED=N                                                     the run that failed

const { test } = require('node:test');
const assert = require('node:assert');
const js = require('../../lib/codec/js');
const native = require('../../lib/codec/native');
const { BINARY, CAPACITY, ERROR, FLAG_SIDE, KIND, TEXT, WORDS } = require('../../lib/codec/records');
const { frame } = require('../unit/support/frames');
const { cut, payload, randomFrom, stream } = require('./support/streams');

const skip = native === null && 'no native half';
const SECONDS = Number(process.env.HYBI_FUZZ_SECONDS) || 0;
/** Without a time: so many streams, always the same. */
const STREAMS = 2500;
const SEED = Number(process.env.HYBI_FUZZ_SEED) || 0;

/** What a decoder makes of chunks: every record with the octets that it tells of. */
function decodeAll(codec, options, chunks) {
  const decoder = new codec.Decoder(options);
  const all = [];
  for (const original of chunks) {
    const chunk = Buffer.from(original);
    let from = 0;
    do {
      const count = decoder.decode(chunk, from);
      assert.ok(count <= CAPACITY);
      all.push(...told(codec, decoder, count, chunk));
      assert.ok(decoder.consumed > from || chunk.length === 0 || from === chunk.length);
      from = decoder.consumed;
      all.push(`consumed ${from}`);
    } while (from < chunk.length);
  }
  return all;
}

/** The same with `read`, which tells of some messages in another way. */
function readAll(options, chunks) {
  const decoder = new native.Decoder(options);
  const all = [];
  let messages = 0;
  for (const chunk of chunks) {
    const memory = Buffer.allocUnsafeSlow(chunk.length + 1);
    chunk.copy(memory);
    const data = decoder.read(memory.buffer, chunk.length);
    if (data !== null) {
      messages++;
      all.push(`${decoder.isBinary ? BINARY : TEXT} ${chunk.length - data.length} 0 ${data.toString('latin1')}`);
      all.push(`consumed ${chunk.length}`);
      continue;
    }
    let { count } = decoder;
    for (;;) {
      all.push(...told(native, decoder, count, memory), `consumed ${decoder.consumed}`);
      if (decoder.consumed === chunk.length) break;
      count = decoder.decode(memory, decoder.consumed, chunk.length);
    }
  }
  return { all, messages };
}

/** What is told by records. */
function told(codec, decoder, count, chunk) {
  return Array.from({ length: count }, (_, i) => {
    const [kind, offset, length, extra] = codec.records.subarray(i * WORDS, (i + 1) * WORDS);
    const source = (kind & FLAG_SIDE) !== 0 ? decoder.side : chunk;
    const isError = (kind & KIND) === ERROR;
    const octets = isError ? length : source.subarray(offset, offset + length).toString('latin1');
    return `${kind} ${(kind & FLAG_SIDE) !== 0 ? '' : offset} ${extra} ${octets}`;
  });
}

function optionsOf(random) {
  return {
    isServer: random.chance(2),
    rsv1Allowed: random.chance(2),
    maxPayload: random.pick(0, 0, 1000, 100000, 100),
    maxFragments: random.pick(0, 0, 3, 10),
    maxBufferedChunks: random.pick(0, 0, 2, 10),
    skipUTF8Validation: random.chance(4)
  };
}

test('what is read is what is recorded', { skip }, () => {
  let messages = 0;
  for (let seed = 1; seed <= STREAMS; seed++) {
    const random = randomFrom(seed);
    const options = optionsOf(random);
    // A frame a chunk, or cut anywhere.
    const one = () => stream(random, options);
    const chunks = random.chance(2) ? cut(random, one()) : frames(random, options);
    const got = readAll(options, chunks);
    assert.deepStrictEqual(got.all, decodeAll(native, options, chunks), `seed ${seed}`);
    messages += got.messages;
  }
  assert.ok(messages > STREAMS, `${messages} messages`);
});

/** Messages of which each is a chunk, whole and valid or not. */
function frames(random, { isServer }) {
  return Array.from({ length: 20 }, () => {
    const text = random.chance(2);
    const data = text ? Buffer.from('é'.repeat(random.below(500))) : random.octets(random.below(random.pick(10, 300, 5000)));
    if (data.length > 0 && random.chance(40)) data[random.below(data.length)] ^= 0x80;
    const mask = isServer !== random.chance(60) ? [...random.octets(4)] : undefined;
    return frame(text ? 1 : 2, data, { mask, fin: !random.chance(40) });
  });
}

test('both codecs record the same of the same octets', { skip }, (t) => {
  const end = Date.now() + SECONDS * 1000;
  const first = SEED || (SECONDS > 0 ? Date.now() >>> 0 : 1);
  let seed = first;
  const seen = new Map();
  do {
    const random = randomFrom(seed);
    const options = optionsOf(random);
    const octets = stream(random, options);
    const chunks = cut(random, octets);
    const [expected, got] = [js, native].map((codec) => decodeAll(codec, options, chunks));
    // The first difference says enough; both lists are long.
    const differs = got.findIndex((line, i) => line !== expected[i]);
    assert.ok(
      differs === -1 && got.length === expected.length,
      `HYBI_FUZZ_SEED=${seed} ${JSON.stringify(options)}: native ${got[differs]}, js ${expected[differs]}`
    );
    for (const line of got) {
      const kind = line.slice(0, line.indexOf(' ', line.indexOf(' ') + 1));
      const key = kind.startsWith(`${ERROR} `) ? `error ${line.split(' ')[2]}` : line.split(' ')[0];
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    seed++;
  } while (SEED === 0 && (SECONDS > 0 ? Date.now() < end : seed < first + STREAMS));
  t.diagnostic(`${seed - first} streams from seed ${first}`);
  if (SEED === 0) {
    // The streams reach every error, or they are not worth much.
    for (let index = 0; index <= 13; index++) assert.ok(seen.has(`error ${index}`), `error ${index}`);
  }
});

test('UTF-8 in pieces is judged alike by both and as the whole', { skip }, () => {
  const options = { isServer: false, rsv1Allowed: false, maxPayload: 0, maxFragments: 0, maxBufferedChunks: 0, skipUTF8Validation: false };
  for (let seed = 1; seed < 1500; seed++) {
    const random = randomFrom(seed);
    const data = payload(random, true).subarray(0, 120);
    if (data.length > 0 && random.chance(2)) data[random.below(data.length)] ^= 1 << random.below(8);
    const octets = Buffer.concat([Buffer.from([0x81, data.length]), data]);
    const valid = js.isValidUTF8(data);
    for (const codec of [js, native]) {
      const records = decodeAll(codec, options, cut(random, octets));
      assert.strictEqual(records.some((line) => line.startsWith(`${ERROR} `)), !valid, `seed ${seed}`);
    }
  }
});
