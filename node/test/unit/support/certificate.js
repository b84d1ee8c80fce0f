'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** A self-signed certificate for localhost, made once. */
module.exports = (() => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hybi-tls-'));
  const file = (name) => path.join(directory, name);

  try {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout', file('key.pem'), '-out', file('cert.pem')
    ], { stdio: 'ignore' });
    return { key: fs.readFileSync(file('key.pem')), cert: fs.readFileSync(file('cert.pem')) };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
})();
