'use strict';

// The release tarballs, installed into an empty project as a user would: with the package of this
// platform, and without it.

const { before, after, test } = require('node:test');
const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const WebSocket = require('ws');

const root = path.join(__dirname, '../..');
const skip = !fs.existsSync(path.join(root, 'build/hybi.node')) && 'no native half to be packed';

let directory;
let tarballs;

before(() => {
  if (skip) return;
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hybi-packed-'));
  const script = path.join(root, 'scripts/pack.mjs');
  const printed = execFileSync(process.execPath, [script, directory], { encoding: 'utf8' });
  tarballs = printed.trim().split('\n');
});

after(() => {
  if (directory !== undefined) fs.rmSync(directory, { recursive: true, force: true });
});

/** An empty project with the readme's simple server in it and these tarballs installed. */
function project(name, installed) {
  const place = path.join(directory, name);
  fs.mkdirSync(place);
  fs.writeFileSync(path.join(place, 'package.json'), '{ "name": "project", "private": true }');
  fs.copyFileSync(path.join(root, 'examples/server.mjs'), path.join(place, 'server.mjs'));
  // Offline: what is in the tarballs is all that there may be.
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', ...installed], {
    cwd: place,
    shell: process.platform === 'win32',
    stdio: 'pipe'
  });
  return place;
}

function isNative(place) {
  const program = "console.log(require('./node_modules/hybi/lib/native') !== null)";
  const options = { cwd: place, encoding: 'utf8', env: { ...process.env, HYBI_NO_NATIVE: '' } };
  return execFileSync(process.execPath, ['-e', program], options).trim() === 'true';
}

/** Runs the server, says something to it with npm `ws`, and returns what both got. */
async function talk(place) {
  const env = { ...process.env, HYBI_NO_NATIVE: '', PORT: '0' };
  const server = spawn(process.execPath, ['server.mjs'], { cwd: place, env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const lines = readline.createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const listening = (await lines.next()).value;
    const ws = new WebSocket(`ws://localhost:${/\d+$/.exec(listening)[0]}`);
    const [greeting] = await once(ws, 'message');
    ws.send('hello');
    const received = (await lines.next()).value;
    ws.terminate();
    return [String(greeting), received];
  } finally {
    server.kill();
    await once(server, 'exit');
  }
}

test('the tarballs hold what they should, and name each other', { skip }, () => {
  const place = project('looked-at', tarballs);
  const read = (name) => JSON.parse(fs.readFileSync(path.join(place, 'node_modules', name, 'package.json'), 'utf8'));
  const main = read('hybi');
  const [platform] = fs.readdirSync(path.join(place, 'node_modules/@hybi'));
  assert.strictEqual(main.optionalDependencies[`@hybi/${platform}`], read(`@hybi/${platform}`).version);
  assert.strictEqual(main.scripts, undefined);
  assert.strictEqual(main.dependencies, undefined);
  for (const file of ['LICENSE', 'README.md', 'index.d.ts', 'lib/codec/js.js']) {
    assert.ok(fs.existsSync(path.join(place, 'node_modules/hybi', file)), file);
  }
  assert.ok(!fs.existsSync(path.join(place, 'node_modules/hybi/test')));
  for (const file of ['README.md', 'docs/PARITY.md', 'examples/README.md']) {
    const text = fs.readFileSync(path.join(place, 'node_modules/hybi', file), 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.ok(fs.existsSync(path.join(place, 'node_modules/hybi', path.dirname(file), link)), `${file}: ${link}`);
    }
  }
});

test('with the package of this platform the simple server runs on native code', { skip }, async () => {
  const place = project('native', tarballs);
  assert.ok(isNative(place));
  assert.deepStrictEqual(await talk(place), ['something', 'received: hello']);
});

test('without it the simple server runs on JavaScript alone', { skip }, async () => {
  const place = project('javascript', tarballs.slice(0, 1));
  assert.ok(!isNative(place));
  assert.deepStrictEqual(await talk(place), ['something', 'received: hello']);
});
