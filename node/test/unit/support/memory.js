'use strict';

// What is held while something goes on, by the counts of V8 and Node: the heap, and all octets outside
// of it.

const v8 = require('node:v8');
const vm = require('node:vm');

// A small Buffer that is kept holds on to the pool that it lies in, which is of 64 KiB from Node 24 on.
Buffer.poolSize = 8192;

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');

function held() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What is reachable, in bytes. */
async function settled() {
  let least = Infinity;
  // What sockets and streams let go of, they let go of in turns of the loop.
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate);
    gc();
    least = Math.min(least, held());
  }
  return least;
}

/**
 * The most that is reachable on top of what was before, in bytes: whenever `attack` looks, and at its end.
 *
 * @param {(look: () => Promise<void>) => Promise<void>} attack
 */
async function most(attack) {
  const before = await settled();
  let most = 0;
  const look = async () => {
    most = Math.max(most, (await settled()) - before);
  };
  await attack(look);
  await look();
  return most;
}

module.exports = { most, settled };
