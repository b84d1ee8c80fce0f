/**
 * What a behaviour is given: the implementations, a log, and ways to make servers, clients and
 * scripted peers that are taken away again after the run.
 */
'use strict';

const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const describe = require('./describe');
const Peer = require('./peer');

/** Whether streams tell success by `undefined` or by no argument, whichever way they were written (Node 18). */
const SUCCESS_VARIES = Number(process.versions.node.split('.')[0]) < 20;

class Context {
  /**
   * @param {object} client The implementation that connects
   * @param {object} server The implementation that accepts
   */
  constructor(client, server) {
    this.client = client;
    this.server = server;
    /** For behaviours with one implementation only. */
    this.impl = client;
    this._channels = new Map();
    this._cleanups = [];
    this._ports = new Set();
    this.log = this.channel('');
  }

  /**
   * A log of its own: the order within a channel is compared, the order between channels is not
   * (two ends of a connection are not ordered).
   *
   * @param {string} name Prefix of its lines
   * @return {(...values: any[]) => void} Writes a line
   */
  channel(name) {
    if (!this._channels.has(name)) this._channels.set(name, []);
    const lines = this._channels.get(name);

    return (...values) => {
      if (this._finished) return;
      const text = values
        .map((value) => (typeof value === 'string' ? value : describe(value)))
        .join(' ');

      lines.push(name ? `${name}: ${text}` : text);
    };
  }

  /** All lines, channel by channel, ports made equal. */
  lines() {
    return [...this._channels.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, lines]) => lines)
      .map((line) => {
        for (const port of this._ports) {
          line = line.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), 'PORT');
        }
        return line;
      });
  }

  /** Runs `fn` after the behaviour. */
  after(fn) {
    this._cleanups.push(fn);
  }

  async cleanup() {
    this._finished = true;
    for (const fn of this._cleanups.reverse()) await fn();
  }

  /** The arguments of the callback of something sent, as far as they mean something. */
  given(args) {
    return SUCCESS_VARIES && args.length === 1 && args[0] === undefined ? [] : args;
  }

  /** Logs what `fn` throws, or what it returns. */
  try(label, fn) {
    try {
      this.log(label, 'returned', describe(fn()));
    } catch (err) {
      this.log(label, 'threw', describe(err));
    }
  }

  /** Resolves with the arguments of the next event; an 'error' does not reject. */
  event(emitter, name) {
    return new Promise((resolve) => {
      emitter.once(name, (...args) => resolve(args));
    });
  }

  /** A turn of the event loop in which everything that is ready has been handled. */
  async turns(n = 1) {
    for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until `condition()` holds. */
  async until(condition) {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Remembers a listening server: its port is normalised, it is closed afterwards. */
  async listen(server, ...args) {
    const sockets = new Set();

    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    if (!server.listening) {
      server.listen(...(args.length ? args : [0, '127.0.0.1']));
      await once(server, 'listening');
    }
    const address = server.address();

    if (typeof address === 'object') this._ports.add(address.port);
    this.after(() => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) server.close();
    });
    return typeof address === 'object' ? address.port : address;
  }

  /** A WebSocketServer on a free port; `wss.port` is that port. */
  async serve(options, onConnection) {
    const wss = new this.server.WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      ...options
    });

    this.track(wss);
    if (onConnection) wss.on('connection', onConnection);
    if (!wss._server.listening) await once(wss, 'listening');
    wss.port = wss.address().port;
    this._ports.add(wss.port);
    return wss;
  }

  /** Closes a server and what is connected to it afterwards. */
  track(wss) {
    const sockets = new Set();
    const server = wss._server;

    if (server) {
      server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
    }
    this.after(() => {
      wss.on('error', () => {});
      for (const socket of sockets) socket.destroy();
      if (server && server.listening) server.close();
      wss.close();
    });
    return wss;
  }

  /** `new WebSocket(…)`, terminated afterwards. A port number stands for its URL. */
  connect(target, ...args) {
    const { WebSocket } = this.client;
    const ws = new WebSocket(
      typeof target === 'number' ? `ws://127.0.0.1:${target}` : target,
      ...args
    );

    return this.adopt(ws);
  }

  adopt(ws) {
    this.after(() => {
      ws.on('error', () => {});
      ws.terminate();
    });
    return ws;
  }

  /** An open connection: `ws` is the client, `peer` the server's end. */
  async pair(serverOptions, clientOptions, protocols) {
    const wss = await this.serve(serverOptions);
    const connection = this.event(wss, 'connection');
    const ws = this.connect(wss.port, protocols, clientOptions);

    const [[peer, req]] = await Promise.all([connection, this.event(ws, 'open')]);

    return { wss, ws, peer: this.adopt(peer), req };
  }

  /** Logs every event of a WebSocket, with arguments and state. */
  observe(ws, name = '') {
    const log = this.channel(name);
    const state = () => `(${ws.readyState})`;

    ws.on('upgrade', (res) => log('upgrade', res.statusCode, state()));
    ws.on('open', () => log('open', state()));
    ws.on('message', (data, isBinary) => log('message', data, isBinary, state()));
    ws.on('ping', (data) => log('ping', data, state()));
    ws.on('pong', (data) => log('pong', data, state()));
    ws.on('error', (err) => log('error', err, state()));
    ws.on('close', (code, reason) => log('close', code, reason, state()));
    return ws;
  }

  /**
   * A server that is a script: `script(peer)` is called for each connection.
   * Resolves with its port.
   */
  async rawServer(script, options) {
    const server = net.createServer(options || {}, (socket) => {
      const peer = new Peer(socket);

      Promise.resolve(script(peer)).catch((err) => {
        this.log('THROWN by the scripted server', err);
      });
    });

    return this.listen(server);
  }

  /** A scripted server that completes the handshake; then `script(peer)`. */
  async rawWebSocketServer(script, headers, options) {
    return this.rawServer(async (peer) => {
      await peer.accept(headers);
      if (script) await script(peer);
    }, options);
  }

  /** A scripted client: a TCP connection to `port`. */
  async rawSocket(port, options) {
    const socket = net.connect({ port, host: '127.0.0.1', ...options });
    const peer = new Peer(socket);

    this.after(() => socket.destroy());
    await once(socket, 'connect');
    return peer;
  }

  /** A scripted client after a successful handshake. */
  async rawClient(port, headers, options) {
    const peer = await this.rawSocket(port, options);

    peer.request(headers);
    peer.response = await peer.head();
    return peer;
  }

  /** A server-side WebSocket of the implementation whose client is a script. */
  async scripted(options, headers) {
    const wss = await this.serve(options);
    const connection = this.event(wss, 'connection');
    const peer = await this.rawClient(wss.port, headers);
    const [ws, req] = await connection;

    return { wss, ws: this.adopt(ws), peer, req };
  }

  /** An HTTP server of Node.js. */
  async httpServer(onRequest) {
    const server = http.createServer(onRequest);

    server.port = await this.listen(server);
    return server;
  }

  /** A path for a Unix socket, in a directory of its own. */
  socketPath() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'parity-'));

    this.after(() => fs.rmSync(directory, { recursive: true, force: true }));
    return path.join(directory, 's');
  }
}

module.exports = { Context };
