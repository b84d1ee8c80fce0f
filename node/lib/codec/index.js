'use strict';

// Which codec is used: the native one if it is installed, else the one in JavaScript. The contract
// of both is the head comment of js.js.
//
// HYBI_NO_NATIVE=1 turns all native code off, and so do, as for `ws`, WS_NO_BUFFER_UTIL (masking)
// and WS_NO_UTF_8_VALIDATE (UTF-8): decoding does both in one pass, so either of them means all.

const { HYBI_NO_NATIVE, WS_NO_BUFFER_UTIL, WS_NO_UTF_8_VALIDATE } = process.env;
const off = HYBI_NO_NATIVE || WS_NO_BUFFER_UTIL || WS_NO_UTF_8_VALIDATE;

module.exports = (off ? null : require('./native')) ?? require('./js');
