'use strict';

// The codec in JavaScript: what works everywhere, and what native code is compared with.
//
// THE CONTRACT OF A CODEC
//
// A codec knows the rules for octets: frames, masks, RSV bits, opcodes, lengths, close codes, limits
// and UTF-8. It knows no socket, no event and no promise. It exports
//
//   Decoder        octets → records; one for each connection
//   Utf8Validator  `push(piece, last)` → boolean, for text that is inflated piece by piece
//   isValidUTF8(buffer) → boolean
//   mask(source, mask, output, offset, length), unmask(buffer, mask)
//   generateMask(target)   writes four octets from a CSPRNG
//   send(fd, head, from, to, rest) → the number of octets of a range of `head`, and of `rest`, that
//                          the kernel took of them at once, 0 for an error as well; or null
//   sendFrame(fd, first, payload) → the same for an unmasked frame of at most 64 KiB, whose first octet is given; or null
//   Deflate, Inflate       compression contexts, or null: node:zlib is used
//
// new Decoder({ isServer, rsv1Allowed, maxPayload, maxFragments, maxBufferedChunks, skipUTF8Validation })
//   Limits are numbers; 0 means no limit.
//   maxPayload         octets of a message as they come, compressed or not
//   maxFragments       data frames of a message
//   maxBufferedChunks  chunks that the payload of an unfinished frame may have come in when one more comes
//
// decoder.decode(chunk, from, end) → the number of records, 0 to CAPACITY
//   Reads `chunk` from octet `from` (0 for a new chunk) to before `end` (its length) and unmasks payloads IN PLACE: payload octets
//   stay in the chunk, and nothing of them is kept. `decoder.consumed` is where decoding stopped:
//   `end`, or less if the table became full: then call again with `from` = consumed.
//   After an error or a Close frame everything is consumed and nothing is recorded any more.
// decoder.read(memory, end) → a Buffer, or null     where there is native code; else undefined
//   The same for a chunk at the beginning of an ArrayBuffer, where most chunks are one small whole message: then a
//   copy of its payload, and `decoder.isBinary` tells its kind. If the chunk is anything else, there are `decoder.count`
//   records of it as `decode` makes them.
//
// records (a Uint32Array that all decoders of a codec share; see records.js): valid until the next
//   call of any decoder; four words each:
//
//   kind    word 0                  word 1   word 2     word 3
//   TEXT    whole message           offset   length     0         a data message in one frame, not compressed,
//   BINARY  whole message           offset   length     0         that lies in the chunk as a whole
//   PIECE   flags                   offset   length     rest      a part of any other data frame; so many octets of the
//                                                                 frame have not come yet (at most 2^32 - 1 are told)
//   PING    [FLAG_SIDE]             offset   length     0
//   PONG    [FLAG_SIDE]             offset   length     0
//   CLOSE   [FLAG_SIDE]             offset   length     code      of the reason; code 1005 if the frame is empty
//   ERROR                           0        parameter  index     in lib/errors.js; always the last record
//
//   Offsets count from the start of the chunk. The flags of a piece: FLAG_FIRST (of the message),
//   FLAG_TEXT, FLAG_COMPRESSED (both of the message, on every piece), FLAG_FIN (of the frame, on every piece)
//   and FLAG_END_OF_FRAME. A message ends with the piece that has FIN and END_OF_FRAME. Pieces are recorded
//   as octets come; an empty piece is recorded only if it ends a frame.
//   FLAG_SIDE: a control frame that came in several chunks lies in `decoder.side` (a Buffer of
//   the decoder, another one for the next such frame) instead of in the chunk. At most one a call.
//
// A broken rule is reported as soon as the octet that breaks it has come: the first two octets of a header
// before the rest; wrong UTF-8 of an uncompressed text at the piece in which it is. The order of
// the checks is that of `ws`, so that the errors agree. On purpose stricter than `ws`: the shortest form of
// lengths (RFC 6455 §5.2) is demanded. Records of frames before the error stay valid.
//
// new Deflate({ level, memLevel, windowBits, noContextTakeover })
//   .compress(data, fin) → Buffer           at once; for small data. `data` is a Buffer or a string.
//   .compressHeld(data, fin) → length       the same, but the codec holds the octets until the exported
//                                           `take(target, at)`, which must be the next call
//   .compressAsync(data, fin, cb)           on another thread; cb(error, Buffer) later, never at once
//   The four octets 00 00 ff ff at the end of a message are cut off if `fin` (RFC 7692 §7.2.1).
//   One call at a time: the next after `cb`.
// new Inflate({ windowBits, noContextTakeover })
//   .inflate(data, fin, limit, stretch) → Buffer
//                                           at most `limit` octets (0: no limit), else it throws; null if it has
//                                           stopped after about `stretch` octets (without one it does not): then
//                                           `inflateAsync` must be next, with the same data, and goes on
//   .inflateAsync(data, fin, limit, cb)     the same on another thread, without stopping
//   An error has `code` and the close code under kStatusCode: createError(UNSUPPORTED_MESSAGE_LENGTH) for
//   the limit; code 'Z_DATA_ERROR', errno -3 and close code 1007 for invalid data.

const { ERRORS } = require('../errors');
const {
  BINARY,
  CAPACITY,
  ERROR,
  FLAG_COMPRESSED,
  FLAG_END_OF_FRAME,
  FLAG_FIN,
  FLAG_FIRST,
  FLAG_SIDE,
  FLAG_TEXT,
  PIECE,
  TEXT,
  WORDS
} = require('./records');
const { generateMask, mask, unmask, unmaskRange } = require('./mask');
const { Utf8Validator, isValidRange, isValidUTF8 } = require('./utf8');
const { isValidStatusCode } = require('./close-code');

const records = new Uint32Array(CAPACITY * WORDS);

/** The longest header: 2 octets, 8 of length, 4 of masking key. */
const MAX_HEADER = 14;
const MAX_CONTROL_PAYLOAD = 125;

// The bits of a header (RFC 6455 §5.2).
const FIN = 0x80;
const RSV1 = 0x40;
const RSV2_AND_3 = 0x30;
const OPCODE = 0x0f;
const MASK = 0x80;
const LENGTH = 0x7f;

const OPCODE_CLOSE = 8;
const OPCODE_PONG = 10;

/** The largest number that a word of a record holds. */
const MAX_WORD = 0xffffffff;

/** The code of a Close frame without one (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;

// What a step of the decoder returns in place of an index in lib/errors.js.
const FINE = -1;
/** Fine too, but there is nothing to record yet. */
const NOTHING_YET = -2;

/** Decodes the frames of one connection; see the contract above. */
class Decoder {
  constructor(options) {
    this._isServer = options.isServer;
    this._rsv1Allowed = options.rsv1Allowed;
    this._maxPayload = options.maxPayload;
    this._maxFragments = options.maxFragments;
    this._maxBufferedChunks = options.maxBufferedChunks;
    this._skipUTF8Validation = options.skipUTF8Validation;

    this.consumed = 0;
    this.side = null;

    /** An error or a Close frame has been recorded. */
    this._ended = false;
    /** The number that the text of an error mentions. */
    this._parameter = 0;

    // The header of which not all has come.
    this._header = null;
    this._headerLength = 0;

    // The message in progress.
    this._inMessage = false;
    this._isText = false;
    this._compressed = false;
    this._begun = false;
    this._messageLength = 0;
    this._frames = 0;
    this._utf8 = null;

    // The frame in progress: its header has come as a whole.
    this._inFrame = false;
    this._opcode = 0;
    this._fin = false;
    this._payloadLength = 0;
    this._remaining = 0;
    this._chunks = 0;
    this._mask = [0, 0, 0, 0];
    /** The payload of a control frame that is cut. */
    this._cut = null;
  }

  decode(chunk, from = 0, end = chunk.length) {
    this.consumed = end;
    if (this._ended) return 0;

    if (
      from === 0 &&
      this._maxBufferedChunks > 0 &&
      this._inFrame &&
      this._chunks >= this._maxBufferedChunks
    ) {
      this._ended = true;
      put(0, ERROR, 0, 0, ERRORS.TOO_MANY_BUFFERED_CHUNKS);
      return 1;
    }

    let at = from;
    let count = 0;

    while (at < end) {
      if (count === CAPACITY) {
        this.consumed = at;
        break;
      }

      let error = FINE;
      if (!this._inFrame) {
        const headerLength = this._headerLength === 0 ? this._wholeHeader(chunk, at, end) : 0;
        if (headerLength !== 0) {
          error = this._beginFrame(chunk, at);
          at += headerLength;
        } else {
          const taken = this._gatherHeader(chunk, at, end);
          at += taken;
          if (this._headerLength >= 2) {
            error = this._check(this._header[0], this._header[1]);
            if (error === FINE && this._headerLength === lengthOfHeader(this._header[1])) {
              this._headerLength = 0;
              error = this._beginFrame(this._header, 0);
            }
          }
        }
      }

      if (error === FINE && this._inFrame) {
        const length = end - at < this._remaining ? end - at : this._remaining;
        if (length === 0 && this._remaining !== 0) break;

        error = this._payload(chunk, at, length, count);
        at += length;
        if (error === FINE) count++;
        if (this._ended) break;
      }

      if (error >= 0) {
        this._ended = true;
        put(count, ERROR, 0, this._parameter, error);
        return count + 1;
      }
    }

    return count;
  }

  /** The length of the header at `at` if the chunk has all of it, or 0. */
  _wholeHeader(chunk, at, end) {
    if (end - at < 2) return 0;
    const length = lengthOfHeader(chunk[at + 1]);
    return end - at < length ? 0 : length;
  }

  /** Keeps the octets of a header that came in several chunks; returns how many it took. */
  _gatherHeader(chunk, at, end) {
    if (this._header === null) this._header = Buffer.alloc(MAX_HEADER);
    let taken = 0;
    while (at + taken < end) {
      this._header[this._headerLength++] = chunk[at + taken++];
      if (this._headerLength >= 2 && this._headerLength === lengthOfHeader(this._header[1])) break;
    }
    return taken;
  }

  /** Checks what the first two octets of a frame tell, in the order of `ws`. */
  _check(first, second) {
    if ((first & RSV2_AND_3) !== 0) return ERRORS.UNEXPECTED_RSV_2_3;

    const rsv1 = (first & RSV1) !== 0;
    if (rsv1 && !this._rsv1Allowed) return ERRORS.UNEXPECTED_RSV_1;

    const opcode = first & OPCODE;
    if (opcode <= 2) {
      // RFC 7692 §6.1: only the first frame of a message has RSV1.
      if (opcode === 0 && rsv1) return ERRORS.UNEXPECTED_RSV_1;
      // RFC 6455 §5.4: messages do not interleave.
      if ((opcode === 0) !== this._inMessage) return this._invalidOpcode(opcode);
    } else if (opcode >= OPCODE_CLOSE && opcode <= OPCODE_PONG) {
      if ((first & FIN) === 0) return ERRORS.EXPECTED_FIN;
      if (rsv1) return ERRORS.UNEXPECTED_RSV_1;
      const length = second & LENGTH;
      if (length > MAX_CONTROL_PAYLOAD || (opcode === OPCODE_CLOSE && length === 1)) {
        this._parameter = length;
        return ERRORS.INVALID_CONTROL_PAYLOAD_LENGTH;
      }
    } else {
      return this._invalidOpcode(opcode);
    }

    const masked = (second & MASK) !== 0;
    if (masked === this._isServer) return FINE;
    return masked ? ERRORS.UNEXPECTED_MASK : ERRORS.EXPECTED_MASK;
  }

  _invalidOpcode(opcode) {
    this._parameter = opcode;
    return ERRORS.INVALID_OPCODE;
  }

  /** Takes the whole header of a frame. */
  _beginFrame(octets, at) {
    const first = octets[at];
    const second = octets[at + 1];

    let error = this._check(first, second);
    if (error !== FINE) return error;

    let length = second & LENGTH;
    let maskAt = at + 2;
    if (length === 126) {
      length = (octets[at + 2] << 8) | octets[at + 3];
      if (length < 126) return ERRORS.NON_MINIMAL_LENGTH;
      maskAt += 2;
    } else if (length === 127) {
      const high = octets.readUInt32BE(at + 2);
      length = high * 2 ** 32 + octets.readUInt32BE(at + 6);
      if (high >= 2 ** 21) return ERRORS.UNSUPPORTED_DATA_PAYLOAD_LENGTH;
      if (length < 65536) return ERRORS.NON_MINIMAL_LENGTH;
      maskAt += 8;
    }

    this._opcode = first & OPCODE;
    this._fin = (first & FIN) !== 0;
    if (this._opcode < OPCODE_CLOSE) {
      error = this._beginDataFrame((first & RSV1) !== 0, length);
      if (error !== FINE) return error;
    }

    if (this._isServer) {
      this._mask[0] = octets[maskAt];
      this._mask[1] = octets[maskAt + 1];
      this._mask[2] = octets[maskAt + 2];
      this._mask[3] = octets[maskAt + 3];
    }
    this._payloadLength = length;
    this._remaining = length;
    this._chunks = 0;
    this._inFrame = true;
    return FINE;
  }

  _beginDataFrame(compressed, length) {
    if (this._opcode !== 0) {
      this._isText = this._opcode === 1;
      this._compressed = compressed;
      this._begun = false;
      this._messageLength = 0;
      this._frames = 0;
    }
    this._messageLength += length;
    this._frames++;
    // An empty frame cannot make a message too long.
    if (length > 0 && this._maxPayload > 0 && this._messageLength > this._maxPayload) {
      return ERRORS.UNSUPPORTED_MESSAGE_LENGTH;
    }
    if (this._maxFragments > 0 && this._frames > this._maxFragments) {
      return ERRORS.TOO_MANY_FRAGMENTS;
    }
    this._inMessage = !this._fin;
    return FINE;
  }

  /** Takes payload octets of the frame in progress, and records them at `count`. */
  _payload(chunk, at, length, count) {
    if (this._isServer && length !== 0) this._unmask(chunk, at, length);

    this._remaining -= length;
    const whole = length === this._payloadLength;
    if (this._remaining === 0) this._inFrame = false;
    else this._chunks++;

    if (this._opcode >= OPCODE_CLOSE) {
      return this._control(chunk, at, length, count, whole);
    }

    if (whole && this._opcode !== 0 && this._fin && !this._compressed) {
      if (this._isText && !this._skipUTF8Validation && !isValidRange(chunk, at, length)) {
        return ERRORS.INVALID_UTF8;
      }
      put(count, this._isText ? TEXT : BINARY, at, length, 0);
      return FINE;
    }

    return this._piece(chunk, at, length, count);
  }

  _piece(chunk, at, length, count) {
    let flags = PIECE;
    if (!this._begun) flags |= FLAG_FIRST;
    if (this._isText) flags |= FLAG_TEXT;
    if (this._compressed) flags |= FLAG_COMPRESSED;
    if (this._fin) flags |= FLAG_FIN;
    if (!this._inFrame) flags |= FLAG_END_OF_FRAME;
    this._begun = true;

    if (this._isText && !this._compressed && !this._skipUTF8Validation) {
      if (this._utf8 === null) this._utf8 = new Utf8Validator();
      const last = this._fin && !this._inFrame;
      if (!this._utf8.pushRange(chunk, at, length, last)) return ERRORS.INVALID_UTF8;
    }

    put(count, flags, at, length, this._remaining < MAX_WORD ? this._remaining : MAX_WORD);
    return FINE;
  }

  _control(chunk, at, length, count, whole) {
    let octets = chunk;
    let flags = this._opcode;
    if (!whole) {
      // The payload is recorded as a whole, so its parts wait in the decoder; not in `side`, where one
      // that this very call has recorded may lie.
      if (this._cut === null) this._cut = Buffer.alloc(MAX_CONTROL_PAYLOAD);
      chunk.copy(this._cut, this._payloadLength - this._remaining - length, at, at + length);
      octets = this._cut;
      at = 0;
      length = this._payloadLength;
      flags |= FLAG_SIDE;
    }
    if (this._inFrame) return NOTHING_YET;
    if (!whole) {
      this.side = this._cut;
      this._cut = null;
    }
    if (this._opcode !== OPCODE_CLOSE) {
      put(count, flags, at, length, 0);
      return FINE;
    }
    return this._close(octets, at, length, count, flags);
  }

  /** Records a Close frame, with the code apart from the reason (RFC 6455 §5.5.1). */
  _close(octets, at, length, count, flags) {
    let code = NO_STATUS;
    if (length !== 0) {
      code = (octets[at] << 8) | octets[at + 1];
      if (!isValidStatusCode(code)) {
        this._parameter = code;
        return ERRORS.INVALID_CLOSE_CODE;
      }
      at += 2;
      length -= 2;
      if (!this._skipUTF8Validation && !isValidRange(octets, at, length)) {
        return ERRORS.INVALID_UTF8;
      }
    }
    put(count, flags, at, length, code);
    this._ended = true;
    return FINE;
  }

  /** Unmasks the next octets of the frame, and turns the key for those after them. */
  _unmask(chunk, at, length) {
    const key = this._mask;
    unmaskRange(chunk, at, length, key[0], key[1], key[2], key[3]);
    if (length === this._remaining) return;
    for (let i = length & 3; i > 0; i--) key.push(key.shift());
  }
}

function lengthOfHeader(second) {
  const length = second & LENGTH;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & MASK) !== 0 ? 4 : 0);
}

function put(index, head, offset, length, extra) {
  const at = index * WORDS;
  records[at] = head;
  records[at + 1] = offset;
  records[at + 2] = length;
  records[at + 3] = extra;
}

module.exports = {
  Decoder,
  Deflate: null,
  Inflate: null,
  Utf8Validator,
  generateMask,
  isValidUTF8,
  mask,
  records,
  send: null,
  sendFrame: null,
  unmask
};
