/**
 * The types: programs that are written against `@types/ws` compile with `ws` and, after the import is
 * changed, with this package.
 */
'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const root = path.join(__dirname, '../..');

/** Compiles programs with PACKAGE replaced, in a directory inside of the package; resolves with complaints. */
function compile(package_, names, { from = path.join(__dirname, 'programs'), replace = 'PACKAGE', options } = {}) {
  const directory = fs.mkdtempSync(path.join(__dirname, `.${package_}-`));

  try {
    for (const name of names) {
      const source = fs.readFileSync(path.join(from, name), 'utf8');

      fs.writeFileSync(path.join(directory, name), source.replaceAll(replace, package_));
    }
    fs.writeFileSync(
      path.join(directory, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          lib: ['es2022'],
          types: ['node'],
          strict: true,
          noUncheckedIndexedAccess: true,
          noEmit: true,
          ...options
        },
        include: ['*.cts', '*.mts', '*.mjs']
      })
    );
    return new Promise((resolve) => {
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc');

      execFile(process.execPath, [tsc, '-p', directory], { cwd: root }, (err, stdout, stderr) => {
        resolve(err ? (stdout + stderr).replaceAll(path.basename(directory), '') : '');
      });
    }).finally(() => fs.rmSync(directory, { recursive: true, force: true }));
  } catch (err) {
    fs.rmSync(directory, { recursive: true, force: true });
    throw err;
  }
}

const common = ['commonjs.cts', 'module.mts', 'errors.mts'];

test('the programs compile with @types/ws', async () => {
  assert.strictEqual(await compile('ws', common), '');
});

test('the same programs compile with this package', async () => {
  assert.strictEqual(await compile('hybi', common), '');
});

test('what goes beyond ws compiles', async () => {
  assert.strictEqual(await compile('hybi', ['beyond.mts']), '');
});

test('ours fits where that of ws is wanted', async () => {
  assert.strictEqual(await compile('hybi', ['assignable.mts']), '');
});

test('the examples are JavaScript: whatever is said of their types is the same', async () => {
  const from = path.join(root, 'examples');
  const names = fs.readdirSync(from).filter((name) => name.endsWith('.mjs') && name !== 'beyond-ws.mjs');
  const options = { allowJs: true, checkJs: true, strict: false, noUncheckedIndexedAccess: false };
  const all = await Promise.all(
    ['ws', 'hybi'].map((package_) => compile(package_, names, { from, replace: 'hybi', options }))
  );

  assert.match(all[0], /isAlive/);
  assert.strictEqual(all[1], all[0]);
});
