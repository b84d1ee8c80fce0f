/**
 * Where this package differs from npm `ws`: the name of the behaviour, the reason, and, for what is
 * meant, our exact log (`ours`), which is then tested. An entry without `ours` is a defect that waits
 * for its repair; the test fails as soon as the difference is gone. `pairings` limits an entry to some
 * of `hybi`, `hybi client, ws server` and `ws client, hybi server`.
 */
'use strict';

module.exports = {
  'shape: import gives a default and names': {
    reason: 'The default export of the ES module has the same statics as what require() gives; that of `ws` lacks them.',
    ours: [
      'PerMessageDeflate,Receiver,Sender,WebSocket,WebSocketServer,createWebSocketStream,default,extension,subprotocol\n' +
        'true function function\n' +
        'WebSocket function function'
    ]
  }
};
