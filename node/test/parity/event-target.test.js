'use strict';

const { behaviour } = require('./harness');
const { closing } = require('./peer');

/** A WebSocket with listeners, without a connection: events are emitted by hand. */
function bare(t) {
  return new t.impl.WebSocket(null, undefined, {});
}

behaviour('addEventListener: open', async (t) => {
  const ws = bare(t);

  ws.addEventListener('open', function (event) {
    t.log(this === ws, event.type, event.target === ws, arguments.length, event);
  });
  ws.emit('open');
});

behaviour('addEventListener: message, text and binary', async (t) => {
  const ws = bare(t);

  ws.addEventListener('message', function (event) {
    t.log(this === ws, event.type, event.data, event.target === ws, event);
  });
  ws.emit('message', Buffer.from('text'), false);
  ws.emit('message', Buffer.from('binary'), true);
  ws.emit('message', new Uint8Array([1, 2]).buffer, true);
  ws.emit('message', [Buffer.from('a'), Buffer.from('b')], true);
});

behaviour('addEventListener: close', async (t) => {
  const ws = bare(t);

  ws.addEventListener('close', function (event) {
    t.log(this === ws, event.type, event.code, event.reason, event.wasClean, event);
  });
  ws.emit('close', 4001, Buffer.from('reason'));
});

behaviour('addEventListener: error', async (t) => {
  const ws = bare(t);
  const err = new Error('broken');

  ws.addEventListener('error', function (event) {
    t.log(this === ws, event.type, event.message, event.error === err, event);
  });
  ws.emit('error', err);
});

behaviour('addEventListener: other types are ignored', async (t) => {
  const ws = bare(t);

  for (const type of ['ping', 'pong', 'upgrade', 'anything', '', undefined]) {
    ws.addEventListener(type, () => t.log('called'));
  }
  t.log(ws.eventNames());
});

behaviour('addEventListener: the same listener once only', async (t) => {
  const ws = bare(t);
  const handler = () => t.log('called');

  ws.addEventListener('open', handler);
  ws.addEventListener('open', handler);
  ws.addEventListener('message', handler);
  t.log(ws.listenerCount('open'), ws.listenerCount('message'));
  ws.emit('open');
});

behaviour('addEventListener: once', async (t) => {
  const ws = bare(t);
  const handler = (event) => t.log(event.type);

  ws.addEventListener('open', handler, { once: true });
  ws.addEventListener('message', handler, { once: false });
  ws.emit('open');
  ws.emit('open');
  ws.emit('message', Buffer.from(''), false);
  ws.emit('message', Buffer.from(''), false);
  t.log(ws.listenerCount('open'));
});

behaviour('addEventListener: an object with handleEvent', async (t) => {
  const ws = bare(t);
  const handler = {
    handleEvent(event) {
      t.log(this === handler, event.type, event.data);
    }
  };

  ws.addEventListener('message', handler);
  ws.addEventListener('message', handler);
  ws.emit('message', Buffer.from('x'), false);
  ws.removeEventListener('message', handler);
  t.log(ws.listenerCount('message'));
});

behaviour('addEventListener: an object whose handleEvent is replaced later', async (t) => {
  const ws = bare(t);
  const handler = { handleEvent: () => t.log('old') };

  ws.addEventListener('open', handler);
  handler.handleEvent = () => t.log('new');
  ws.emit('open');
});

behaviour('addEventListener: what is not a listener', async (t) => {
  const ws = bare(t);

  t.try('null', () => ws.addEventListener('open', null));
  t.try('emit', () => ws.emit('open'));
  const other = bare(t);

  t.try('object', () => other.addEventListener('open', {}));
  t.try('emit', () => other.emit('open'));
  t.try('null options', () => bare(t).addEventListener('open', () => {}, null));
});

behaviour('removeEventListener: takes one away, on() listeners stay', async (t) => {
  const ws = bare(t);
  const handler = () => t.log('called');

  ws.on('open', handler);
  ws.addEventListener('open', handler);
  ws.removeEventListener('open', handler);
  t.log(ws.listenerCount('open'), ws.listeners('open')[0] === handler);
  ws.removeEventListener('open', handler);
  ws.removeEventListener('open', () => {});
  ws.removeEventListener('nothing', handler);
  t.log(ws.listenerCount('open'));
});

behaviour('removeEventListener: of a once listener', async (t) => {
  const ws = bare(t);
  const handler = () => t.log('called');

  ws.addEventListener('open', handler, { once: true });
  ws.removeEventListener('open', handler);
  t.log(ws.listenerCount('open'));
});

behaviour('removeListener does not find the handler of addEventListener', async (t) => {
  const ws = bare(t);
  const handler = () => t.log('called');

  ws.addEventListener('open', handler);
  ws.removeListener('open', handler);
  t.log(ws.listenerCount('open'));
  ws.removeAllListeners('open');
  t.log(ws.listenerCount('open'));
});

behaviour('on* attributes: null, set, replaced, cleared', async (t) => {
  const ws = bare(t);

  for (const name of ['onopen', 'onmessage', 'onclose', 'onerror']) {
    const first = () => {};
    const second = () => {};

    t.log(name, ws[name]);
    ws[name] = first;
    t.log(ws[name] === first, ws.listenerCount(name.slice(2)));
    ws[name] = second;
    t.log(ws[name] === second, ws.listenerCount(name.slice(2)));
    ws[name] = null;
    t.log(ws[name], ws.listenerCount(name.slice(2)));
  }
});

behaviour('on* attributes: what is not a function clears', async (t) => {
  const ws = bare(t);

  for (const value of [undefined, 'string', 1, {}, { handleEvent() {} }]) {
    ws.onmessage = () => {};
    ws.onmessage = value;
    t.log(ws.onmessage, ws.listenerCount('message'));
  }
});

behaviour('on* attributes and listeners are called in the order they were added', async (t) => {
  const ws = bare(t);

  ws.on('open', () => t.log('on 1'));
  ws.onopen = () => t.log('onopen 1');
  ws.addEventListener('open', () => t.log('addEventListener'));
  ws.on('open', () => t.log('on 2'));
  ws.onopen = () => t.log('onopen 2');
  ws.emit('open');
});

behaviour('on* attributes: the same function as a listener is called twice', async (t) => {
  const ws = bare(t);
  const handler = () => t.log('called');

  ws.onopen = handler;
  ws.addEventListener('open', handler);
  t.log(ws.listenerCount('open'));
  ws.removeEventListener('open', handler);
  t.log(ws.listenerCount('open'), ws.onopen === handler);
  ws.emit('open');
});

behaviour('on* attributes are not affected by listeners of addEventListener', async (t) => {
  const ws = bare(t);

  ws.addEventListener('message', () => {});
  ws.on('message', () => {});
  t.log(ws.onmessage);
});

behaviour('on* attributes: `this` and the event', async (t) => {
  const ws = bare(t);

  ws.onmessage = function (event) {
    t.log(this === ws, event.type, event.data, event.target === ws);
  };
  ws.onclose = function (event) {
    t.log(this === ws, event.code, event.reason, event.wasClean);
  };
  ws.onerror = function (event) {
    t.log(this === ws, event.message, event.error);
  };
  ws.emit('message', Buffer.from('x'), false);
  ws.emit('error', new TypeError('no'));
  ws.emit('close', 1000, Buffer.from(''));
});

behaviour('listener[kListener] and its neighbour are found by symbol description', async (t) => {
  const ws = bare(t);
  const handler = () => {};

  ws.addEventListener('message', handler);
  const [listener] = ws.listeners('message');

  for (const symbol of Object.getOwnPropertySymbols(listener)) {
    t.log(symbol.description, listener[symbol] === handler, listener[symbol]);
  }
  ws.removeEventListener('message', handler);
  ws.onmessage = handler;
  const [attribute] = ws.listeners('message');

  for (const symbol of Object.getOwnPropertySymbols(attribute)) {
    t.log(symbol.description, attribute[symbol]);
  }
  t.log(listener.name, attribute.name);
});

behaviour('the fields of events are accessors of the prototype, enumerable, read only', async (t) => {
  const ws = bare(t);
  const inspect = (event) => {
    for (const prototype of [
      Object.getPrototypeOf(event),
      Object.getPrototypeOf(Object.getPrototypeOf(event))
    ]) {
      t.log(prototype.constructor.name);
      for (const [name, d] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        t.log(name, !!d.get, !!d.set, d.enumerable, d.configurable);
      }
    }
    t.log(Object.keys(event), Object.getOwnPropertyNames(event));
    const names = [];

    for (const name in event) names.push(name);
    t.log(names);
    t.try('assignment', () => {
      event.type = 'other';
      return event.type;
    });
  };

  for (const type of ['open', 'message', 'close', 'error']) ws.addEventListener(type, inspect);
  ws.emit('open');
  ws.emit('message', Buffer.from('x'), false);
  ws.emit('close', 1000, Buffer.from(''));
  ws.emit('error', new Error('x'));
});

behaviour('wasClean: true after both close frames', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.addEventListener('close', (event) => {
    t.log(event.code, event.reason, event.wasClean);
  });
  const closed = t.event(ws, 'close');

  ws.close(1000, 'x');
  await peer.frames(1);
  peer.sendMasked(8, closing(3000, 'y'));
  await closed;
});

behaviour('wasClean: false when the peer goes without a close frame', async (t) => {
  const { ws, peer } = await t.scripted();

  ws.addEventListener('close', (event) => {
    t.log(event.code, event.reason, event.wasClean);
  });
  const closed = t.event(ws, 'close');

  peer.end();
  await closed;
});

behaviour('wasClean: false after terminate in the middle of closing', async (t) => {
  const { ws } = await t.scripted();

  ws.addEventListener('close', (event) => {
    t.log(event.code, event.reason, event.wasClean);
  });
  const closed = t.event(ws, 'close');

  ws.close(1000);
  ws.terminate();
  await closed;
});

behaviour('a message event in a real exchange carries a string or the binary type', async (t) => {
  const { ws, peer } = await t.scripted();
  const done = t.event(ws, 'pong');

  ws.addEventListener('message', (event) => t.log(event.data));
  peer.sendMasked(1, 'text');
  peer.sendMasked(2, 'binary');
  peer.sendMasked(10, '');
  await done;
});
