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

/** Compiles programs with PACKAGE replaced, in a directory inside of the package. */
function compile(package_, names) {
  const directory = fs.mkdtempSync(path.join(__dirname, `.${package_}-`));

  try {
    for (const name of names) {
      const source = fs.readFileSync(path.join(__dirname, 'programs', name), 'utf8');

      fs.writeFileSync(path.join(directory, name), source.replaceAll('PACKAGE', package_));
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
          noEmit: true
        },
        include: ['*.cts', '*.mts', '*.ts']
      })
    );
    return new Promise((resolve) => {
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc');

      execFile(process.execPath, [tsc, '-p', directory], { cwd: root }, (err, stdout, stderr) => {
        resolve(err ? stdout + stderr : '');
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
