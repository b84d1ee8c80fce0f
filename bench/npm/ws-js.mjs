// npm's ws without bufferutil.
process.env.WS_NO_BUFFER_UTIL = '1';
await import('./ws.mjs');
