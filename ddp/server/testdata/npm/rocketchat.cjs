// @rocket.chat/ddp-client without its REST half: prints what its messages say.
const { ConnectionImpl } = require('@rocket.chat/ddp-client/dist/Connection.js');
const { ClientStreamImpl } = require('@rocket.chat/ddp-client/dist/ClientStream.js');
const { DDPDispatcher } = require('@rocket.chat/ddp-client/dist/DDPDispatcher.js');
const WebSocket = require('ws');

const say = (v) => console.log(JSON.stringify(v));
const ddp = new DDPDispatcher();
const connection = ConnectionImpl.create(`ws://${process.argv[2]}`, WebSocket, ddp, { retryCount: 5, retryTime: 20 });
const client = new ClientStreamImpl(ddp, ddp);
const next = (good) => new Promise((done) => {
  const stop = client.onCollection('fruit', (m) => { if (good(m)) { stop(); done(m); } });
});

(async () => {
  say({ connected: await connection.connect(), session: connection.session.length > 16 });
  let seen = [];
  client.onCollection('fruit', (m) => m.msg === 'added' && seen.push(m.id));
  const sub = client.subscribe('fruit');
  await sub.ready();
  say({ seen: seen.sort() });
  say({ echo: await client.callAsync('echo', { $date: 5 }) });
  say(await client.callAsync('nosuch').catch((e) => ({ error: e.error })));
  say(await client.callAsync('forbidden').catch((e) => ({ error: e.error })));
  const changed = next((m) => m.msg === 'changed');
  await client.callAsync('price', 'apple', 7);
  say((await changed).fields);
  const bad = client.subscribe('nosuch');
  say({ nosub: (await bad.ready().catch((e) => e)).error });

  const back = new Promise((done) => connection.once('connected', done));
  client.call('kick');
  await back;
  seen = [];
  const again = client.subscribe('fruit');
  await again.ready();
  say({ again: seen.sort() });
  const removed = next((m) => m.msg === 'removed' && m.id === 'pear');
  await client.unsubscribe(again.id);
  say({ removed: (await removed).collection });
  connection.close();
})();
