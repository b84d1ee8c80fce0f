'use strict';

// The parameters of permessage-deflate (RFC 7692 §7.1): what is offered, and what is accepted.

const FLAGS = ['client_no_context_takeover', 'server_no_context_takeover'];

/**
 * Makes the offer of a client.
 *
 * @param {object} options those of `PerMessageDeflate`
 * @returns {object} parameters; `true` for those without a value
 */
function offer(options) {
  const params = {};
  if (options.serverNoContextTakeover) params.server_no_context_takeover = true;
  if (options.clientNoContextTakeover) params.client_no_context_takeover = true;
  if (options.serverMaxWindowBits) params.server_max_window_bits = options.serverMaxWindowBits;
  // Without a word the server may choose a window for the client.
  const { clientMaxWindowBits = null } = options;
  if (clientMaxWindowBits === null) params.client_max_window_bits = true;
  else if (clientMaxWindowBits) params.client_max_window_bits = clientMaxWindowBits;
  return params;
}

/**
 * Checks parameters as they were parsed, and gives them their types, in place.
 *
 * @param {object[]} configurations each with a list of values for each parameter
 * @param {boolean} isServer whether they are a client's offers
 * @returns {object[]} the same; windows are numbers, or `true` for any
 * @throws {Error} for an unknown parameter, or several values
 * @throws {TypeError} for a value that the parameter cannot have
 */
function normalize(configurations, isServer) {
  for (const params of configurations) {
    for (const name of Object.keys(params)) {
      const values = params[name];
      if (values.length > 1) throw new Error(`Parameter "${name}" must have only a single value`);
      params[name] = valueOf(name, values[0], isServer);
    }
  }
  return configurations;
}

function valueOf(name, value, isServer) {
  const invalid = () => new TypeError(`Invalid value for parameter "${name}": ${value}`);
  if (FLAGS.includes(name)) {
    if (value !== true) throw invalid();
    return true;
  }
  if (name !== 'client_max_window_bits' && name !== 'server_max_window_bits') {
    throw new Error(`Unknown parameter "${name}"`);
  }
  if (value === true && name === 'client_max_window_bits') {
    // Only an offer may leave the window to the other side.
    if (!isServer) throw invalid();
    return true;
  }
  // `true` is no number of bits, though it would convert to one.
  const bits = value === true ? NaN : Number(value);
  if (!Number.isInteger(bits) || bits < 8 || bits > 15) throw invalid();
  return bits;
}

/** Whether a server may accept an offer, given what its options demand. */
function isAcceptable(params, options) {
  const { serverNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = options;
  if (serverNoContextTakeover === false && params.server_no_context_takeover) return false;

  if (params.server_max_window_bits) {
    if (serverMaxWindowBits === false) return false;
    if (typeof serverMaxWindowBits === 'number' && serverMaxWindowBits > params.server_max_window_bits) return false;
  }
  if (typeof clientMaxWindowBits === 'number') {
    const offered = params.client_max_window_bits;
    // A client that does not mention its window cannot be told one.
    if (!offered) return false;
    if (typeof offered === 'number' && clientMaxWindowBits > offered) return false;
  }
  return true;
}

/**
 * Accepts the first acceptable offer of a client.
 *
 * @param {object[]} offers normalized
 * @param {object} options those of `PerMessageDeflate`
 * @returns {object} what is agreed
 * @throws {Error} if no offer is acceptable
 */
function acceptAsServer(offers, options) {
  const agreed = offers.find((params) => isAcceptable(params, options));
  if (!agreed) throw new Error('None of the extension offers can be accepted');

  if (options.serverNoContextTakeover) agreed.server_no_context_takeover = true;
  if (options.clientNoContextTakeover) agreed.client_no_context_takeover = true;
  if (typeof options.serverMaxWindowBits === 'number') {
    agreed.server_max_window_bits = options.serverMaxWindowBits;
  }
  if (typeof options.clientMaxWindowBits === 'number') {
    agreed.client_max_window_bits = options.clientMaxWindowBits;
  } else if (agreed.client_max_window_bits === true || options.clientMaxWindowBits === false) {
    delete agreed.client_max_window_bits;
  }
  return agreed;
}

/**
 * Accepts the answer of a server.
 *
 * @param {object[]} answers normalized; the first counts
 * @param {object} options those of `PerMessageDeflate`
 * @returns {object} what is agreed
 * @throws {Error} if the server decided what the client's options do not allow
 */
function acceptAsClient([agreed], options) {
  if (options.clientNoContextTakeover === false && agreed.client_no_context_takeover) {
    throw new Error('Unexpected parameter "client_no_context_takeover"');
  }
  const allowed = options.clientMaxWindowBits;
  const told = agreed.client_max_window_bits;
  if (!told) {
    if (typeof allowed === 'number') agreed.client_max_window_bits = allowed;
  } else if (allowed === false || (typeof allowed === 'number' && told > allowed)) {
    throw new Error('Unexpected or invalid parameter "client_max_window_bits"');
  }
  return agreed;
}

module.exports = { acceptAsClient, acceptAsServer, normalize, offer };
