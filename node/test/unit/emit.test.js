'use strict';

// Messages do not go through `emit` where nobody can tell: an emitter that somebody has changed before us is used.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

/** What a program prints that does something to emitters, then loads an implementation, and sends itself a message. */
function printed(before, implementation, after) {
  const program = `
    ${before}
    const { WebSocket, WebSocketServer } = require(${JSON.stringify(implementation)});
    ${after}
    const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
      const ws = new WebSocket('ws://127.0.0.1:' + wss.address().port);
      ws.on('open', () => ws.send('x'));
    });
    wss.on('connection', (peer) => {
      watch(peer);
      peer.on('message', (data) => {
        setImmediate(process.exit);
        throw new Error('of the listener');
      });
    });
    process.on('uncaughtException', (error) => console.log('uncaught', error.message));
  `;
  return execFileSync(process.execPath, ['--no-deprecation', '-e', program], { encoding: 'utf8' });
}

const domain = `
  const domain = require('domain').create();
  domain.on('error', (error) => console.log('domain', error.message));
  const watch = (ws) => domain.add(ws);
`;
const patch = `
  const { emit } = require('events').prototype;
  let watched;
  const watch = (ws) => (watched = ws);
  require('events').prototype.emit = function (...args) {
    if (this === watched && args[0] === 'message') console.log('emit', args.length);
    return emit.apply(this, args);
  };
`;

for (const [name, program, expected] of [
  ['a domain', domain, /^domain of the listener$/m],
  ['a patch', patch, /^emit 3$/m]
]) {
  for (const [when, ...around] of [
    ['before', program, ''],
    ['after', '', program]
  ]) {
    test(`${name} that is there ${when} us sees messages, as with ws`, () => {
      const [theirs, ours] = ['ws', path.join(__dirname, '../..')].map((implementation) =>
        printed(around[0], implementation, around[1])
      );
      assert.match(theirs, expected);
      assert.strictEqual(ours, theirs);
    });
  }
}
