/**
 * Types of `hybi`. Code that compiles with `@types/ws` compiles with these; what goes beyond `ws` is
 * marked so.
 */

/// <reference types="node" />

import { EventEmitter } from 'events';
import * as http from 'http';
import * as https from 'https';
import * as net from 'net';
import { Duplex, DuplexOptions, Writable } from 'stream';
import { SecureContextOptions } from 'tls';
import { URL } from 'url';
import { ZlibOptions } from 'zlib';

type Attribute<E> = ((event: E) => void) | null;
type Handler<E> = ((event: E) => void) | { handleEvent(event: E): void };
type Callback = (err?: Error) => void;

/**
 * A connection: a client when it is made with a URL, a server's side when a `WebSocketServer` makes it.
 *
 * Events: `open`, `message`, `ping`, `pong`, `close`, `error`; of clients also `upgrade`, `redirect` and
 * `unexpected-response`.
 */
declare class WebSocket extends EventEmitter {
  /**
   * What parses, masks and checks frames in this process: `native` code, or JavaScript where there is none for
   * this machine or it is turned off.
   *
   * Beyond `ws`.
   */
  static readonly codec: 'native' | 'js';

  /** The connection is not open yet. */
  static readonly CONNECTING: 0;
  /** The connection is open. */
  static readonly OPEN: 1;
  /** The closing handshake has begun. */
  static readonly CLOSING: 2;
  /** The connection is over. */
  static readonly CLOSED: 3;

  /** The connection is not open yet. */
  readonly CONNECTING: 0;
  /** The connection is open. */
  readonly OPEN: 1;
  /** The closing handshake has begun. */
  readonly CLOSING: 2;
  /** The connection is over. */
  readonly CLOSED: 3;

  /** Only a server makes a `WebSocket` without an address. */
  constructor(address: null);
  /**
   * Connects.
   *
   * @throws {SyntaxError} for a URL that nobody can connect to, or a subprotocol that is none
   * @throws {RangeError} for a protocol version other than 8 and 13
   */
  constructor(address: string | URL, options?: WebSocket.ClientOptions | http.ClientRequestArgs);
  constructor(
    address: string | URL,
    protocols?: string | string[],
    options?: WebSocket.ClientOptions | http.ClientRequestArgs
  );

  /**
   * In which form binary data comes; `nodebuffer` by default. With `blob`, which can be set, the data of
   * binary messages is a `Blob`.
   */
  get binaryType(): 'nodebuffer' | 'arraybuffer' | 'fragments';
  set binaryType(type: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob');

  /**
   * Bytes that `send` has accepted and that are not yet with the operating system. What has been sent in this
   * tick and waits to leave together is written first.
   */
  readonly bufferedAmount: number;
  /** The names of the extensions in use, separated by commas. */
  readonly extensions: string;
  /** True after `pause`, until `resume`. */
  readonly isPaused: boolean;
  /** The subprotocol that the server chose, or an empty string. */
  readonly protocol: string;
  readonly readyState: 0 | 1 | 2 | 3;
  /** The URL that was connected to. */
  readonly url: string;

  onopen: Attribute<WebSocket.Event>;
  onmessage: Attribute<WebSocket.MessageEvent>;
  onclose: Attribute<WebSocket.CloseEvent>;
  onerror: Attribute<WebSocket.ErrorEvent>;

  /**
   * Sends a message, or with `fin: false` the beginning of one. `callback` is called when it is with the
   * operating system.
   *
   * @throws {Error} while the connection is not open yet
   */
  send(data: WebSocket.Sendable, callback?: Callback): void;
  send(data: WebSocket.Sendable, options: WebSocket.SendOptions, callback?: Callback): void;

  /**
   * As `send`, with a promise: fulfilled when the message is with the operating system.
   *
   * Beyond `ws`.
   */
  sendAsync(data: WebSocket.Sendable, options?: WebSocket.SendOptions): Promise<void>;

  /** Sends a ping with at most 125 bytes; the answer is the event `pong`. */
  ping(data?: any, mask?: boolean, callback?: (err: Error) => void): void;
  ping(callback: (err: Error) => void): void;
  ping(data: any, callback: (err: Error) => void): void;

  /** Sends a pong that nobody has asked for. */
  pong(data?: any, mask?: boolean, callback?: (err: Error) => void): void;
  pong(callback: (err: Error) => void): void;
  pong(data: any, callback: (err: Error) => void): void;

  /** Begins the closing handshake. `reason` has at most 123 bytes. */
  close(code?: number, reason?: string | Buffer): void;
  /** Cuts the connection at once. */
  terminate(): void;
  /** Stops reading from the socket. */
  pause(): void;
  /** Goes on reading. */
  resume(): void;

  addEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener: Handler<WebSocket.WebSocketEventMap[K]>,
    options?: WebSocket.EventListenerOptions
  ): void;
  removeEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener: Handler<WebSocket.WebSocketEventMap[K]>
  ): void;

  on<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  on(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  once<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  once(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  off<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  off(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  addListener<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  addListener(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  removeListener<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  removeListener(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  prependListener<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  prependListener(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;
  prependOnceListener<K extends keyof WebSocket.Events>(event: K, listener: WebSocket.Listener<K>): this;
  prependOnceListener(event: string | symbol, listener: (this: WebSocket, ...args: any[]) => void): this;

  /**
   * The messages one after the other, text as strings: `for await (const message of ws)`.
   *
   * Reading slows down when the loop does. The loop gets what comes from the call on: of a server's
   * connection, it has to begin in the listener of `connection`, before anything is awaited. It ends when the peer
   * has closed the connection, with whatever code; the event `close` tells it. It throws what the event `error` has,
   * and where the connection is cut (1006), an error with the code `WS_ERR_ABNORMAL_CLOSURE` and `closeCode`. Leaving
   * it early does not close the connection; what has come and was not taken is kept for the next loop.
   *
   * Beyond `ws`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocket.Data>;
}

declare const WebSocketClass: typeof WebSocket;
interface WebSocketClass extends WebSocket {}

declare namespace WebSocket {
  /** What the event `message` gives. With `binaryType` `blob`, binary messages are `Blob`s instead. */
  type RawData = Buffer | ArrayBuffer | Buffer[];

  /** What a `MessageEvent` carries. */
  type Data = string | Buffer | ArrayBuffer | Buffer[];

  /** Certificates and keys. */
  type CertMeta = string | string[] | Buffer | Buffer[];

  /** What can be sent: a string or a number as text, the rest as binary data. */
  type Sendable =
    | string
    | number
    | ArrayBuffer
    | SharedArrayBuffer
    | ArrayBufferView
    | Blob
    | readonly any[]
    | { valueOf(): string | ArrayBuffer | SharedArrayBuffer | Uint8Array | readonly number[] }
    | { [Symbol.toPrimitive](hint: string): string };

  /** The events of a `WebSocket` and what their listeners are given. */
  interface Events {
    open: [];
    message: [data: RawData, isBinary: boolean];
    ping: [data: Buffer];
    pong: [data: Buffer];
    close: [code: number, reason: Buffer];
    error: [error: Error];
    upgrade: [response: http.IncomingMessage];
    redirect: [url: string, request: http.ClientRequest];
    'unexpected-response': [request: http.ClientRequest, response: http.IncomingMessage];
  }

  type Listener<K extends keyof Events> = (this: WebSocket, ...args: Events[K]) => void;

  interface SendOptions {
    /** Send as binary data; by default everything but strings and numbers is. */
    binary?: boolean | undefined;
    /** Compress it, where that was negotiated; the default. */
    compress?: boolean | undefined;
    /** It is the last fragment of its message; the default. */
    fin?: boolean | undefined;
    /** Mask it; by default as the side demands. */
    mask?: boolean | undefined;
  }

  /** Is asked before a request is upgraded; what is false refuses it with 401. */
  type VerifyClientCallbackSync<Request extends http.IncomingMessage = http.IncomingMessage> = (info: {
    origin: string;
    secure: boolean;
    req: Request;
  }) => boolean;

  /** The same, answered later. */
  type VerifyClientCallbackAsync<Request extends http.IncomingMessage = http.IncomingMessage> = (
    info: { origin: string; secure: boolean; req: Request },
    callback: (verified: boolean, code?: number, message?: string, headers?: http.OutgoingHttpHeaders) => void
  ) => void;

  /** Gets the request before it is sent, and has to call `request.end()`. */
  type FinishRequestCallback = (request: http.ClientRequest, websocket: WebSocket) => void;

  /** What clients and servers have in common. */
  interface ConnectionOptions {
    /** Deliver several messages of one read in the same tick; the default. */
    allowSynchronousEvents?: boolean | undefined;
    /** Answer pings; the default. */
    autoPong?: boolean | undefined;
    /** Milliseconds after which a closing handshake is given up; 30,000 by default. */
    closeTimeout?: number | undefined;
    /** Parts of an unfinished frame that may wait; 262,144 by default, 0 for no limit. */
    maxBufferedChunks?: number | undefined;
    /** Fragments of a message; 16,384 by default, 0 for no limit. */
    maxFragments?: number | undefined;
    /** Bytes of a message; 104,857,600 by default, 0 for no limit. */
    maxPayload?: number | undefined;
    /** Pongs that may wait to be written before the connection is cut; 60 by default, 0 for no limit. */
    maxPendingAutoPongs?: number | undefined;
    /** Take text as it comes, without a look at its UTF-8. */
    skipUTF8Validation?: boolean | undefined;
    /**
     * Ping the peer every so many milliseconds (30,000 with `true`; 0 is none), and cut the connection, which is
     * seen as `close` with 1006, when nothing has come from one ping to the next and nothing was taken of what
     * waited to be sent. Beyond `ws`.
     */
    heartbeat?: boolean | number | { interval?: number | undefined } | undefined;
  }

  interface ClientOptions extends SecureContextOptions, ConnectionOptions {
    /** Through which connections are made: a proxy, for example. */
    agent?: http.Agent | undefined;
    checkServerIdentity?(servername: string, cert: CertMeta): boolean;
    createConnection?: typeof net.createConnection | undefined;
    family?: number | undefined;
    finishRequest?: FinishRequestCallback | undefined;
    /** Follow redirects; off by default. */
    followRedirects?: boolean | undefined;
    /** Makes masking keys; random ones by default. */
    generateMask?(mask: Buffer): void;
    /** Milliseconds that the opening handshake may take. */
    handshakeTimeout?: number | undefined;
    headers?: { [key: string]: string } | undefined;
    host?: string | undefined;
    localAddress?: string | undefined;
    /** 10 by default. */
    maxRedirects?: number | undefined;
    origin?: string | undefined;
    /** Offer permessage-deflate; on by default. */
    perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
    protocol?: string | undefined;
    /** 8 or 13 (the default). */
    protocolVersion?: number | undefined;
    rejectUnauthorized?: boolean | undefined;
  }

  interface PerMessageDeflateOptions {
    /** The server compresses each message for itself. */
    serverNoContextTakeover?: boolean | undefined;
    /** The client compresses each message for itself. */
    clientNoContextTakeover?: boolean | undefined;
    /** 8 to 15. */
    serverMaxWindowBits?: number | undefined;
    /** 8 to 15. */
    clientMaxWindowBits?: number | undefined;
    zlibDeflateOptions?:
      | {
          flush?: number | undefined;
          finishFlush?: number | undefined;
          chunkSize?: number | undefined;
          windowBits?: number | undefined;
          level?: number | undefined;
          memLevel?: number | undefined;
          strategy?: number | undefined;
          dictionary?: Buffer | Buffer[] | DataView | undefined;
          info?: boolean | undefined;
        }
      | undefined;
    zlibInflateOptions?: ZlibOptions | undefined;
    /** Messages of fewer bytes are not compressed where the context is not taken over; 1024 by default. */
    threshold?: number | undefined;
    /** Compressions that may run at once in this process; 10 by default. */
    concurrencyLimit?: number | undefined;
  }

  interface Event {
    type: string;
    target: WebSocket;
  }

  interface ErrorEvent {
    error: any;
    message: string;
    type: string;
    target: WebSocket;
  }

  interface CloseEvent {
    wasClean: boolean;
    code: number;
    reason: string;
    type: string;
    target: WebSocket;
  }

  interface MessageEvent {
    data: Data;
    type: string;
    target: WebSocket;
  }

  interface WebSocketEventMap {
    open: Event;
    error: ErrorEvent;
    close: CloseEvent;
    message: MessageEvent;
  }

  interface EventListenerOptions {
    once?: boolean | undefined;
  }

  interface ServerOptions<
    U extends typeof WebSocket.WebSocket = typeof WebSocket.WebSocket,
    V extends typeof http.IncomingMessage = typeof http.IncomingMessage
  > extends ConnectionOptions {
    host?: string | undefined;
    /** One of `port`, `server` and `noServer` has to be given. */
    port?: number | undefined;
    backlog?: number | undefined;
    /** An HTTP or HTTPS server whose upgrade requests are taken. */
    server?: http.Server<V> | https.Server<V> | undefined;
    /** Requests are handed to `handleUpgrade` by the program. */
    noServer?: boolean | undefined;
    verifyClient?:
      | VerifyClientCallbackAsync<InstanceType<V>>
      | VerifyClientCallbackSync<InstanceType<V>>
      | undefined;
    /** Chooses a subprotocol; the first that the client names by default. */
    handleProtocols?: (protocols: Set<string>, request: InstanceType<V>) => string | false;
    /** The only path that is served. */
    path?: string | undefined;
    /** Keep the set `clients`; the default. */
    clientTracking?: boolean | undefined;
    /** Accept permessage-deflate; off by default. */
    perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
    /** The class of the connections. */
    WebSocket?: U | undefined;
  }

  interface BroadcastOptions {
    /** Who does not get it. */
    except?: WebSocket | Iterable<WebSocket> | null | undefined;
    /** Send as binary data; by default everything but strings and numbers is. */
    binary?: boolean | undefined;
    /** Compress it where that was negotiated; the default. */
    compress?: boolean | undefined;
  }

  interface AddressInfo {
    address: string;
    family: string;
    port: number;
  }

  /** The events of a `WebSocketServer` and what their listeners are given. */
  interface ServerEvents<
    T extends typeof WebSocket.WebSocket = typeof WebSocket.WebSocket,
    U extends typeof http.IncomingMessage = typeof http.IncomingMessage
  > {
    connection: [websocket: InstanceType<T>, request: InstanceType<U>];
    listening: [];
    headers: [headers: string[], request: InstanceType<U>];
    wsClientError: [error: Error, socket: Duplex, request: InstanceType<U>];
    error: [error: Error];
    close: [];
  }

  /** A server: on a port of its own, on an HTTP(S) server, or on none. */
  class Server<
    T extends typeof WebSocket.WebSocket = typeof WebSocket.WebSocket,
    U extends typeof http.IncomingMessage = typeof http.IncomingMessage
  > extends EventEmitter {
    options: ServerOptions<T, U>;
    path: string;
    /** The connections; undefined with `clientTracking: false`. */
    clients: Set<InstanceType<T>>;

    /** @throws {TypeError} unless exactly one of `port`, `server` and `noServer` is given */
    constructor(options?: ServerOptions<T, U>, callback?: () => void);

    /** Where the server listens; null when it does not. */
    address(): AddressInfo | string | null;
    /** Accepts no more connections. Those that are open stay open. */
    close(callback?: (err?: Error) => void): void;
    /** Answers an upgrade request. */
    handleUpgrade(
      request: InstanceType<U>,
      socket: Duplex,
      upgradeHead: Buffer,
      callback: (client: InstanceType<T>, request: InstanceType<U>) => void
    ): void;
    /** Whether a request is for this server: to be overridden. */
    shouldHandle(request: InstanceType<U>): boolean | Promise<boolean>;

    /**
     * Sends a message to every open connection, framed once; returns how many there were. Of a `Blob` the octets
     * have to be read before: `Buffer.from(await blob.arrayBuffer())`.
     *
     * Beyond `ws`.
     */
    broadcast(data: Exclude<Sendable, Blob>, options?: BroadcastOptions): number;

    on<K extends keyof ServerEvents>(event: K, listener: ServerListener<K, T, U>): this;
    on(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;
    once<K extends keyof ServerEvents>(event: K, listener: ServerListener<K, T, U>): this;
    once(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;
    off<K extends keyof ServerEvents>(event: K, listener: ServerListener<K, T, U>): this;
    off(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;
    addListener<K extends keyof ServerEvents>(event: K, listener: ServerListener<K, T, U>): this;
    addListener(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;
    removeListener<K extends keyof ServerEvents>(event: K, listener: ServerListener<K, T, U>): this;
    removeListener(event: string | symbol, listener: (this: Server<T>, ...args: any[]) => void): this;
  }

  type ServerListener<
    K extends keyof ServerEvents,
    T extends typeof WebSocket.WebSocket,
    U extends typeof http.IncomingMessage
  > = (this: Server<T>, ...args: ServerEvents<T, U>[K]) => void;

  const WebSocketServer: typeof Server;
  interface WebSocketServer extends Server {}
  const WebSocket: typeof WebSocketClass;
  interface WebSocket extends WebSocketClass {}

  /** A connection as a stream of octets. */
  function createWebSocketStream(websocket: WebSocket, options?: DuplexOptions): Duplex;

  /** Octets to events: `message`, `ping`, `pong`, `conclude`. */
  class Receiver extends Writable {
    constructor(options?: {
      allowSynchronousEvents?: boolean | undefined;
      binaryType?: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob' | undefined;
      extensions?: { [name: string]: PerMessageDeflate } | undefined;
      isServer?: boolean | undefined;
      maxBufferedChunks?: number | undefined;
      maxFragments?: number | undefined;
      maxPayload?: number | undefined;
      skipUTF8Validation?: boolean | undefined;
    });
  }

  /** Messages to frames. */
  class Sender {
    constructor(
      socket: Duplex,
      extensions?: { [name: string]: PerMessageDeflate },
      generateMask?: (mask: Buffer) => void
    );
    static frame(
      data: Buffer | string,
      options: {
        fin: boolean;
        opcode: number;
        mask: boolean;
        rsv1: boolean;
        readOnly?: boolean | undefined;
        generateMask?: ((mask: Buffer) => void) | undefined;
        maskBuffer?: Buffer | undefined;
      }
    ): Buffer[];
    send(
      data: Sendable,
      options: { binary?: boolean; compress?: boolean; fin?: boolean; mask?: boolean },
      callback?: Callback
    ): void;
    ping(data: any, mask: boolean, callback?: Callback): void;
    pong(data: any, mask: boolean, callback?: Callback): void;
    close(
      code: number | undefined,
      reason: string | Buffer | undefined,
      mask: boolean,
      callback?: Callback
    ): void;
  }

  /** The extension permessage-deflate (RFC 7692). */
  class PerMessageDeflate {
    static readonly extensionName: 'permessage-deflate';
    constructor(options?: PerMessageDeflateOptions & { isServer?: boolean; maxPayload?: number });
    /** What was agreed upon. */
    params: { [name: string]: true | number } | null;
    offer(): { [name: string]: true | number };
    accept(configurations: { [name: string]: (string | true)[] }[]): { [name: string]: true | number };
    compress(data: Buffer, fin: boolean, callback: (err: Error | null, data?: Buffer) => void): void;
    decompress(data: Buffer, fin: boolean, callback: (err: Error | null, data?: Buffer) => void): void;
    cleanup(): void;
  }

  /** The grammar of `Sec-WebSocket-Extensions`. */
  const extension: {
    /** @throws {SyntaxError} with the index of what is wrong */
    parse(header: string): { [name: string]: { [parameter: string]: (string | true)[] }[] };
    format(extensions: object): string;
  };

  /** The grammar of `Sec-WebSocket-Protocol`. */
  const subprotocol: {
    /** @throws {SyntaxError} with the index of what is wrong */
    parse(header: string): Set<string>;
  };
}

export = WebSocket;
