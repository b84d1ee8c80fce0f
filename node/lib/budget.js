'use strict';

const { setImmediate } = require('./untouched');

/**
 * How much of a kind of work may be done in one turn of the event loop, all connections together.
 *
 * It is renewed in the check phase (`setImmediate`), and only after something has been done: a program
 * that never does such work pays nothing for it.
 */
class Budget {
  /** @param {number} perTurn in octets */
  constructor(perTurn) {
    this._perTurn = perTurn;
    this._left = perTurn;
    this._isFull = true;
    this._renew = () => {
      this._left = this._perTurn;
      this._isFull = true;
    };
  }

  /** Whether something more may be done in this turn. The last of it may be more than what is left. */
  isLeft() {
    return this._left > 0;
  }

  /** @param {number} octets that have been worked on */
  spend(octets) {
    this._left -= octets;
    if (!this._isFull) return;
    this._isFull = false;
    setImmediate(this._renew);
  }
}

module.exports = Budget;
