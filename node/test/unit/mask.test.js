'use strict';

const assert = require('node:assert');
const { test } = require('node:test');

const { generateMask, mask, unmask } = require('../../lib/codec/js');

const KEY = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

test('every octet is masked with the octet of the key whose turn it is, wherever the buffer begins', () => {
  const memory = Buffer.from(Array.from({ length: 2100 }, (_, i) => (i * 31) >> 3));
  for (const length of [0, 1, 2, 3, 4, 7, 31, 127, 128, 129, 130, 131, 160, 2000]) {
    for (let from = 0; from < 9; from++) {
      const source = Buffer.from(memory.subarray(from, from + length));
      const expected = source.map((octet, i) => octet ^ KEY[i & 3]);

      const target = Buffer.alloc(length + 10, 0xee);
      mask(memory.subarray(from, from + length), KEY, target, from, length);
      assert.deepStrictEqual(target.subarray(from, from + length), expected);
      assert.ok(target.subarray(0, from).every((octet) => octet === 0xee));
      assert.ok(target.subarray(from + length).every((octet) => octet === 0xee));

      const inPlace = Buffer.from(memory);
      unmask(inPlace.subarray(from, from + length), KEY);
      assert.deepStrictEqual(inPlace.subarray(from, from + length), expected);
      assert.deepStrictEqual(inPlace.subarray(from + length), memory.subarray(from + length));
    }
  }
});

test('keys do not repeat', () => {
  const keys = new Set();
  const target = Buffer.alloc(6);
  for (let i = 0; i < 5000; i++) {
    generateMask(target);
    keys.add(target.readUInt32BE(0));
  }
  // Two of 5000 are the same by chance in one run of 340; ten never.
  assert.ok(keys.size > 4990);
  assert.strictEqual(target.readUInt16BE(4), 0, 'only four octets are written');
});
