/**
 * Packages of the field that are built on `ws`: the same program with `ws` and with this package under
 * them prints the same.
 */
'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const programs = path.join(__dirname, 'programs');

function run(name, package_) {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--require', path.join(__dirname, 'substitute.cjs'), path.join(programs, name)],
      { env: { ...process.env, SUBSTITUTE: package_ }, timeout: 120000 },
      (err, stdout, stderr) => (err ? reject(new Error(`${err.message}\n${stdout}\n${stderr}`)) : resolve(stdout.split('\n')))
    );
  });
}

for (const name of fs.readdirSync(programs)) {
  test(path.basename(name, '.cjs'), async () => {
    const expected = await run(name, 'ws');

    assert.ok(expected.some((line) => /^asked for ws: ./.test(line)), 'it does not use ws');
    assert.ok(expected.length > 3);
    assert.deepStrictEqual(await run(name, process.env.PARITY_SUBJECT || 'hybi'), expected);
  });
}
