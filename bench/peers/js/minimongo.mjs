import minimongo from 'minimongo';
import { SELECTED } from './data.mjs';

export const how = 'MemoryDb (of mWater, after Meteor\'s; that one is not on npm), namespace with the default copy on return, upsert of a list, find().fetch(); no indexes, no modifiers (an $inc is findOne and upsert) and no observers';

export async function create() {
  let c;
  const peer = {
    unindexed: true,
    async reset() {
      const db = new minimongo.MemoryDb();
      await new Promise((ok, no) => { db.addCollection('docs', ok, no); });
      c = db.collections.docs;
    },
    async load(docs) { await peer.reset(); await c.upsert(docs); },
    insertMany: (docs) => c.upsert(docs),
    byId: (_id) => c.findOne({ _id }),
    byAuthor: (author) => c.find({ author }).fetch(),
    scan: () => c.find(SELECTED).fetch(),
    newest: (room, limit) => c.find({ room }, { sort: [['ts', 'desc']], limit }).fetch(),
    async inc(_id) {
      const d = await c.findOne({ _id });
      d.nested.likes++;
      await c.upsert(d);
    },
    async incBatch(ids) {
      const next = new Map();
      for (const id of ids) {
        const d = next.get(id) ?? await c.findOne({ _id: id });
        d.nested.likes++;
        next.set(id, d);
      }
      await c.upsert([...next.values()]);
    },
  };
  await peer.reset();
  return peer;
}
