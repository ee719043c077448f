// Opens a WebSocket in a stream of HTTP/2 that carries other requests too (RFC 8441), and says what came of it.
//
//     node websocket_http2.mjs ORIGIN PATH SOCKET-PATH AUTHORITY.pem

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';

const [origin, path, socketPath, authority] = process.argv.slice(2);
const session = connect(origin, { ca: readFileSync(authority) });

/** A frame as clients send them, masked. */
function frame(opcode, payload) {
  const head = payload.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | payload.length])
    : payload.length < 65536 ? Buffer.from([0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 255])
    : Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | 127, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(payload.length).buffer).swap32()]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, place) => byte ^ mask[place % 4])]);
}

/** The first whole frame in what was read, and how long it is; servers do not mask. */
function parse(read) {
  if (read.length < 2) return null;
  const short = read[1] & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (read.length < start) return null;
  const length = short < 126 ? short : short === 126 ? read.readUInt16BE(2) : Number(read.readBigUInt64BE(2));
  if (read.length < start + length) return null;
  return { opcode: read[0] & 0x0f, payload: read.subarray(start, start + length), end: start + length };
}

const settings = await new Promise((resolve) => session.once('remoteSettings', resolve));
const before = session.request({ ':path': path });
before.resume();
const [first] = await new Promise((resolve) => before.once('response', (...answer) => resolve(answer)));
const stream = session.request({
  ':method': 'CONNECT', ':protocol': 'websocket', ':path': socketPath,
  'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat', origin,
}, { endStream: false });
const [head] = await new Promise((resolve) => stream.once('response', (...answer) => resolve(answer)));

let read = Buffer.alloc(0);
let more = () => {};
stream.on('data', (bytes) => { read = Buffer.concat([read, bytes]); more(); });
const ended = new Promise((resolve) => stream.once('end', resolve));
async function next() {
  for (;;) {
    const found = parse(read);
    if (found) { read = read.subarray(found.end); return found; }
    await new Promise((resolve) => { more = resolve; });
  }
}

const echoed = [];
for (const text of ['one', 'x'.repeat(300), 'y'.repeat(100_000)]) {
  stream.write(frame(1, Buffer.from(text)));
  const { opcode, payload } = await next();
  echoed.push(opcode === 1 && payload.toString() === text);
}
stream.write(frame(8, Buffer.from([3, 232])));
const farewell = await next();
stream.end();
await ended;
session.close();
console.log(JSON.stringify({
  advertised: settings.enableConnectProtocol, before: first[':status'], status: head[':status'],
  protocol: head['sec-websocket-protocol'], proof: head['sec-websocket-accept'] ?? null, echoed,
  closed: farewell.opcode === 8 && farewell.payload.readUInt16BE(0),
}));
