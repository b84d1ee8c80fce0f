/**
 * Where this package differs from npm `ws`: the name of the behaviour, the reason, and, for what is
 * meant, our exact log (`ours`), which is then tested. An entry without `ours` is a defect that waits
 * for its repair; the test fails as soon as the difference is gone. `pairings` limits an entry to some
 * of `hybi`, `hybi client, ws server` and `ws client, hybi server`.
 */
'use strict';

module.exports = {};
