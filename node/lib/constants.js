'use strict';

// The names that several files share. Nothing here does anything.

const hasBlob = typeof Blob !== 'undefined';

module.exports = {
  /** What `binaryType` may be set to. */
  BINARY_TYPES: hasBlob
    ? ['nodebuffer', 'arraybuffer', 'fragments', 'blob']
    : ['nodebuffer', 'arraybuffer', 'fragments'],
  /** How long the closing handshake may take, in milliseconds, if `closeTimeout` does not say. */
  CLOSE_TIMEOUT: 30000,
  EMPTY_BUFFER: Buffer.alloc(0),
  /** What a `Sec-WebSocket-Key` is hashed with (RFC 6455 §1.3). */
  GUID: '258EAFA5-E914-47DA-95CA-C5AB0DC85B11',
  hasBlob,
  kForOnEventAttribute: Symbol('kIsForOnEventAttribute'),
  kListener: Symbol('kListener'),
  /** The close code that the peer is told about an error, as a property of the error. */
  kStatusCode: Symbol('status-code'),
  /** The `WebSocket` that a socket, a receiver or a sender belongs to. */
  kWebSocket: Symbol('websocket'),
  NOOP: () => {}
};
