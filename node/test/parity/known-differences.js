/**
 * Where this package differs from npm `ws`: the name of the behaviour, the reason, and, for what is
 * meant, our exact log (`ours`), which is then tested. An entry without `ours` is a defect that waits
 * for its repair; the test fails as soon as the difference is gone. `pairings` limits an entry to some
 * of `hybi`, `hybi client, ws server` and `ws client, hybi server`; `native` to the codec in Rust.
 */
'use strict';

// What follows the tail that is put back (RFC 7692 §7.2.2) is then no DEFLATE data: it begins a block that
// does not come. `ws` has inflated what was before, and fails at the next message if contexts are kept.
const tailIsKept = {
  native: true,
  reason: 'RFC 7692 §7.2.1: a sender removes the tail of a flush. `ws`, and zlib without native code, do not look whether a message ends where a block does.',
  ours: ['ws: error Error: invalid stored block lengths [Z_DATA_ERROR] (2)', 'ws: close 1006 Buffer() (3)']
};

module.exports = {
  'compression: the sender keeps the tail of a flush': tailIsKept,
  'compression: the sender keeps the tail of a flush; client_no_context_takeover': tailIsKept,

  'shape: import gives a default and names': {
    reason: 'The default export of the ES module has the same statics as what require() gives; that of `ws` lacks them.',
    ours: [
      'PerMessageDeflate,Receiver,Sender,WebSocket,WebSocketServer,createWebSocketStream,default,extension,subprotocol\n' +
        'true function function\n' +
        'WebSocket function function'
    ]
  },

  // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
  'a length that is not in its shortest form, 16 bits': {
    reason: 'A longer form than needed is refused; `ws` takes it.',
    ours: [
      '["close unmasked 1002 \\"\\""]',
      'ws: error RangeError: Invalid WebSocket frame: payload length is not in its shortest form [WS_ERR_NON_MINIMAL_LENGTH] (2)',
      'ws: close 1006 Buffer() (3)'
    ]
  },
  'a length that is not in its shortest form, 64 bits': {
    reason: 'A longer form than needed is refused; `ws` takes it.',
    ours: [
      '["close unmasked 1002 \\"\\""]',
      'ws: error RangeError: Invalid WebSocket frame: payload length is not in its shortest form [WS_ERR_NON_MINIMAL_LENGTH] (2)',
      'ws: close 1006 Buffer() (3)'
    ]
  },

  // RFC 6455 §8.1, and the Autobahn cases 6.4.*: fail fast.
  'a fragment that is no UTF-8 before the message is complete': {
    reason: 'Text is validated while it arrives; `ws` validates it when the message is complete.',
    ours: [
      '["close unmasked 1007 \\"\\""]',
      'ws: error Error: Invalid WebSocket frame: invalid UTF-8 sequence [WS_ERR_INVALID_UTF8] (2)',
      'ws: close 1006 Buffer() (3)'
    ]
  },

  'sweep: callbacks that are none': {
    reason: 'The stream below `ws` takes them for the name of an encoding, throws, and stays corked: nothing leaves any more.',
    ours: [1, 2, 3, 4].flatMap(() => ['send', 'ping', 'pong'].map((name) => `${name} returned undefined`))
  }
};
