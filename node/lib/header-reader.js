'use strict';

const { tokenChars } = require('./validation');

/** Reads the value of a header field from left to right (the grammar of RFC 9110 §5.6). */
class HeaderReader {
  /** @param {string} value */
  constructor(value) {
    this._value = value;
    this._at = 0;
  }

  get atStart() {
    return this._at === 0;
  }

  get atEnd() {
    return this._at === this._value.length;
  }

  /** Takes a character if it comes next. */
  take(character) {
    if (this._value[this._at] !== character) return false;
    this._at++;
    return true;
  }

  /** Skips spaces and tabs, and tells whether there were any. */
  skipSpace() {
    const from = this._at;
    while (this.take(' ') || this.take('\t'));
    return this._at > from;
  }

  /** @throws {SyntaxError} if no token comes next */
  token() {
    const from = this._at;
    while (this._atTokenCharacter()) this._at++;
    if (this._at === from) throw this.unexpected();
    return this._value.slice(from, this._at);
  }

  /**
   * Reads a quoted string, of which the first quote has been taken. What it says must be a
   * token (RFC 6455 §9.1).
   *
   * @throws {SyntaxError} if it is not
   */
  quotedToken() {
    let token = '';
    while (token === '' || !this.take('"')) {
      this.take('\\');
      if (!this._atTokenCharacter()) throw this.unexpected();
      token += this._value[this._at++];
    }
    return token;
  }

  /** The error for what comes next. */
  unexpected() {
    return new SyntaxError(
      this.atEnd ? 'Unexpected end of input' : `Unexpected character at index ${this._at}`
    );
  }

  _atTokenCharacter() {
    return tokenChars[this._value.charCodeAt(this._at)] === 1;
  }
}

module.exports = HeaderReader;
