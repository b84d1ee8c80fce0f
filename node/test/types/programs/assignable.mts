// What may go from one package to the other. A whole WebSocket may not: ours can do more, and the target
// of its events is one of ours.
import type Theirs from 'ws';
import type * as theirs from 'ws';
import type Ours from 'PACKAGE';
import type * as ours from 'PACKAGE';

type Without<T> = Omit<T, 'finishRequest'>;

declare const client: { ours: Without<ours.ClientOptions>; theirs: Without<theirs.ClientOptions> };
declare const server: {
  ours: Omit<ours.ServerOptions, 'WebSocket'>;
  theirs: Omit<theirs.ServerOptions, 'WebSocket'>;
};
declare const deflate: { ours: ours.PerMessageDeflateOptions; theirs: theirs.PerMessageDeflateOptions };
declare const raw: { ours: ours.RawData; theirs: theirs.RawData };
declare const data: { ours: ours.Data; theirs: theirs.Data };
declare const cert: { ours: ours.CertMeta; theirs: theirs.CertMeta };
declare const address: { ours: ours.AddressInfo; theirs: theirs.AddressInfo };
declare const sync: { ours: ours.VerifyClientCallbackSync; theirs: theirs.VerifyClientCallbackSync };
declare const async: { ours: ours.VerifyClientCallbackAsync; theirs: theirs.VerifyClientCallbackAsync };
declare const socket: { ours: Ours; theirs: Theirs };
declare const state: { ours: Ours['readyState']; theirs: Theirs['readyState'] };

client.ours = client.theirs;
client.theirs = client.ours;
server.ours = server.theirs;
server.theirs = server.ours;
deflate.ours = deflate.theirs;
deflate.theirs = deflate.ours;
raw.ours = raw.theirs;
raw.theirs = raw.ours;
data.ours = data.theirs;
data.theirs = data.ours;
cert.ours = cert.theirs;
cert.theirs = cert.ours;
address.ours = address.theirs;
address.theirs = address.ours;
sync.ours = sync.theirs;
sync.theirs = sync.ours;
async.ours = async.theirs;
async.theirs = async.ours;
state.ours = state.theirs;
state.theirs = state.ours;

/** What a library takes that does not care whose WebSocket it is. */
interface Minimal {
  readonly readyState: number;
  readonly protocol: string;
  binaryType: string;
  send(data: string | Uint8Array, callback?: (err?: Error) => void): void;
  close(code?: number, reason?: string): void;
  ping(data?: any): void;
  terminate(): void;
  on(event: 'message', listener: (data: Buffer | ArrayBuffer | Buffer[], isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}
declare function minimal(ws: Minimal): void;

minimal(socket.ours);
minimal(socket.theirs);
