'use strict';

// The header `Sec-WebSocket-Extensions` (RFC 6455 §9.1).

const HeaderReader = require('./header-reader');

function push(lists, name, element) {
  if (lists[name] === undefined) lists[name] = [element];
  else lists[name].push(element);
}

/**
 * Parses the value of a header.
 *
 * @param {string} header `a; b=1; c, a`
 * @returns {Object<string, object[]>} each extension with its offers, each offer with the values of its
 *   parameters, `true` for none: `{ a: [{ b: ['1'], c: [true] }, {}] }`. Without prototypes.
 * @throws {SyntaxError} for anything that the grammar does not allow
 */
function parse(header) {
  const reader = new HeaderReader(header);
  const extensions = Object.create(null);

  for (;;) {
    // Space is what separates; there is nothing to separate at the ends.
    if (!reader.atStart) reader.skipSpace();
    const name = reader.token();
    const params = Object.create(null);
    let space = reader.skipSpace();

    while (reader.take(';')) {
      reader.skipSpace();
      const param = reader.token();
      let value = true;
      if (reader.take('=')) value = reader.take('"') ? reader.quotedToken() : reader.token();
      push(params, param, value);
      space = reader.skipSpace();
    }

    push(extensions, name, params);
    if (reader.atEnd && !space) return extensions;
    if (!reader.take(',')) throw reader.unexpected();
  }
}

/**
 * Builds the value of a header.
 *
 * @param {object} extensions the opposite of what `parse` returns; a list of one may be the one itself
 * @returns {string}
 */
function format(extensions) {
  const listed = (value) => (Array.isArray(value) ? value : [value]);
  const offers = [];
  for (const name of Object.keys(extensions)) {
    for (const params of listed(extensions[name])) {
      const parts = [name];
      for (const param of Object.keys(params)) {
        // An empty list says nothing, and leaves an empty place: as in `ws`.
        const values = listed(params[param]);
        parts.push(values.map((value) => (value === true ? param : `${param}=${value}`)).join('; '));
      }
      offers.push(parts.join('; '));
    }
  }
  return offers.join(', ');
}

module.exports = { format, parse };
