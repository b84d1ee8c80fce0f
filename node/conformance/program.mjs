// The program that the Autobahn|Testsuite tests: `cargo xtask conformance --subject npm`.
//
// node program.mjs server --listen HOST:PORT [--deflate]        echoes what the fuzzing client sends
// node program.mjs client --url URL --agent NAME [--deflate]    lets the fuzzing server run each case

import { parseArgs } from 'node:util';
import WebSocket, { WebSocketServer } from '../wrapper.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    agent: { type: 'string' },
    deflate: { type: 'boolean', default: false },
    listen: { type: 'string' },
    url: { type: 'string' }
  }
});

const options = {
  perMessageDeflate: values.deflate,
  // Cases 9.3.1 and 9.4.1 send 4 MiB in fragments of 64 bytes, then an empty one: 65537 fragments,
  // and the default allows 16384.
  maxFragments: 65537
};

/** Most cases end with an error on purpose; Autobahn judges what it saw. */
function echo(ws) {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

function serve(address) {
  const [host, port] = address.split(':');
  const server = new WebSocketServer({ host, port: Number(port), ...options });
  server.on('connection', echo);
  server.on('listening', () => console.log(`listening on ${host}:${server.address().port}`));
}

/** Opens a connection and waits for its end; `prepare` gets it first. */
function run(url, prepare) {
  const ws = new WebSocket(url, options);
  prepare(ws);
  return new Promise((resolve) => {
    ws.on('close', resolve);
  });
}

async function runCases(url, agent) {
  let cases = 0;
  await run(`${url}/getCaseCount`, (ws) => ws.on('message', (data) => (cases = Number(data))));
  if (!(cases > 0)) throw new Error('the fuzzing server has no cases');
  for (let i = 1; i <= cases; i++) await run(`${url}/runCase?case=${i}&agent=${agent}`, echo);
  await run(`${url}/updateReports?agent=${agent}`, () => {});
}

if (positionals[0] === 'server') serve(values.listen);
else await runCases(values.url, values.agent);
