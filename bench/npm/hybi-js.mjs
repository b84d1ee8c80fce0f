// The npm package of this project without its native half.
process.env.HYBI_NO_NATIVE = '1';
await import('./hybi.mjs');
