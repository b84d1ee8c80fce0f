'use strict';

// What is sent together leaves together: one write costs more than framing a hundred messages.
//
// The first frame of a tick is written at once. Those that follow in the same tick are gathered
// in an outbox until the tick is over. While a receiver works off a chunk with several messages,
// what their listeners send is gathered until the chunk is done, or until they have taken their time.

const { nextTick, now } = require('./untouched');

/** What is gathered while a chunk is worked off waits for so many milliseconds, and for the listeners of a stride. */
const PATIENCE = 4;

/** While no time passes the clock is looked at after so many listeners: after each it took 9 % of a small echo. */
const STRIDE = 4;

/** Outboxes that have gathered something. */
let waiting = [];

/** The number of the current tick, counted only where something is sent. */
let tick = 0;
let tickEnds = false;

/** How many receivers, one inside the other, are working off a chunk. */
let depth = 0;

/** When the chunk was begun, or what it has brought forth was written. */
let since = 0;

/** So many listeners from now the clock is looked at. */
let untilLook = 0;

/** Listeners have taken longer than that: the next message of an outbox need not wait for others. */
let isLate = false;

let flushesAtExit = false;

/** A socket is being read from, and the end of that will be told: a tick of its own. */
let reading = false;

/** Tells the number of the tick; one that sends before the tick is over must not ask in vain. */
function currentTick() {
  if (!tickEnds && !reading) {
    tickEnds = true;
    nextTick(endTick);
  }
  return tick;
}

function endTick() {
  tickEnds = false;
  tick++;
  flushAll();
}

/** Tells whether a receiver is working off a chunk. */
function isInside() {
  return depth > 0;
}

/** Tells whether everything that is sent now has to be gathered, even the first frame of a tick. */
function isGathering() {
  return depth > 0 && !isLate;
}

/** Called by a receiver before it works off a chunk; `end` must follow. */
function begin() {
  if (depth++ > 0) return;
  since = now();
  untilLook = 1;
  isLate = false;
}

/** Called by a receiver between the messages of a chunk: their listeners may take long, and others wait for it. */
function look() {
  // Most of what is received is answered, and what is not need not pay for the clock.
  if (depth === 0 || waiting.length === 0) return;
  if (--untilLook > 0) return;
  const passed = now() - since;
  untilLook = passed === 0 ? STRIDE : 1;
  isLate = passed > PATIENCE;
  if (!isLate) return;
  tick++;
  flushAll();
  // Not before: where many are waiting, writing it all takes time as well.
  since = now();
}

/** Called by a receiver after a chunk. */
function end() {
  depth--;
  if (depth === 0 && waiting.length !== 0) flushAll();
}

/** Called before what a socket has brought is worked off; `endRead` must follow, in the same call. */
function beginRead() {
  reading = true;
}

/** What was sent meanwhile, and was not the first, is written. */
function endRead() {
  reading = false;
  tick++;
  if (waiting.length !== 0) flushAll();
}

/** Has `outbox.flush()` called when the chunk is done or the tick is over. */
function enlist(outbox) {
  // No tick will end any more.
  if (process._exiting) {
    outbox.flush();
    return;
  }
  waiting.push(outbox);
  currentTick();
  if (!flushesAtExit) {
    flushesAtExit = true;
    // The kernel takes what is written even now.
    process.prependListener('exit', flushAll);
  }
}

function flushAll() {
  const outboxes = waiting;
  waiting = [];
  let i = 0;
  try {
    while (i < outboxes.length) outboxes[i++].flush();
  } finally {
    // A stream that throws must not keep the others from being flushed.
    if (i < outboxes.length) {
      waiting = outboxes.slice(i).concat(waiting);
      currentTick();
    }
  }
}

module.exports = { begin, beginRead, currentTick, end, endRead, enlist, isGathering, isInside, look };
