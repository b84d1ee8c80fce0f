// ADDRESS [--broadcast] [--deflate] [--tls CERTIFICATE KEY]
import { readFileSync } from 'node:fs';

const [address, mode, certificate, key] = process.argv.slice(2);
export const [host, port] = [address.split(':')[0], Number(address.split(':')[1])];
export const broadcasts = mode === '--broadcast';
export const deflates = mode === '--deflate';
export const tls =
  mode === '--tls' ? { cert: readFileSync(certificate), key: readFileSync(key) } : undefined;
