'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { test } = require('node:test');

const acceptKey = require('../../lib/accept-key');

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

test('the answer to a key is that of the example in RFC 6455 §1.3', () => {
  assert.strictEqual(acceptKey(KEY), ACCEPT);
});

test('so it is where Node has no `crypto.hash`', () => {
  const path = JSON.stringify(require.resolve('../../lib/accept-key'));
  const program = `delete require('crypto').hash; console.log(require(${path})('${KEY}'))`;
  assert.strictEqual(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).trim(), ACCEPT);
});
