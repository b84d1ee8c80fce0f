'use strict';

// The native half: where it is looked for, and what it must be.
//
// 1. the package of this platform, an optional dependency of the published package;
// 2. build/hybi.node, which `npm run build` makes from a clone.
//
// Without either, or with one that cannot be loaded here, the codec in JavaScript does it all.

const { version } = require('../package.json');

/** The platform's packages: on Linux the C library is not told apart before one of them has been loaded. */
function packages() {
  const { platform, arch } = process;
  if (platform === 'linux') return [`@hybi/linux-${arch}-gnu`, `@hybi/linux-${arch}-musl`];
  return [`@hybi/${platform}-${arch}`];
}

/**
 * Loads the native half.
 *
 * @returns {object|null} what crates/hybi-node/src/addon.rs exports; null if there is none for this
 *   platform and version
 */
function load() {
  for (const name of [...packages(), '../build/hybi.node']) {
    try {
      const addon = require(name);
      // One of another version may expect other arguments.
      if (addon.version === version) return addon;
    } catch {
      // Not installed, or not for this platform: the next one.
    }
  }
  return null;
}

module.exports = load();
