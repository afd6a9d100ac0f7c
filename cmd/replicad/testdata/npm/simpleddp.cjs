// Speaks to `replicad serve` with simpleddp, and prints what it saw.
const SimpleDDP = require('simpleddp').default || require('simpleddp');
const ws = require('ws');
const say = (v) => console.log(JSON.stringify(v));

(async () => {
  const server = new SimpleDDP({ endpoint: `ws://${process.argv[2]}/websocket`, SocketConstructor: ws, reconnectInterval: 100 });
  await server.connect();
  say({ connected: server.connected });
  const sub = server.subscribe('fruit', { price: { $lt: 5 } }, { sort: { price: 1 } });
  await sub.ready();
  say({ ready: server.collection('fruit').fetch().map((d) => d.name).sort() });
  const changes = [];
  const seen = new Promise((done) => {
    server.collection('fruit').onChange((c) => {
      changes.push([c.added && c.added.name, c.removed && c.removed.name]);
      if (changes.length === 1) done();
    });
  });
  const id = await server.call('/fruit/insert', { name: 'elderberry', price: 2, tags: [] });
  await seen;
  say({ idLength: id.length, change: changes[0][0] });
  await sub.stop();
  try {
    await server.call('nosuch');
  } catch (e) {
    say({ error: e.error });
  }
  await server.disconnect();
})();
