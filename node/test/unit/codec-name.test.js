'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const WebSocket = require('../..');
const native = require('../../lib/native');

const root = path.join(__dirname, '../..');

/** What a process of its own tells, with an environment. */
function codecWith(env) {
  const program = 'console.log(require(process.argv[1]).codec)';
  return execFileSync(process.execPath, ['-e', program, root], { encoding: 'utf8', env: { ...process.env, ...env } }).trim();
}

test('WebSocket.codec tells what parses frames', () => {
  const on = { HYBI_NO_NATIVE: '', WS_NO_BUFFER_UTIL: '', WS_NO_UTF_8_VALIDATE: '' };
  assert.strictEqual(codecWith(on), native === null ? 'js' : 'native');
  for (const name of Object.keys(on)) assert.strictEqual(codecWith({ ...on, [name]: '1' }), 'js');
});

test('WebSocket.codec is read only', () => {
  assert.throws(() => {
    WebSocket.codec = 'other';
  }, TypeError);
});
