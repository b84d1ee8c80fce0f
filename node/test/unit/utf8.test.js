'use strict';

const assert = require('node:assert');
const { isUtf8 } = require('node:buffer');
const { test } = require('node:test');

const { Utf8Validator, isValidUTF8 } = require('../../lib/codec/js');

/** The judgement of the platform, which has nothing to do with ours. */
function isText(octets) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(octets);
    return true;
  } catch {
    return false;
  }
}

const FILL = [0, 1, 3, 40, 130, 200];

test('every two octets, and every three that begin like a character, are judged as by TextDecoder', () => {
  for (let a = 0x7f; a < 0x100; a++) {
    for (let b = 0x7f; b < 0x100; b++) {
      const two = Buffer.from([a, b]);
      assert.strictEqual(isValidUTF8(two), isText(two), two.toString('hex'));
      if (a < 0xe0 || b > 0xc0) continue;
      for (const c of [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]) {
        for (const rest of [[], [0x80], [0xbf], [0x41]]) {
          const octets = Buffer.from([a, b, c, ...rest]);
          assert.strictEqual(isValidUTF8(octets), isText(octets), octets.toString('hex'));
        }
      }
    }
  }
});

test('long texts are judged as short ones, and in pieces as a whole', { skip: isUtf8 === undefined }, () => {
  const characters = ['c3a4', 'e282ac', 'f09d849e', 'ed9fbf', 'ee8080', 'f48fbfbf'];
  const wrong = ['ff', 'c0af', 'eda080', 'f4908080', 'e28041', 'c3', 'e282', 'f09d84', '80'];
  const validator = new Utf8Validator();
  for (const hex of [...characters, ...wrong]) {
    for (const before of FILL) {
      for (const after of FILL) {
        const octets = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(hex, 'hex'), Buffer.alloc(after, 'ü')]);
        const expected = isText(octets);
        assert.strictEqual(isValidUTF8(octets), expected);
        for (let at = before; at <= before + 4 && at <= octets.length; at++) {
          const begins = validator.push(octets.subarray(0, at), false);
          const valid = validator.push(octets.subarray(at), true);
          assert.strictEqual(begins && valid, expected, `${hex} cut at ${at - before}`);
        }
      }
    }
  }
});

test('a piece that no text can begin with is refused at once', () => {
  const validator = new Utf8Validator();
  assert.strictEqual(validator.push(Buffer.from([0x61, 0xed]), false), true);
  assert.strictEqual(validator.push(Buffer.from([0xa0]), false), false);
  assert.strictEqual(validator.push(Buffer.from('a'), true), false, 'and so is the rest of it');
  assert.strictEqual(validator.push(Buffer.from('a'), true), true, 'but not the next text');
});
