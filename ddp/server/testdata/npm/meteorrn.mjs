// The low level of @meteorrn/core: prints what its messages say.
import DDP from '@meteorrn/core/lib/ddp.js';
import EJSON from 'ejson';
import WebSocket from 'ws';

const say = (v) => console.log(EJSON.stringify(v));
const ddp = new DDP({ endpoint: `ws://${process.argv[2]}/websocket`, SocketConstructor: WebSocket, reconnectInterval: 20 });
const next = (event, good = () => true) => new Promise((done) => {
  const hear = (m) => { if (good(m)) { ddp.removeListener(event, hear); done(m); } };
  ddp.on(event, hear);
});
const call = async (name, ...params) => {
  const id = ddp.method(name, params);
  const updated = next('updated', (m) => m.methods.includes(id));
  const result = await next('result', (m) => m.id === id);
  await updated;
  return result.error ? { error: result.error.error } : result.result;
};
ddp.on('error', (e) => say({ complaint: e }));

await next('connected');
say({ session: ddp._lastSessionId.length > 16 });
const seen = [];
ddp.on('added', (m) => seen.push(m.id));
const sub = ddp.sub('fruit', []);
await next('ready', (m) => m.subs.includes(sub));
say({ seen: seen.sort() });
say({ echo: await call('echo', { when: new Date(5), bytes: new Uint8Array([1, 2]) }) });
say(await call('nosuch'));
say(await call('forbidden'));
const changed = next('changed');
await call('price', 'apple', 7);
say((await changed).fields);
const bad = ddp.sub('nosuch', []);
say({ nosub: (await next('nosub', (m) => m.id === bad)).error.error });

const gone = next('disconnected');
ddp.method('kick', []);
await gone;
await next('connected');
seen.length = 0;
const again = ddp.sub('fruit', []);
await next('ready', (m) => m.subs.includes(again));
say({ again: seen.sort() });
const removed = next('removed', (m) => m.id === 'pear');
ddp.unsub(again);
say({ removed: (await removed).collection });
ddp.disconnect();
