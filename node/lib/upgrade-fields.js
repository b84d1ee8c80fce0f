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
 *   `request.headers` has them; all but the first without `Sec-WebSocket-`
 */
function upgradeFields(request) {
  if (!areUnread(request)) {
    const { headers } = request;
    return {
      upgrade: headers.upgrade,
      key: headers['sec-websocket-key'],
      version: headers['sec-websocket-version'],
      protocol: headers['sec-websocket-protocol'],
      extensions: headers['sec-websocket-extensions']
    };
  }

  let upgrade;
  let key;
  let version;
  let protocol;
  let extensions;
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    const value = rawHeaders[i + 1];
    switch (name.length) {
      case 7:
        if (name.toLowerCase() === 'upgrade') upgrade = joined(upgrade, value);
        break;
      case 17:
        if (name.toLowerCase() === 'sec-websocket-key') key = joined(key, value);
        break;
      case 21:
        if (name.toLowerCase() === 'sec-websocket-version') version = joined(version, value);
        break;
      case 22:
        if (name.toLowerCase() === 'sec-websocket-protocol') protocol = joined(protocol, value);
        break;
      case 24:
        if (name.toLowerCase() === 'sec-websocket-extensions') extensions = joined(extensions, value);
    }
  }
  return { upgrade, key, version, protocol, extensions };
}

/** A field that comes several times is a list (RFC 9110 §5.2). */
const joined = (before, value) => (before === undefined ? value : `${before}, ${value}`);

module.exports = upgradeFields;
