'use strict';

// Streams of frames for differential tests: mostly valid, decided by a seed alone, cut in any way.

const js = require('../../../lib/codec/js');

/** A generator of numbers that the seed alone decides (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  return {
    below,
    chance: (oneIn) => below(oneIn) === 0,
    pick: (...choices) => choices[below(choices.length)],
    octets: (length) => Buffer.from(Array.from({ length }, () => below(256)))
  };
}

const WORDS_OF_TEXT = ['plain', ' ', 'ü', '€', '𝄞', '\u0000', '\u{10ffff}', '\ud7ff', '\ue000', 'a longer part of a text '];

function payload(random, isText) {
  const length = random.pick(0, 1, 5, 20, 124, 125, 126, 127, 128, 200, 300, random.chance(20) ? 70000 : 3);
  if (!isText) return random.octets(Math.min(length, 2000)).length === length ? random.octets(length) : Buffer.alloc(length, 7);
  let text = '';
  while (text.length < length) text += WORDS_OF_TEXT[random.below(WORDS_OF_TEXT.length)];
  return Buffer.from(text);
}

function frame(random, { opcode, fin, rsv1, masked, data }) {
  const head = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode];
  const mask = masked ? 0x80 : 0;
  const { length } = data;
  const form = random.chance(60) ? random.pick(126, 127) : length < 126 ? length : length < 65536 ? 126 : 127;
  head.push(mask | form);
  if (form === 126) head.push((length >> 8) & 0xff, length & 0xff);
  if (form === 127) head.push(0, 0, 0, 0, 0, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  const key = random.pick(random.octets(4), Buffer.alloc(4), random.octets(4));
  const scrambled = Buffer.from(data);
  js.unmask(scrambled, key);
  return Buffer.concat([Buffer.from(head), key, scrambled]);
}

/** A stream of frames that is mostly valid, so that the decoders get somewhere. */
function stream(random, options) {
  const frames = [];
  const masked = options.isServer;
  const count = random.pick(1, 3, 10, 30, random.chance(10) ? 700 : 5);
  let open = false;
  for (let i = 0; i < count; i++) {
    const odd = random.chance(count * 4);
    if (random.chance(4)) {
      const opcode = random.pick(9, 10, 9, 10, random.chance(8) ? 8 : 9);
      let data = payload(random, true).subarray(0, odd ? 130 : random.below(126));
      if (opcode === 8 && data.length > 0) {
        const code = odd ? random.below(5000) : random.pick(1000, 1001, 1011, 3000, 4999);
        data = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), payload(random, true).subarray(0, random.below(124))]);
      }
      frames.push(frame(random, { opcode, fin: !(odd && random.chance(2)), rsv1: odd && random.chance(2), masked, data }));
      continue;
    }
    const fin = !random.chance(3);
    const isText = random.chance(2);
    const opcode = open ? (odd ? random.below(16) : 0) : odd ? random.below(16) : isText ? 1 : 2;
    const rsv1 = odd ? random.chance(2) : !open && options.rsv1Allowed && random.chance(2);
    const data = payload(random, isText);
    frames.push(frame(random, { opcode, fin, rsv1, masked: masked !== (odd && random.chance(2)), data }));
    open = !fin;
  }
  const octets = Buffer.concat(frames);
  // Octets that somebody has changed, left out or put in.
  if (octets.length > 0 && random.chance(2)) octets[random.below(octets.length)] = random.below(256);
  if (octets.length > 0 && random.chance(8)) return octets.subarray(random.below(octets.length));
  if (random.chance(8)) return Buffer.concat([octets, random.octets(20)]);
  return octets;
}

function cut(random, octets) {
  const most = random.pick(1, 2, 7, 30, 1000, 65536, Infinity);
  if (most === Infinity) return [octets];
  const chunks = [];
  for (let at = 0; at < octets.length; ) {
    // Octets one by one all through a large frame show nothing new.
    const length = at > 3000 ? 65536 : random.chance(20) ? 0 : 1 + random.below(most);
    chunks.push(octets.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

module.exports = { cut, frame, payload, randomFrom, stream };
