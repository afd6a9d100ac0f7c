import { join } from 'node:path';
import Datastore from '@seald-io/nedb';
import { SELECTED } from './data.mjs';

export const how = 'ensureIndexAsync on author and room (it has no compound indexes), insertAsync of a list, findAsync, sort and limit of its cursor, updateAsync with $inc; loadDatabaseAsync; its log is appended without fsync; no observers';

export async function create() {
  let db;
  const indexed = async (o) => {
    const d = new Datastore(o);
    await d.ensureIndexAsync({ fieldName: 'author' });
    await d.ensureIndexAsync({ fieldName: 'room' });
    return d;
  };
  const inc = { $inc: { 'nested.likes': 1 } };
  const peer = {
    async reset() { db = await indexed({ inMemoryOnly: true }); },
    async load(docs) { await peer.reset(); await db.insertAsync(docs); },
    insertMany: (docs) => db.insertAsync(docs),
    byId: (_id) => db.findOneAsync({ _id }),
    byAuthor: (author) => db.findAsync({ author }),
    scan: () => db.findAsync(SELECTED),
    newest: (room, limit) => db.findAsync({ room }).sort({ ts: -1 }).limit(limit).execAsync(),
    inc: (_id) => db.updateAsync({ _id }, inc, {}),
    async save(path, docs) {
      const d = await indexed({ filename: join(path, 'docs.db'), autoload: false });
      await d.loadDatabaseAsync();
      await d.insertAsync(docs);
    },
    async open(path) {
      peer.file = await indexed({ filename: join(path, 'docs.db') });
      await peer.file.loadDatabaseAsync();
    },
    opened: (_id) => peer.file.findOneAsync({ _id }),
    openedCount: () => peer.file.countAsync({}),
    async durable(path, docs) {
      const d = await indexed({ filename: join(path, 'docs.db') });
      await d.loadDatabaseAsync();
      for (let at = 0; at < docs.length; at += 1000) await d.insertAsync(docs.slice(at, at + 1000));
    },
  };
  await peer.reset();
  return peer;
}
