// Makes the release tarballs: `node scripts/pack.mjs [DIRECTORY]` (default: node/dist).
//
//   hybi-VERSION.tgz              this package, without native code
//   hybi-PLATFORM-VERSION.tgz     the native half for this machine: `@hybi/PLATFORM`
//
// The published package names the platforms' packages as optional dependencies, of exactly its own
// version; package.json in the repository does not, because they exist only once they are released.
// So far nothing of this has been published, and the scope `@hybi` has not been registered.

import { spawnSync } from 'node:child_process';
import { cpSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a release is built for: `npm` installs the one that fits. */
const PLATFORMS = {
  'darwin-arm64': { os: ['darwin'], cpu: ['arm64'] },
  'darwin-x64': { os: ['darwin'], cpu: ['x64'] },
  'linux-arm64-gnu': { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  'linux-arm64-musl': { os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
  'linux-x64-gnu': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  'linux-x64-musl': { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  'win32-x64': { os: ['win32'], cpu: ['x64'] }
};

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? join(root, 'dist'));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { version, license } = manifest;

/** The key of `PLATFORMS` for this machine. */
function thisPlatform() {
  const { platform, arch } = process;
  if (platform !== 'linux') return `${platform}-${arch}`;
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `${platform}-${arch}-${glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`;
}

/** Runs `npm pack` on a directory; tells the name of the tarball. */
function pack(directory) {
  const npm = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], {
    cwd: directory,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'inherit']
  });
  if (npm.status !== 0) throw new Error(`npm pack: ${npm.error?.message ?? `status ${npm.status}`}`);
  // By version of npm a list, or an object by name.
  const [packed] = Object.values(JSON.parse(npm.stdout));
  return packed.filename.replace('@', '').replace('/', '-');
}

function packMain(directory) {
  for (const file of manifest.files) {
    cpSync(join(root, file), join(directory, file), { recursive: true });
  }
  copyFileSync(join(root, '../LICENSE'), join(directory, 'LICENSE'));
  // The readme's link, which leads out of the package in the repository.
  mkdirSync(join(directory, 'docs'));
  copyFileSync(join(root, '../docs/PARITY.md'), join(directory, 'docs/PARITY.md'));
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  writeFileSync(join(directory, 'README.md'), readme.replaceAll('](../docs/', '](docs/'));
  const { scripts, devDependencies, ...published } = manifest;
  published.files = [...manifest.files, 'docs/'];
  published.optionalDependencies = Object.fromEntries(
    Object.keys(PLATFORMS).map((platform) => [`@hybi/${platform}`, version])
  );
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  return pack(directory);
}

function packPlatform(directory, platform) {
  const name = `@hybi/${platform}`;
  copyFileSync(join(root, 'build/hybi.node'), join(directory, 'hybi.node'));
  copyFileSync(join(root, '../LICENSE'), join(directory, 'LICENSE'));
  writeFileSync(join(directory, 'README.md'), `# ${name}\n\nThe native half of \`hybi\` for ${platform}.\n`);
  const published = {
    name,
    version,
    description: `The native half of hybi for ${platform}`,
    license,
    main: 'hybi.node',
    files: ['hybi.node'],
    engines: manifest.engines,
    ...PLATFORMS[platform]
  };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  return pack(directory);
}

const platform = thisPlatform();
if (!(platform in PLATFORMS)) throw new Error(`${platform} is none of ${Object.keys(PLATFORMS).join(', ')}`);
mkdirSync(out, { recursive: true });
const staging = mkdtempSync(join(tmpdir(), 'hybi-pack-'));
try {
  for (const [name, make] of [
    ['main', packMain],
    ['platform', packPlatform]
  ]) {
    const directory = join(staging, name);
    mkdirSync(directory);
    console.log(join(out, make(directory, platform)));
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
