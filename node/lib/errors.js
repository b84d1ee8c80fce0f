'use strict';

// The one table of what a peer can do wrong: text, `code` and the close code that it is told.
// A codec names an error by its index here, so that native code needs no texts. Texts and codes
// are those of `ws`; entries may be added at the end, and never move.

const { kStatusCode } = require('./constants');

const FRAME = 'Invalid WebSocket frame: ';

/** A `%` in the text stands for the number that the codec gives with the error. */
const TABLE = [
  // name, constructor, text, code, close code
  ['UNEXPECTED_RSV_2_3', RangeError, `${FRAME}RSV2 and RSV3 must be clear`, 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
  ['UNEXPECTED_RSV_1', RangeError, `${FRAME}RSV1 must be clear`, 'WS_ERR_UNEXPECTED_RSV_1', 1002],
  ['INVALID_OPCODE', RangeError, `${FRAME}invalid opcode %`, 'WS_ERR_INVALID_OPCODE', 1002],
  ['EXPECTED_FIN', RangeError, `${FRAME}FIN must be set`, 'WS_ERR_EXPECTED_FIN', 1002],
  ['INVALID_CONTROL_PAYLOAD_LENGTH', RangeError, `${FRAME}invalid payload length %`, 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
  ['EXPECTED_MASK', RangeError, `${FRAME}MASK must be set`, 'WS_ERR_EXPECTED_MASK', 1002],
  ['UNEXPECTED_MASK', RangeError, `${FRAME}MASK must be clear`, 'WS_ERR_UNEXPECTED_MASK', 1002],
  ['UNSUPPORTED_DATA_PAYLOAD_LENGTH', RangeError, 'Unsupported WebSocket frame: payload length > 2^53 - 1', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009],
  ['NON_MINIMAL_LENGTH', RangeError, `${FRAME}payload length is not in its shortest form`, 'WS_ERR_NON_MINIMAL_LENGTH', 1002],
  ['UNSUPPORTED_MESSAGE_LENGTH', RangeError, 'Max payload size exceeded', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
  ['TOO_MANY_FRAGMENTS', RangeError, 'Too many message fragments', 'WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
  ['TOO_MANY_BUFFERED_CHUNKS', RangeError, 'Too many buffered chunks', 'WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
  ['INVALID_CLOSE_CODE', RangeError, `${FRAME}invalid status code %`, 'WS_ERR_INVALID_CLOSE_CODE', 1002],
  ['INVALID_UTF8', Error, `${FRAME}invalid UTF-8 sequence`, 'WS_ERR_INVALID_UTF8', 1007]
];

/** The index of each error by its name. */
const ERRORS = Object.freeze(Object.fromEntries(TABLE.map(([name], index) => [name, index])));

/**
 * Makes the error that a codec names.
 *
 * @param {number} index one of `ERRORS`
 * @param {number} [parameter] the number that the text mentions
 * @returns {Error} with `code`, and the close code under `kStatusCode`
 */
function createError(index, parameter) {
  const [, Constructor, text, code, status] = TABLE[index];
  const error = new Constructor(text.replace('%', parameter));
  Error.captureStackTrace(error, createError);
  error.code = code;
  error[kStatusCode] = status;
  return error;
}

module.exports = { ERRORS, createError };
