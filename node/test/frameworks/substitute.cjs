/**
 * Gives whoever asks for `ws` this package instead (when SUBSTITUTE says so), and tells who asked.
 */
'use strict';

const Module = require('node:module');
const path = require('node:path');

const resolve = Module._resolveFilename;
const askers = new Set();

Module._resolveFilename = function (request, parent, ...rest) {
  if (request !== 'ws') return resolve.call(this, request, parent, ...rest);
  const match = /node_modules\/([^/]+)\/(?!.*node_modules)/.exec(parent?.filename ?? '');

  askers.add(match ? match[1] : 'the program');
  if (process.env.SUBSTITUTE !== 'hybi') return resolve.call(this, request, parent, ...rest);
  return path.join(__dirname, '../../index.js');
};

process.on('exit', () => console.log('asked for ws: %s', [...askers].sort().join()));
