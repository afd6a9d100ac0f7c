// Speaks to `replicad serve` with ddp.js, which keeps no documents: prints what the
// messages say.
const DDP = require('ddp.js').default || require('ddp.js');
const ws = require('ws');
const say = (v) => console.log(JSON.stringify(v));
const ddp = new DDP({ endpoint: `ws://${process.argv[2]}/websocket`, SocketConstructor: ws, autoReconnect: false });
const next = (event, good) => new Promise((done) => {
  const hear = (m) => { if (good(m)) { ddp.removeListener(event, hear); done(m); } };
  ddp.on(event, hear);
});

ddp.on('connected', async () => {
  const seen = [];
  ddp.on('added', (m) => seen.push(m.id));
  const sub = ddp.sub('fruit', [{ tags: 'yellow' }]);
  await next('ready', (m) => m.subs.includes(sub));
  say({ ready: seen });
  const changed = next('changed', (m) => m.id === 'b');
  const call = ddp.method('/fruit/update', ['b', { $set: { price: 8 }, $unset: { name: 1 } }]);
  const [c, r] = await Promise.all([changed, next('result', (m) => m.id === call), next('updated', (m) => m.methods.includes(call))]);
  say({ fields: c.fields, cleared: c.cleared, result: r.result });
  const bad = ddp.method('nosuch', []);
  say({ error: (await next('result', (m) => m.id === bad)).error.error });
  const gone = next('removed', (m) => m.id === 'b');
  ddp.unsub(sub);
  say({ removed: (await gone).id });
  ddp.disconnect();
});
