'use strict';

// The short form of test/stress/stress.mjs, with both codecs.

const { test } = require('node:test');
const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');

const program = path.join(__dirname, '../stress/stress.mjs');

test('messages, connections and garbage collection in any order leave nothing behind', async (t) => {
  const args = ['--expose-gc', program, '--messages', '20000', '--connections', '600'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 120000 });
  for (const line of stdout.trim().split('\n')) t.diagnostic(line);
  assert.doesNotMatch(stdout, /FAILED/);
});
