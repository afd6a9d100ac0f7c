// Speaks to `replicad serve` with node-ddp-client (npm "ddp"), and prints what it
// saw, one JSON value a line.
const DDPClient = require('ddp');
const [host, port] = process.argv[2].split(':');
const say = (v) => console.log(JSON.stringify(v));
const client = new DDPClient({ host, port: Number(port), maintainCollections: true, autoReconnect: false });

// call waits for the result and for "updated", in whatever order they come.
const call = (name, ...params) => {
  let updated;
  const data = new Promise((done) => { updated = done; });
  const result = new Promise((done, fail) => {
    client.call(name, params, (err, value) => (err ? fail(err) : done(value)), updated);
  });
  return Promise.all([result, data]).then(([value]) => value);
};
const subscribe = (name, ...params) => new Promise((done) => client.subscribe(name, params, done));
const fruit = () => client.collections.fruit || {};

client.connect(async (err) => {
  if (err) throw err;
  say({ connected: client.ddpVersion });
  await subscribe('fruit', { tags: 'red' });
  say({ ready: Object.keys(fruit()).sort(), at: fruit().c.at.getTime() });
  say({ inserted: await call('/fruit/insert', { _id: 'd', name: 'damson', tags: ['red'] }), seen: 'd' in fruit() });
  say({ updated: await call('/fruit/update', 'd', { $set: { price: 9 } }), price: fruit().d.price });
  say({ removed: await call('/fruit/remove', { tags: 'red' }), left: Object.keys(fruit()) });
  await call('nosuch').catch((e) => say({ error: e.error }));
  await call('/fruit/insert', { _id: 'b' }).catch((e) => say({ error: e.error }));
  client.close();
});
