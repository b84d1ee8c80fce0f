/**
 * A scripted peer: one end of a TCP connection that speaks exactly the octets it is told to, and shows
 * what it received, frame by frame. It knows nothing of either implementation.
 */
'use strict';

const { createHash } = require('node:crypto');

const describe = require('./describe');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const OPCODES = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };

/** The key that every scripted client sends, and the answer to it. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

class Peer {
  constructor(socket) {
    this.socket = socket;
    this._received = Buffer.alloc(0);
    this._waiting = [];
    /** How the other end finished: 'end', 'close' (without end), or the code of an error. */
    this.ending = null;

    socket.on('data', (chunk) => {
      this._received = Buffer.concat([this._received, chunk]);
      this._wake();
    });
    socket.on('end', () => this._finish('end'));
    socket.on('error', (err) => this._finish(err.code));
    socket.on('close', () => {
      this.closed = true;
      this._finish('close');
    });
  }

  _finish(how) {
    if (this.ending === null) this.ending = how;
    this._wake();
  }

  _wake() {
    for (const wake of this._waiting.splice(0)) wake();
  }

  /** Waits until `condition()` holds, or the connection is over. */
  async _until(condition) {
    while (!condition() && this.ending === null) {
      await new Promise((resolve) => this._waiting.push(resolve));
    }
    return condition();
  }

  /** The HTTP head that the other end sent, as text; null when there is none. */
  async head() {
    let end = -1;

    await this._until(() => {
      end = this._received.indexOf('\r\n\r\n');
      return end !== -1;
    });
    if (end === -1) return null;

    const head = this._received.toString('latin1', 0, end);

    this._received = this._received.subarray(end + 4);
    return head;
  }

  /** Everything that the other end sent up to its end, as text. */
  async text() {
    await this.ended();
    const text = this._received.toString('latin1');

    this._received = Buffer.alloc(0);
    return text;
  }

  /** Waits for the end of what the other end sends; resolves with how it ended. */
  async ended() {
    while (this.ending === null) {
      await new Promise((resolve) => this._waiting.push(resolve));
    }
    return this.ending;
  }

  /** Takes `n` octets. */
  async octets(n) {
    await this._until(() => this._received.length >= n);
    const taken = this._received.subarray(0, n);

    this._received = this._received.subarray(n);
    return taken;
  }

  /** Takes `n` frames; fewer when the connection ends before. */
  async frames(n = Infinity) {
    const frames = [];

    while (frames.length < n) {
      let frame;

      const more = await this._until(() => {
        frame = takeFrame(this._received);
        return frame !== null;
      });

      if (!more) break;
      this._received = this._received.subarray(frame.size);
      frames.push(frame);
    }
    return frames;
  }

  /** The same as text. */
  async describeFrames(n) {
    return (await this.frames(n)).map(String);
  }

  /** Answers the opening handshake of a client. */
  async accept(headers = []) {
    this.requestHead = await this.head();
    if (this.requestHead === null) return;
    this.key = /sec-websocket-key: (.*)/i.exec(this.requestHead)[1];
    this.write(this.acceptance(headers));
  }

  /** The octets of a 101 for the request that came. */
  acceptance(headers = []) {
    return [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptFor(this.key)}`,
      ...headers,
      '\r\n'
    ].join('\r\n');
  }

  /**
   * Sends an opening handshake. `headers` replace the ordinary ones of the same name; `null` leaves
   * one out.
   */
  request(headers = {}, { method = 'GET', path = '/', version = '1.1' } = {}) {
    const all = {
      Host: 'example.com',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': KEY,
      'Sec-WebSocket-Version': 13,
      ...headers
    };
    const lines = Object.entries(all)
      .filter(([, value]) => value !== null)
      .flatMap(([name, value]) => [].concat(value).map((v) => `${name}: ${v}`));

    this.write(`${method} ${path} HTTP/${version}\r\n${lines.join('\r\n')}\r\n\r\n`);
  }

  write(data) {
    this.socket.write(data);
    return this;
  }

  end(data) {
    this.socket.end(data);
    return this;
  }

  /** Ends with a TCP RST. */
  reset() {
    this.socket.resetAndDestroy();
  }

  /** Sends a frame as a client would. */
  sendMasked(opcode, payload, options) {
    return this.write(frame(opcode, payload, { mask: true, ...options }));
  }

  /** Sends a frame as a server would. */
  send(opcode, payload, options) {
    return this.write(frame(opcode, payload, options));
  }
}

/**
 * A frame, right or wrong.
 *
 * @param {number} opcode 0 to 15
 * @param {string|Buffer} payload The payload, not masked
 * @param {object} [options] `fin`, `rsv` (0 to 7), `mask`, `length` (what the header claims),
 *     `form` (16 or 64: the form of the length)
 * @return {Buffer} The frame
 */
function frame(opcode, payload = '', { fin = true, rsv = 0, mask = false, length, form } = {}) {
  payload = Buffer.from(payload);
  const claimed = length === undefined ? BigInt(payload.length) : BigInt(length);
  const bits = form || (claimed < 126n ? 7 : claimed < 65536n ? 16 : 64);
  const head = Buffer.alloc(bits === 7 ? 2 : bits === 16 ? 4 : 10);

  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = mask ? 0x80 : 0;
  if (bits === 7) {
    head[1] |= Number(claimed);
  } else if (bits === 16) {
    head[1] |= 126;
    head.writeUInt16BE(Number(claimed), 2);
  } else {
    head[1] |= 127;
    head.writeBigUInt64BE(claimed, 2);
  }
  if (!mask) return Buffer.concat([head, payload]);

  const key = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

  return Buffer.concat([head, key, payload.map((octet, i) => octet ^ key[i & 3])]);
}

/** A close frame's payload. */
function closing(code, reason = '') {
  const head = Buffer.alloc(2);

  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}

class ReceivedFrame {
  toString() {
    const parts = [OPCODES[this.opcode] || `opcode ${this.opcode}`];

    if (!this.fin) parts.push('more');
    if (this.rsv) parts.push(`rsv${this.rsv}`);
    parts.push(this.masked ? 'masked' : 'unmasked');
    if (this.opcode === 8 && this.payload.length >= 2) {
      parts.push(this.payload.readUInt16BE(0), describe(this.payload.toString('utf8', 2)));
    } else if (this.opcode === 1 && this.rsv === 0 && this.payload.length <= 64) {
      parts.push(describe(this.payload.toString()));
    } else {
      parts.push(describe(this.payload));
    }
    return parts.join(' ');
  }
}

function takeFrame(buffer) {
  if (buffer.length < 2) return null;

  let at = 2;
  let length = buffer[1] & 0x7f;

  if (length === 126) {
    if (buffer.length < 4) return null;
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (buffer.length < 10) return null;
    length = Number(buffer.readBigUInt64BE(2));
    at = 10;
  }

  const masked = (buffer[1] & 0x80) !== 0;
  const key = masked ? buffer.subarray(at, at + 4) : null;

  if (masked) at += 4;
  if (buffer.length < at + length) return null;

  const payload = Buffer.from(buffer.subarray(at, at + length));

  if (masked) for (let i = 0; i < length; i++) payload[i] ^= key[i & 3];

  return Object.assign(new ReceivedFrame(), {
    fin: (buffer[0] & 0x80) !== 0,
    rsv: (buffer[0] >> 4) & 7,
    opcode: buffer[0] & 15,
    masked,
    key,
    payload,
    size: at + length
  });
}

function acceptFor(key) {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

module.exports = Peer;
Object.assign(Peer, { KEY, acceptFor, closing, frame });
