// The checks that need no more than the WebSocket API of browsers: run by peer.mjs with `ws`, and by
// page.html in a browser.

const PATIENCE = 60_000;

export class Checks {
  failed = 0;

  /** @param print is given a line for each check. */
  constructor(print) {
    this.print = print;
  }

  async check(name, run) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('not done in a minute')), PATIENCE);
    });
    try {
      await Promise.race([run(), late]);
      this.print(`ok      ${name}`);
    } catch (error) {
      this.failed += 1;
      this.print(`FAILED  ${name}: ${error.message}`);
    }
    clearTimeout(timer);
  }
}

/** A WebSocket whose messages are awaited. */
export class Line {
  #queue = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      const message = typeof data === 'string' ? data : new Uint8Array(data);
      const waiting = this.#waiting.shift();
      if (waiting) waiting.resolve(message);
      else this.#queue.push(message);
    };
    this.opened = new Promise((resolve, reject) => {
      socket.onopen = () => resolve(this);
      socket.onerror = ({ message }) => reject(new Error(message ?? 'it cannot be opened'));
    });
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => {
        const text = `${code} ${reason}`.trimEnd();
        for (const { reject } of this.#waiting) reject(new Error(`closed with ${text}`));
        resolve({ text, wasClean });
      };
    });
    this.opened.catch(() => {});
  }

  async next() {
    if (this.#queue.length > 0) return this.#queue.shift();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async close(code = 1000, reason = '') {
    this.socket.close(code, reason);
    return this.closed;
  }
}

export function equal(got, expected) {
  if (got !== expected) throw new Error(`${got}; expected ${expected}`);
}

/** As equal, for messages, which may be too long to print. */
export function same(got, expected) {
  const describe = (m) => (typeof m === 'string' ? 'text' : 'binary') + ` of length ${m.length}`;
  const alike = typeof got === typeof expected && got.length === expected.length
    && (typeof got === 'string' ? got === expected : got.every((octet, i) => octet === expected[i]));
  if (!alike) throw new Error(`${describe(expected)} came back as ${describe(got)}`);
}

/** Text that repeats itself, and is not ASCII alone; of exactly this many UTF-16 units. */
export function records(seed, length) {
  let text = '';
  for (let i = seed; text.length < length; i++) {
    text += `{"id":${i},"name":"Grüße №${i * 7919}","on":true}\n`;
  }
  return text.slice(0, length);
}

/** The messages of a compression check: of many sizes, some repeated, some incompressible. */
export function corpus() {
  const sizes = [0, 1, 10, 125, 126, 300, 1000, 1024, 4095, 4097, 32768, 65535, 65536, 150_000];
  const messages = [];
  let state = 0x2545f491;
  const noise = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 11;
  };
  for (let round = 0; round < 3; round++) {
    for (const size of sizes) {
      const text = records(round * 100, size);
      messages.push(text, text, Uint8Array.from({ length: size }, noise));
    }
  }
  return messages;
}

/** Sends the messages one after the other, and all again without waiting; then closes. */
export async function echoes(line, messages) {
  for (const message of messages) {
    line.socket.send(message);
    same(await line.next(), message);
  }
  for (const message of messages) line.socket.send(message);
  for (const message of messages) same(await line.next(), message);
  equal((await line.close()).text, '1000');
}

/** The parameters that must be in the server's answer; 15 bits are what holds without a word. */
export function negotiated(extensions, words) {
  for (const word of words.split(';')) {
    const parameter = word === 'deflate' ? 'permessage-deflate' : word;
    if (word !== 'fragments' && !word.endsWith('=15') && !extensions.includes(parameter)) {
      throw new Error(`\`${parameter}\` is not in \`${extensions}\``);
    }
  }
}

/**
 * The checks against our server.
 *
 * @param open gives a WebSocket for an address and subprotocols
 * @param extensions gives the server's answer to what such a WebSocket offered
 * @param servers the addresses by configuration
 */
export async function run(checks, open, extensions, servers) {
  const check = checks.check.bind(checks);
  const connect = (words, action, ...protocols) =>
    new Line(open(`ws://${servers[words]}/${action}`, protocols)).opened;

  for (const words of ['plain', 'plain;fragments', 'deflate', 'deflate;fragments']) {
    await check(`${words}: text, binary, empty, 1 MiB`, async () => {
      const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
      await echoes(await connect(words, 'echo'), [
        'Grüße, Κόσμε, 🌍', '\0 and \u{10FFFF}', '', new Uint8Array(0), octets,
        records(0, 65536), records(0, 1048576), new Uint8Array(1048576).fill(0xa5),
      ]);
    });
  }
  await check('the server pings', async () => {
    const line = await connect('plain', 'ping');
    line.socket.send('still there?');
    equal(await line.next(), 'pong still there?');
    await line.close();
  });
  await check('subprotocol', async () => {
    const line = await connect('plain', 'echo', 'unheard-of', 'chat.v1');
    equal(line.socket.protocol, 'chat.v1');
    await line.close();
  });
  for (const [code, reason] of [[1000, ''], [4000, 'genug für heute']]) {
    await check(`the client closes with ${code} ${reason}`, async () => {
      const line = await connect('plain', 'seen');
      const id = await line.next();
      const { text, wasClean } = await line.close(code, reason);
      equal(wasClean, true);
      equal(text.split(' ')[0], `${code}`);
      const report = await connect('plain', 'report');
      report.socket.send(id);
      equal(await report.next(), `${code} ${reason}`.trimEnd());
      await report.close();
    });
  }
  for (const asked of ['1000', '1011 out of order', '4001 à bientôt']) {
    await check(`the server closes with ${asked}`, async () => {
      const line = await connect('plain', 'close');
      line.socket.send(asked);
      const { text, wasClean } = await line.closed;
      equal(text, asked);
      equal(wasClean, true);
    });
  }
  await check('the server cuts off', async () => {
    const line = await connect('plain', 'cut');
    equal(await line.next(), 'hello');
    const { text, wasClean } = await line.closed;
    equal(text, '1006');
    equal(wasClean, false);
  });
  await check('the server refuses', async () => {
    const refused = await connect('plain', 'refused').then(() => false, () => true);
    equal(refused, true);
  });
  for (const words of Object.keys(servers).filter((words) => words.startsWith('deflate'))) {
    await check(`the server wants ${words}`, async () => {
      const line = await connect(words, 'echo');
      negotiated(extensions(line.socket), words);
      await echoes(line, corpus());
    });
  }
}
