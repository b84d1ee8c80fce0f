'use strict';

/** Runs jobs of which only so many may be under way; the others wait in order. */
class Limiter {
  /** @param {number} concurrency how many; 0 for no limit */
  constructor(concurrency) {
    this._free = concurrency || Infinity;
    this._waiting = [];
    this._done = () => {
      this._free++;
      if (this._waiting.length > 0) this.run(this._waiting.shift());
    };
  }

  /** @param {(done: () => void) => void} job starts, and calls `done` at its end */
  run(job) {
    if (this._free === 0) {
      this._waiting.push(job);
      return;
    }
    this._free--;
    job(this._done);
  }
}

module.exports = Limiter;
