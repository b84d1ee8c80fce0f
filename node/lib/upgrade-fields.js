'use strict';

// The header fields that decide over an upgrade request.
//
// Node makes `request.headers` out of all fields when it is first asked for. Until then the few that matter here
// are looked for in `rawHeaders`: whoever does not need the others does not pay for them.

const { IncomingMessage } = require('http');

const symbols = Object.getOwnPropertySymbols(new IncomingMessage(null));
/** Where Node keeps `headers`; null before. */
const kHeaders = symbols.find(({ description }) => description === 'kHeaders');
/** How much of `rawHeaders` is in them. */
const kHeadersCount = symbols.find(({ description }) => description === 'kHeadersCount');

/** The fields, and what they are called here. */
const FIELDS = new Map([
  ['upgrade', 'upgrade'],
  ['sec-websocket-key', 'key'],
  ['sec-websocket-version', 'version'],
  ['sec-websocket-protocol', 'protocol'],
  ['sec-websocket-extensions', 'extensions']
]);

/** Few others are as long as one of them: only those have to be written in small letters to be told apart. */
const LENGTHS = new Set(Array.from(FIELDS.keys(), ({ length }) => length));

/** Whether what `headers` would have can be told from `rawHeaders`. */
function areUnread(request) {
  return (
    Object.getPrototypeOf(request) === IncomingMessage.prototype &&
    request[kHeaders] === null &&
    request[kHeadersCount] === request.rawHeaders.length &&
    !Object.hasOwn(request, 'headers')
  );
}

/**
 * Looks the fields up.
 *
 * @param {import('http').IncomingMessage} request
 * @returns {{upgrade?: string, key?: string, version?: string, protocol?: string, extensions?: string}} as
 *   `request.headers` has them
 */
function upgradeFields(request) {
  const fields = { upgrade: undefined, key: undefined, version: undefined, protocol: undefined, extensions: undefined };
  if (!areUnread(request)) {
    const { headers } = request;
    for (const [name, field] of FIELDS) fields[field] = headers[name];
    return fields;
  }

  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (!LENGTHS.has(name.length)) continue;
    const field = FIELDS.get(name.toLowerCase());
    if (field !== undefined) fields[field] = joined(fields[field], rawHeaders[i + 1]);
  }
  return fields;
}

/** A field that comes several times is a list (RFC 9110 §5.2). */
const joined = (before, value) => (before === undefined ? value : `${before}, ${value}`);

module.exports = upgradeFields;
