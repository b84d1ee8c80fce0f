'use strict';

// What is sent together leaves together: one write costs more than framing a hundred messages.
//
// The first frame of a tick is written at once. Those that follow in the same tick are gathered
// in an outbox until the tick is over. While a receiver works off a chunk with several messages,
// what their listeners send is gathered until the chunk is done.

/** Outboxes that have gathered something. */
let waiting = [];

/** The number of the current tick, counted only where something is sent. */
let tick = 0;
let tickEnds = false;

/** How many receivers, one inside the other, are working off a chunk. */
let depth = 0;

let flushesAtExit = false;

/** A socket is being read from, and the end of that will be told: a tick of its own. */
let reading = false;

/** Tells the number of the tick; one that sends before the tick is over must not ask in vain. */
function currentTick() {
  if (!tickEnds && !reading) {
    tickEnds = true;
    process.nextTick(endTick);
  }
  return tick;
}

function endTick() {
  tickEnds = false;
  tick++;
  flushAll();
}

/** Tells whether everything that is sent now has to be gathered. */
function isGathering() {
  return depth > 0;
}

/** Called by a receiver before it works off a chunk; `end` must follow. */
function begin() {
  depth++;
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

module.exports = { begin, beginRead, currentTick, end, endRead, enlist, isGathering };
