/**
 * Parity by comparison: a behaviour is a small script that takes an implementation of the API of `ws`
 * and writes down what it observes. It is run with npm `ws`, then with this package, and the two logs
 * must be equal, line by line.
 *
 * `behaviour(name, script)` uses one implementation for both ends (or for the only end, when the peer
 * is a scripted TCP socket). `exchange(name, script)` also runs this package as the client of `ws` and
 * as its server.
 *
 * Where a difference is meant it stands, with the reason and our exact log, in known-differences.js.
 *
 * Environment: PARITY_SUBJECT is what is compared: a path, or `ws` itself, which shows whether a script is
 * deterministic; PARITY_REPEAT=n runs every script n times; PARITY_SHOW=1 prints the logs;
 * PARITY_PATIENCE is how many milliseconds a run may take.
 */
'use strict';

const assert = require('node:assert');
const { test } = require('node:test');

const { Context } = require('./context');
const known = require('./known-differences');
const codec = require('../../lib/codec');

const ws = require('ws');

const subject = require(process.env.PARITY_SUBJECT || '../..');
const repeat = Number(process.env.PARITY_REPEAT || 1);

/** How long one run of a script may take on a busy machine. */
const PATIENCE = Number(process.env.PARITY_PATIENCE || 30000);

const names = new Set();

/**
 * Compares one behaviour of both implementations.
 *
 * @param {string} name What is being compared; also the key in known-differences.js
 * @param {(t: Context) => any} script Writes its observations to `t.log`
 */
function behaviour(name, script) {
  register(name, script, [['hybi', subject, subject]]);
}

/**
 * Like `behaviour`, and in the mixed pairings: our client with the server of `ws` and the reverse.
 *
 * @param {string} name As for `behaviour`
 * @param {(t: Context) => any} script As for `behaviour`
 */
function exchange(name, script) {
  register(name, script, [
    ['hybi', subject, subject],
    ['hybi client, ws server', subject, ws],
    ['ws client, hybi server', ws, subject]
  ]);
}

function register(name, script, pairings) {
  if (names.has(name)) throw new Error(`two behaviours are called "${name}"`);
  names.add(name);

  test(name, async () => {
    for (let i = 0; i < repeat; i++) {
      const expected = await observe(script, ws, ws);

      if (process.env.PARITY_SHOW) console.log(name, expected);

      assert.ok(
        expected.length > 0,
        'a behaviour without observations proves nothing'
      );
      assert.ok(
        !expected.some((line) => line.includes('TIMEOUT')),
        `ws itself did not finish: ${JSON.stringify(expected)}`
      );

      for (const [pairing, client, server] of pairings) {
        const actual = await observe(script, client, server);

        judge(name, pairing, actual, expected);
      }
    }
  });
}

function judge(name, pairing, actual, expected) {
  const difference = subject === ws ? undefined : known[name];

  if (difference === undefined || !applies(difference, pairing)) {
    equal(actual, expected, `${pairing} differs from ws`);
    return;
  }

  if (difference.ours) {
    equal(actual, difference.ours, `${pairing} is not as known-differences.js has it`);
  } else {
    assert.notDeepStrictEqual(
      actual,
      expected,
      'the difference is gone: take it out of known-differences.js'
    );
  }
}

/** Fails with the place where two logs part. */
function equal(actual, expected, message) {
  const at = expected.findIndex((line, i) => line !== actual[i]);
  const from = at === -1 ? expected.length : at;

  if (at === -1 && actual.length === expected.length) return;
  const excerpt = (lines) => lines.slice(from, from + 6).map((line) => `\n    ${line}`).join('');

  assert.fail(`${message} from line ${from + 1} on\n  expected:${excerpt(expected)}\n  actual:${excerpt(actual)}`);
}

function applies(difference, pairing) {
  if (difference.native && codec.Inflate === null) return false;
  return !difference.pairings || difference.pairings.includes(pairing);
}

async function observe(script, client, server) {
  const context = new Context(client, server);
  let timer;
  const timeout = new Promise((resolve) => {
    timer = setTimeout(() => {
      context.log('TIMEOUT');
      resolve();
    }, PATIENCE);
  });

  try {
    await Promise.race([script(context), timeout]);
  } catch (err) {
    context.log('THROWN', err);
    if (process.env.PARITY_SHOW) console.log(err);
  } finally {
    clearTimeout(timer);
    await context.cleanup();
  }

  return context.lines();
}

module.exports = { behaviour, exchange };
