'use strict';

/**
 * The states of a connection, as numbers and by name.
 */

const NAMES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

module.exports = {
  CONNECTING: 0,
  OPEN: 1,
  CLOSING: 2,
  CLOSED: 3,
  NAMES,

  /** `0 (CONNECTING)`, as error messages have it. */
  describe: (state) => `${state} (${NAMES[state]})`
};
