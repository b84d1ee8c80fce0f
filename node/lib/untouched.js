'use strict';

// What tests replace to be masters of the clock, as it was when the package was loaded: messages do not wait for
// a clock that stands still. (Timeouts that a program can see, such as `closeTimeout`, go by the global
// `setTimeout`, as with `ws`.)

const { setImmediate } = globalThis;
const { now } = Date;
const { nextTick } = process;

module.exports = { nextTick, now, setImmediate };
