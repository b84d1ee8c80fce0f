'use strict';

const assert = require('node:assert');
const { describe, test } = require('node:test');

const { Decoder, records } = require('../../lib/codec/js');
const { ERRORS } = require('../../lib/errors');
const R = require('../../lib/codec/records');
const { cuttings, frame } = require('./support/frames');

const KEY = [0x37, 0xfa, 0x21, 0x3d];
const NO_LIMITS = { isServer: false, rsv1Allowed: false, maxPayload: 0, maxFragments: 0, maxBufferedChunks: 0, skipUTF8Validation: false };

/** Decodes chunks and tells what they contain, pieces joined: `['text hello', 'error 3 0']`. */
function decode(chunks, options) {
  const decoder = new Decoder({ ...NO_LIMITS, ...options });
  const told = [];
  let message = null;
  for (const chunk of chunks) {
    let from = 0;
    do {
      const count = decoder.decode(chunk, from);
      for (let i = 0; i < count; i++) {
        const [head, offset, length, extra] = records.subarray(i * R.WORDS, (i + 1) * R.WORDS);
        const octets = ((head & R.FLAG_SIDE) !== 0 ? decoder.side : chunk).subarray(offset, offset + length);
        switch (head & R.KIND) {
          case R.TEXT:
            told.push(`text ${octets}`);
            break;
          case R.BINARY:
            told.push(`binary ${octets}`);
            break;
          case R.PIECE:
            if ((head & R.FLAG_FIRST) !== 0) {
              assert.strictEqual(message, null);
              message = '';
            }
            message += octets.toString('latin1');
            if ((head & R.FLAG_FIN) !== 0 && (head & R.FLAG_END_OF_FRAME) !== 0) {
              const kind = (head & R.FLAG_TEXT) !== 0 ? 'text' : 'binary';
              const compressed = (head & R.FLAG_COMPRESSED) !== 0 ? 'compressed ' : '';
              told.push(`${compressed}${kind} ${Buffer.from(message, 'latin1')}`);
              message = null;
            }
            break;
          case R.CLOSE:
            told.push(`close ${extra} ${octets}`);
            break;
          case R.PING:
            told.push(`ping ${octets}`);
            break;
          case R.PONG:
            told.push(`pong ${octets}`);
            break;
          case R.ERROR:
            told.push(`error ${Object.keys(ERRORS).find((name) => ERRORS[name] === extra)} ${length}`);
        }
      }
      from = decoder.consumed;
    } while (from < chunk.length);
  }
  return told;
}

describe('frames mean the same however they are cut', () => {
  for (const mask of [undefined, KEY]) {
    test(mask ? 'from a client' : 'from a server', () => {
      const o = { mask };
      const octets = Buffer.concat([
        frame(1, 'Hello', o),
        frame(2, '', o),
        frame(1, 'ä€𝄞'.repeat(60), o),
        frame(1, 'Hel', { ...o, fin: false }),
        frame(9, 'between', o),
        frame(0, '', { ...o, fin: false }),
        frame(10, '', o),
        frame(0, 'lo', o),
        frame(2, 'x'.repeat(70000), o),
        frame(1, 'deflated', { ...o, rsv: 4 }),
        frame(8, Buffer.from([3, 0xe8, 0x62, 0x79, 0x65]), o),
        frame(1, 'after the end', o)
      ]);
      const expected = [
        'text Hello',
        'binary ',
        `text ${'ä€𝄞'.repeat(60)}`,
        'ping between',
        'pong ',
        'text Hello',
        `binary ${'x'.repeat(70000)}`,
        'compressed text deflated',
        'close 1000 bye'
      ];
      for (const chunks of cuttings(octets)) {
        assert.deepStrictEqual(decode(chunks, { isServer: !!mask, rsv1Allowed: true }), expected);
      }
    });
  }
});

test('more frames than the table holds are decoded in several calls', () => {
  const octets = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(1, String(i))));
  assert.deepStrictEqual(decode([octets]), Array.from({ length: 1000 }, (_, i) => `text ${i}`));
});

describe('a broken rule is an error, however the frame is cut', () => {
  const rules = [
    ['RSV2', Buffer.from([0xa1, 0x00]), 'UNEXPECTED_RSV_2_3 0'],
    ['RSV3', Buffer.from([0x91, 0x00]), 'UNEXPECTED_RSV_2_3 0'],
    ['RSV1 without compression', Buffer.from([0xc1, 0x00]), 'UNEXPECTED_RSV_1 0'],
    ['RSV1 on a continuation', Buffer.from([0x41, 0x00, 0xc0, 0x00]), 'UNEXPECTED_RSV_1 0', { rsv1Allowed: true }],
    ['RSV1 on a ping', Buffer.from([0xc9, 0x00]), 'UNEXPECTED_RSV_1 0', { rsv1Allowed: true }],
    ['a continuation of nothing', Buffer.from([0x80, 0x00]), 'INVALID_OPCODE 0'],
    ['a message inside another', Buffer.from([0x01, 0x00, 0x82, 0x00]), 'INVALID_OPCODE 2'],
    ['opcode 3', Buffer.from([0x83, 0x00]), 'INVALID_OPCODE 3'],
    ['opcode 11', Buffer.from([0x8b, 0x00]), 'INVALID_OPCODE 11'],
    ['a fragmented ping', Buffer.from([0x09, 0x00]), 'EXPECTED_FIN 0'],
    ['a ping of 126 octets', Buffer.from([0x89, 0x7e]), 'INVALID_CONTROL_PAYLOAD_LENGTH 126'],
    ['a Close frame of one octet', Buffer.from([0x88, 0x01]), 'INVALID_CONTROL_PAYLOAD_LENGTH 1'],
    ['a masked frame from a server', Buffer.from([0x81, 0x80]), 'UNEXPECTED_MASK 0'],
    ['a bare frame from a client', Buffer.from([0x81, 0x00]), 'EXPECTED_MASK 0', { isServer: true }],
    ['125 octets in the form of 16 bits', Buffer.from([0x82, 0x7e, 0x00, 0x7d]), 'NON_MINIMAL_LENGTH 0'],
    ['65535 octets in the form of 64 bits', Buffer.from([0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), 'NON_MINIMAL_LENGTH 0'],
    ['2^53 octets', Buffer.from([0x82, 0x7f, 0, 0x20, 0, 0, 0, 0, 0, 0]), 'UNSUPPORTED_DATA_PAYLOAD_LENGTH 0'],
    ['one octet more than maxPayload', frame(2, '123456'), 'UNSUPPORTED_MESSAGE_LENGTH 0', { maxPayload: 5 }],
    ['close code 1005', Buffer.from([0x88, 0x02, 0x03, 0xed]), 'INVALID_CLOSE_CODE 1005'],
    ['close code 999', Buffer.from([0x88, 0x02, 0x03, 0xe7]), 'INVALID_CLOSE_CODE 999'],
    ['a reason that is not UTF-8', Buffer.from([0x88, 0x03, 0x03, 0xe8, 0xff]), 'INVALID_UTF8 0'],
    ['a text that is not UTF-8', frame(1, Buffer.from([0x61, 0xc0, 0xaf])), 'INVALID_UTF8 0'],
    ['a text that ends within a character', frame(1, Buffer.from([0xe2, 0x82])), 'INVALID_UTF8 0'],
    [
      'fragments that are too long together',
      Buffer.concat([frame(2, '123', { fin: false }), frame(0, '456')]),
      'UNSUPPORTED_MESSAGE_LENGTH 0',
      { maxPayload: 5 }
    ],
    [
      'more fragments than maxFragments',
      Buffer.concat([frame(2, '', { fin: false }), frame(0, '', { fin: false }), frame(0, '')]),
      'TOO_MANY_FRAGMENTS 0',
      { maxFragments: 2 }
    ]
  ];
  for (const [name, octets, error, options] of rules) {
    test(name, () => {
      for (const chunks of cuttings(Buffer.concat([octets, frame(1, 'never seen')]))) {
        assert.deepStrictEqual(decode(chunks, options), [`error ${error}`]);
      }
    });
  }
});

test('what came before an error stays valid', () => {
  const octets = Buffer.concat([frame(1, 'good'), Buffer.from([0x83, 0x00])]);
  assert.deepStrictEqual(decode([octets]), ['text good', 'error INVALID_OPCODE 3']);
});

test('the first two octets are refused before the rest of the header has come', () => {
  assert.deepStrictEqual(decode([Buffer.from([0x83, 0x7e])]), ['error INVALID_OPCODE 3']);
  assert.deepStrictEqual(decode([Buffer.from([0x83]), Buffer.from([0x7f])]), ['error INVALID_OPCODE 3']);
});

test('wrong UTF-8 is refused at the piece in which it is, not at the end of the message', () => {
  const octets = frame(1, Buffer.concat([Buffer.from('κόσμε'), Buffer.from([0xed, 0xa0]), Buffer.alloc(100)]));
  assert.deepStrictEqual(decode([octets.subarray(0, 14)]), ['error INVALID_UTF8 0']);
});

test('UTF-8 may be cut by frames and by chunks', () => {
  const text = Buffer.from('€'.repeat(20));
  const octets = Buffer.concat([frame(1, text.subarray(0, 31), { fin: false }), frame(0, text.subarray(31))]);
  for (const chunks of cuttings(octets)) assert.deepStrictEqual(decode(chunks), [`text ${text}`]);
});

test('skipUTF8Validation lets any octets through', () => {
  const octets = Buffer.concat([frame(1, Buffer.from([0xff])), frame(8, Buffer.from([3, 0xe8, 0xff]))]);
  assert.deepStrictEqual(decode([octets], { skipUTF8Validation: true }), ['text \ufffd', 'close 1000 \ufffd']);
});

test('maxBufferedChunks counts the chunks of an unfinished payload', () => {
  const octets = frame(2, '12345');
  const cut = (...at) => [0, ...at].map((from, i) => Buffer.from(octets.subarray(from, [...at, octets.length][i])));
  assert.deepStrictEqual(decode(cut(3, 4), { maxBufferedChunks: 2 }), ['error TOO_MANY_BUFFERED_CHUNKS 0']);
  assert.deepStrictEqual(decode(cut(2, 4), { maxBufferedChunks: 2 }), ['binary 12345']);
});
