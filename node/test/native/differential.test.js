'use strict';

// The same octets, cut in any way, are the same to both codecs: record for record.
//
// HYBI_FUZZ_SECONDS=600 node --test test/native/differential.test.js   the long form
// HYBI_FUZZ_SEED=N                                                     the run that failed

const { test } = require('node:test');
const assert = require('node:assert');
const js = require('../../lib/codec/js');
const native = require('../../lib/codec/native');
const { CAPACITY, ERROR, FLAG_SIDE, KIND, WORDS } = require('../../lib/codec/records');
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
      for (let i = 0; i < count; i++) {
        const [kind, offset, length, extra] = codec.records.subarray(i * WORDS, (i + 1) * WORDS);
        const source = (kind & FLAG_SIDE) !== 0 ? decoder.side : chunk;
        const isError = (kind & KIND) === ERROR;
        const octets = isError ? length : source.subarray(offset, offset + length).toString('latin1');
        all.push(`${kind} ${(kind & FLAG_SIDE) !== 0 ? '' : offset} ${extra} ${octets}`);
      }
      assert.ok(decoder.consumed > from || chunk.length === 0 || from === chunk.length);
      from = decoder.consumed;
      all.push(`consumed ${from}`);
    } while (from < chunk.length);
  }
  return all;
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
