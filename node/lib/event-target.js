'use strict';

/**
 * The `EventTarget` face of a `WebSocket`: browser-style events over Node's emitter.
 *
 * The events here are only made for listeners added by `addEventListener` or an `on…` attribute; plain
 * emitter listeners get the arguments themselves.
 */

const { kForOnEventAttribute, kListener } = require('./constants');

/** Sets the target of an event, which nobody outside may. */
let setTarget;

/** An event without further fields. */
class Event {
  #target = null;
  #type;

  static {
    setTarget = (event, target) => {
      event.#target = target;
      return event;
    };
  }

  constructor(type) {
    this.#type = type;
  }

  get target() {
    return this.#target;
  }

  get type() {
    return this.#type;
  }
}

/** The end of a connection: how it came about. */
class CloseEvent extends Event {
  #fields;

  constructor(type, { code = 0, reason = '', wasClean = false } = {}) {
    super(type);
    this.#fields = { code, reason, wasClean };
  }

  get code() {
    return this.#fields.code;
  }

  get reason() {
    return this.#fields.reason;
  }

  get wasClean() {
    return this.#fields.wasClean;
  }
}

/** Something went wrong: `error` is the `Error` itself. */
class ErrorEvent extends Event {
  #fields;

  constructor(type, { error = null, message = '' } = {}) {
    super(type);
    this.#fields = { error, message };
  }

  get error() {
    return this.#fields.error;
  }

  get message() {
    return this.#fields.message;
  }
}

/** A message has come. */
class MessageEvent extends Event {
  #data;

  constructor(type, { data = null } = {}) {
    super(type);
    this.#data = data;
  }

  get data() {
    return this.#data;
  }
}

// As in browsers, the fields are seen by `for … in`.
for (const [{ prototype }, fields] of [
  [Event, ['target', 'type']],
  [CloseEvent, ['code', 'reason', 'wasClean']],
  [ErrorEvent, ['error', 'message']],
  [MessageEvent, ['data']]
]) {
  for (const field of fields) Object.defineProperty(prototype, field, { enumerable: true });
}

/** Calls a listener with an event whose target is `ws`. */
function call(listener, ws, event) {
  setTarget(event, ws);
  if (typeof listener === 'object' && listener.handleEvent) listener.handleEvent(event);
  else listener.call(ws, event);
}

/** What listens to the emitter for a listener of each type: it makes the arguments an event object. */
const LISTENERS = {
  open: (listener) =>
    function onOpen() {
      call(listener, this, new Event('open'));
    },
  message: (listener) =>
    function onMessage(data, isBinary) {
      call(listener, this, new MessageEvent('message', { data: isBinary ? data : data.toString() }));
    },
  error: (listener) =>
    function onError(error) {
      call(listener, this, new ErrorEvent('error', { error, message: error.message }));
    },
  close: (listener) =>
    function onClose(code, reason) {
      const wasClean = this._closeFrameReceived && this._closeFrameSent;
      call(listener, this, new CloseEvent('close', { code, reason: reason.toString(), wasClean }));
    }
};

/** The methods that a `WebSocket` borrows. */
const EventTarget = {
  /**
   * Adds a listener for `open`, `message`, `error` or `close`; other types are ignored.
   *
   * @param {string} type the event
   * @param {Function|{handleEvent: Function}} handler what is called with the event object
   * @param {{once?: boolean}} [options] `once`: for the first event only
   */
  addEventListener(type, handler, options = {}) {
    // As in `ws`, options are looked at only if somebody listens already, or the type is known.
    const known = (listener) =>
      !options[kForOnEventAttribute] && listener[kListener] === handler && !listener[kForOnEventAttribute];
    if (this.listeners(type).some(known)) return;
    if (!Object.hasOwn(LISTENERS, type)) return;

    const attribute = Boolean(options[kForOnEventAttribute]);
    const listener = LISTENERS[type](handler);
    listener[kForOnEventAttribute] = attribute;
    listener[kListener] = handler;

    if (options.once) this.once(type, listener);
    else this.on(type, listener);
  },

  /**
   * Removes a listener that `addEventListener` has added.
   *
   * @param {string} type the event
   * @param {Function|{handleEvent: Function}} handler the same one
   */
  removeEventListener(type, handler) {
    const found = this.listeners(type).find(
      (listener) => listener[kListener] === handler && !listener[kForOnEventAttribute]
    );
    if (found) this.removeListener(type, found);
  }
};

/**
 * Defines `on<type>`: at most one listener, replaced by assignment and removed by anything that is no
 * function.
 *
 * @param {object} prototype where
 * @param {string} type the event
 */
function defineAttribute(prototype, type) {
  const current = (ws) => ws.listeners(type).find((listener) => listener[kForOnEventAttribute]);
  Object.defineProperty(prototype, `on${type}`, {
    configurable: true,
    enumerable: true,
    get() {
      return current(this)?.[kListener] ?? null;
    },
    set(handler) {
      const before = current(this);
      if (before) this.removeListener(type, before);
      if (typeof handler !== 'function') return;
      this.addEventListener(type, handler, { [kForOnEventAttribute]: true });
    }
  });
}

module.exports = { CloseEvent, ErrorEvent, Event, EventTarget, MessageEvent, defineAttribute };
