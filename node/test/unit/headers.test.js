'use strict';

const assert = require('node:assert');
const { test } = require('node:test');

const ws = require('ws');
const extension = require('../../lib/extension');
const subprotocol = require('../../lib/subprotocol');

/** What a parser says of a header, errors included. */
function told(parse, header) {
  try {
    return parse(header);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

/** Headers of few characters, so that most of them are nearly right. */
function* headers(alphabet, count) {
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 0x7fffffff) % n;
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: random(14) }, () => alphabet[random(alphabet.length)]).join('');
  }
}

test('an extension is parsed with its parameters', () => {
  const parsed = extension.parse('a; b=1; b="2"; c, permessage-deflate ;x="\\y", a');
  assert.deepStrictEqual(JSON.parse(JSON.stringify(parsed)), {
    a: [{ b: ['1', '2'], c: [true] }, {}],
    'permessage-deflate': [{ x: ['y'] }]
  });
  assert.strictEqual(Object.getPrototypeOf(parsed), null);
});

test('extensions are accepted and refused as by ws', () => {
  for (const header of headers([...'abz=;,"\\ \t', 'é', '; ', '=', ', '], 20000)) {
    assert.deepStrictEqual(told(extension.parse, header), told(ws.extension.parse, header), JSON.stringify(header));
  }
});

test('subprotocols are accepted and refused as by ws', () => {
  assert.deepStrictEqual([...subprotocol.parse('chat, superchat')], ['chat', 'superchat']);
  for (const header of headers([...'abc,, \t(', ', '], 20000)) {
    assert.deepStrictEqual(told(subprotocol.parse, header), told(ws.subprotocol.parse, header), JSON.stringify(header));
  }
});

test('extensions are formatted as by ws', () => {
  for (const extensions of [{}, { a: {} }, { a: [{ b: true, c: 1 }, { d: ['x', true], e: [] }], f: { g: 0 } }]) {
    assert.strictEqual(extension.format(extensions), ws.extension.format(extensions));
  }
});
