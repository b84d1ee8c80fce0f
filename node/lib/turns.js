'use strict';

const Budget = require('./budget');
const { setImmediate } = require('./untouched');

/** Work that is done in order, and no more of it in one turn of the event loop than a budget allows. */
class Turns {
  /** @param {number} perTurn in octets */
  constructor(perTurn) {
    this._budget = new Budget(perTurn);
    this._waiting = [];
    this._goOn = () => {
      this._isScheduled = false;
      this._run();
    };
    this._isScheduled = false;
  }

  /**
   * @param {number} octets how much it is
   * @param {() => void} work done now or in a later turn
   */
  add(octets, work) {
    this._waiting.push({ octets, work });
    if (!this._isScheduled) this._run();
  }

  _run() {
    try {
      while (this._waiting.length > 0 && this._budget.isLeft()) {
        const { octets, work } = this._waiting.shift();
        this._budget.spend(octets);
        work();
      }
    } finally {
      // Also if it has thrown: what that is to the program is no matter of those that wait.
      if (this._waiting.length > 0 && !this._isScheduled) {
        this._isScheduled = true;
        setImmediate(this._goOn);
      }
    }
  }
}

module.exports = Turns;
