'use strict';

// The fields that decide over an upgrade request are what `request.headers` has.

const assert = require('node:assert');
const { IncomingMessage } = require('node:http');
const { test } = require('node:test');

const upgradeFields = require('../../lib/upgrade-fields');
const { randomFrom } = require('../native/support/streams');

const FIELDS = ['upgrade', 'key', 'version', 'protocol', 'extensions'];
const nameOf = (field) => (field === 'upgrade' ? field : `sec-websocket-${field}`);

/** A request as the parser of Node makes it; it counts how often `headers` is made. */
function requestOf(rawHeaders, Message = IncomingMessage, count = rawHeaders.length) {
  const request = new Message(null);
  request._addHeaderLines(rawHeaders, count);
  request.made = 0;
  request._addHeaderLine = function (...args) {
    this.made++;
    return IncomingMessage.prototype._addHeaderLine.apply(this, args);
  };
  return request;
}

/** What `headers` has of the fields. */
const expected = ({ headers }) => Object.fromEntries(FIELDS.map((field) => [field, headers[nameOf(field)]]));

test('they are what headers would have, and it is not made for them', () => {
  const names = [...FIELDS.map(nameOf), 'host', 'connection', 'sec-websocket-origin', 'x-trace', 'x-websocket-version-x', 'set-cookie'];
  for (let seed = 1; seed < 1000; seed++) {
    const random = randomFrom(seed);
    const cased = (name) => [...name].map((letter) => (random.chance(2) ? letter.toUpperCase() : letter)).join('');
    const rawHeaders = [];
    for (let i = random.below(12); i > 0; i--) {
      rawHeaders.push(cased(random.pick(...names)), random.pick('', '13', 'websocket', 'a, b', 'x'));
    }
    const request = requestOf(rawHeaders);
    const fields = upgradeFields(request);
    assert.strictEqual(request.made, 0);
    assert.deepStrictEqual(fields, expected(request), `seed ${seed}`);
  }
});

test('they are what somebody has made of headers', () => {
  const request = requestOf(['Upgrade', 'websocket', 'Sec-WebSocket-Protocol', 'a']);
  request.headers['sec-websocket-protocol'] = 'b';
  request.headers['sec-websocket-key'] = 'key';
  assert.deepStrictEqual(upgradeFields(request), { ...expected(request), upgrade: 'websocket', key: 'key', protocol: 'b' });

  const replaced = requestOf(['Upgrade', 'websocket']);
  Object.defineProperty(replaced, 'headers', { value: { upgrade: 'other' } });
  assert.strictEqual(upgradeFields(replaced).upgrade, 'other');

  // No request of Node at all.
  assert.strictEqual(upgradeFields({ headers: { 'sec-websocket-version': '13' } }).version, '13');
});

test('they are what a class of its own makes of headers', () => {
  class Message extends IncomingMessage {
    get headers() {
      return { ...super.headers, 'sec-websocket-version': '8' };
    }
  }
  assert.strictEqual(upgradeFields(requestOf(['Sec-WebSocket-Version', '13'], Message)).version, '8');
});

test('what Node has not taken because it was too much is not there', () => {
  const request = requestOf(['Upgrade', 'websocket', 'Sec-WebSocket-Version', '13'], IncomingMessage, 2);
  assert.deepStrictEqual(upgradeFields(request), expected(request));
  assert.strictEqual(upgradeFields(request).version, undefined);
});
