'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const names = Object.keys(require('../..')).filter((name) => !/^[A-Z]+$/.test(name));

/** Runs a program with the entry that bundlers for browsers take. */
function inBrowser(program, type) {
  const args = ['--conditions=browser', `--input-type=${type}`, '-e', program];
  return execFileSync(process.execPath, args, { cwd: path.join(__dirname, '../..'), encoding: 'utf8' }).trim();
}

test('in a browser everything says what to use instead', () => {
  const message = 'hybi does not work in the browser. Browser clients must use the native WebSocket object';
  const told = (call) => `try { ${call}; console.log('nothing'); } catch (error) { console.log(error.message); }`;

  assert.strictEqual(inBrowser(`const WebSocket = require('hybi'); ${told("new WebSocket('ws://x')")}`, 'commonjs'), message);
  assert.strictEqual(inBrowser(`import WebSocket from 'hybi'; ${told("new WebSocket('ws://x')")}`, 'module'), message);
  for (const name of names) {
    assert.strictEqual(inBrowser(`const { ${name} } = require('hybi'); ${told(`new ${name}()`)}`, 'commonjs'), message);
  }
  const imported = names.filter((name) => name !== 'Server').join();
  assert.strictEqual(inBrowser(`import { ${imported} } from 'hybi'; ${told('new WebSocketServer({ port: 0 })')}`, 'module'), message);
});
