// Builds the native half from a clone: `npm run build`. Needs cargo, and nothing else.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

if (process.env.HYBI_NO_NATIVE) {
  console.log('HYBI_NO_NATIVE is set: nothing is built');
  process.exit(0);
}

const workspace = fileURLToPath(new URL('../../', import.meta.url));
const target = fileURLToPath(new URL('../build/hybi.node', import.meta.url));

const cargo = spawnSync(
  process.env.CARGO || 'cargo',
  ['build', '--release', '--package', 'hybi-node', '--message-format', 'json-render-diagnostics'],
  { cwd: workspace, encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] }
);
if (cargo.error) throw new Error(`cargo cannot be started: ${cargo.error.message}`);
if (cargo.status !== 0) process.exit(cargo.status ?? 1);

const library = cargo.stdout
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .filter(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'hybi_node')
  .flatMap(({ filenames }) => filenames)
  .find((name) => /\.(so|dylib|dll)$/.test(name));
if (library === undefined) throw new Error('cargo does not say where it put the library');

mkdirSync(fileURLToPath(new URL('../build/', import.meta.url)), { recursive: true });
// Put there in one step: a running program may have the old one loaded.
copyFileSync(library, `${target}.new`);
renameSync(`${target}.new`, target);
console.log(`built ${target}`);
