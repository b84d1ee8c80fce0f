'use strict';

/**
 * The short way between a socket (TCP, a Unix socket, TLS) and its connection.
 *
 * Node reads from a socket into fresh memory of 64 KiB and brings it through the stream's
 * buffer; what is written goes the same way back. Here all sockets of a thread are read into one memory,
 * as with the option `onread` of `net.Socket`, except the rest of a large message, which is read to where it
 * belongs. What is sent over a plain socket goes to the kernel in one call.
 *
 * The socket stays Node's. Whether a read may take the short way is looked up anew for each, and so it
 * is for each write: when the program does anything with the socket (listens to `data`, pauses, pipes,
 * ends, writes, corks, …), when something waits in the stream, or when the kernel does not take all,
 * octets go through the stream, in their order, as if there were nothing else.
 *
 * HYBI_NO_FAST_PATH=1 turns it off.
 */

const net = require('net');
const tls = require('tls');

const batch = require('./batch');
const { FastBuffer } = require('./buffers');
const codec = require('./codec');

const MEMORY = 128 * 1024;

/** Where sockets are read into; in use for no longer than the call that tells of it. */
let memory = null;
let memoryBuffer = null;

const kReader = Symbol('reader');

const off = Boolean(process.env.HYBI_NO_FAST_PATH);

/** What has to be Node's own, or else somebody wants to see what goes through. */
const { _read, _write, _writev, emit, push, write } = net.Socket.prototype;

/** Makes what tells whether something is a socket of Node as Node has made it, with one of these handles. */
function testFor({ prototype }, ...names) {
  // A class is looked up faster than its name.
  const known = new WeakMap();
  return (socket) => {
    if (off || Object.getPrototypeOf(socket) !== prototype || !socket._handle) return false;
    const { constructor } = socket._handle;
    if (!known.has(constructor)) known.set(constructor, names.includes(constructor.name));
    return known.get(constructor);
  };
}

const isPlain = testFor(net.Socket, 'TCP', 'Pipe');
const isSecure = testFor(tls.TLSSocket, 'TLSWrap');

/**
 * Has `receive(memory, length)` called with what is read from a socket, in place of the event
 * `data`, as long as `onData` is all that listens to it.
 *
 * @param {import('stream').Duplex} socket any stream; nothing happens to one that is not a socket of Node
 * @param {Function} onData the listener that gets what cannot take the short way
 * @param {object} owner whose `_receiver` can take it: has `canReceive()`, and `receive(memory, length)`, which
 *   tells where to read to next
 */
function readShort(socket, onData, owner) {
  if ((!isPlain(socket) && !isSecure(socket)) || socket._read !== _read) return;
  const handle = socket._handle;
  if (typeof handle.useUserBuffer !== 'function' || typeof handle.onread !== 'function' || handle[kReader]) return;

  if (memory === null) {
    memory = Buffer.allocUnsafeSlow(MEMORY);
    memoryBuffer = memory.buffer;
  }
  handle[kReader] = { socket, onData, owner, ordinary: handle.onread, read: handle.bytesRead, into: memory };
  handle.useUserBuffer(memory);
  handle.onread = onRead;
}

/**
 * Called by the handle after a read: octets are in `reader.into`, or it was the end or an error.
 *
 * @returns {Buffer|undefined} where the handle reads to from now on, if that is another memory
 */
function onRead(arrayBuffer) {
  const reader = this[kReader];
  const read = this.bytesRead;
  const length = read - reader.read;
  reader.read = read;
  if (length <= 0 || arrayBuffer !== undefined) return reader.ordinary.call(this, arrayBuffer);

  const { socket, into } = reader;
  const target = isFlowing(socket, reader.onData) ? reader.owner._receiver : null;
  if (target === null || !target.canReceive()) {
    reader.into = memory;
    reader.ordinary.call(this, into.buffer.slice(into.byteOffset, into.byteOffset + length));
    return memory;
  }
  socket._unrefTimer();
  let next = null;
  try {
    next = receive(target, into, length) || memory;
  } finally {
    reader.into = next || memory;
    // A listener has thrown, and nothing can be returned; what it was given must not be read into again.
    if (next === null && into !== memory) this.useUserBuffer(memory);
  }
  // The handle would look up the same memory again.
  return next === into ? undefined : next;
}

function receive(target, octets, length) {
  batch.beginRead();
  try {
    return target.receive(octets, length, octets === memory ? memoryBuffer : null);
  } finally {
    batch.endRead();
  }
}

/** Whether a chunk would reach the listener at once, and nobody else. */
function isFlowing(socket, onData) {
  const state = socket._readableState;
  return (
    state.flowing === true &&
    state.length === 0 &&
    !state.encoding &&
    !socket.destroyed &&
    socket._events.data === onData &&
    socket.emit === emit &&
    socket.push === push
  );
}

/**
 * Tells where octets can be written past the stream.
 *
 * @param {import('stream').Duplex} socket
 * @returns {object|null} the socket's handle, for `writeShort`; `null` for sockets that are not plain
 */
function writableHandle(socket) {
  if (codec.send === null || !isPlain(socket)) return null;
  const isNodes = socket.write === write && socket._write === _write && socket._writev === _writev;
  return isNodes && socket._handle.fd >= 0 ? socket._handle : null;
}

/**
 * Gives octets to the kernel, if nothing is before them in the stream.
 *
 * @param {import('net').Socket} socket
 * @param {object} handle as `writableHandle` has told
 * @param {Function} write the method `write` that the socket must still have
 * @param {Buffer} head
 * @param {number} from
 * @param {number} to of `head`
 * @param {Buffer} [rest] what comes after it
 * @returns {number} how many octets it took: what is left has to be written to the socket
 */
function writeShort(socket, handle, write, head, from, to, rest) {
  const fd = descriptor(socket, handle, write);
  if (fd < 0) return 0;
  return rest === undefined ? codec.send(fd, head, from, to) : codec.send(fd, head, from, to, rest);
}

/** The same with an unmasked frame, of which the payload and the first octet are given. */
function writeFrameShort(socket, handle, write, first, payload) {
  const fd = descriptor(socket, handle, write);
  return fd < 0 ? 0 : codec.sendFrame(fd, first, payload);
}

/** The descriptor of a socket, if nothing is before what is written to it; else -1. */
function descriptor(socket, handle, write) {
  const state = socket._writableState;
  if (
    socket._handle !== handle ||
    state.length !== 0 ||
    state.corked !== 0 ||
    state.ending ||
    state.destroyed ||
    state.errored ||
    socket.write !== write ||
    socket.connecting
  ) {
    return -1;
  }
  socket._unrefTimer();
  return handle.fd;
}

module.exports = { readShort, writableHandle, write, writeFrameShort, writeShort };
