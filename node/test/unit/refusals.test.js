'use strict';

const assert = require('node:assert');
const http = require('node:http');
const { once } = require('node:events');
const { test } = require('node:test');

const { serve } = require('./support/connections');

test('a header of a refusal cannot begin another header', async (t) => {
  const wss = await serve(t, {
    verifyClient: (info, callback) => callback(false, 403, 'no', { 'X-Name': 'a\r\nSet-Cookie: b' })
  });
  const request = http.get(wss.url.replace('ws:', 'http:'), {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='
    }
  });
  const [response] = await once(request, 'response');
  response.resume();
  assert.strictEqual(response.statusCode, 403);
  assert.strictEqual(response.headers['set-cookie'], undefined);
  assert.strictEqual(response.headers['x-name'], 'a Set-Cookie: b');
});
