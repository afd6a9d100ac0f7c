import { Collection, createIndex } from '@signaldb/core';
import { SELECTED, REMOVE, INSERT } from './data.mjs';

export const how = 'Collection in memory with createIndex on author and room (none is compound), its own key named id, insertMany; find().fetch(); updateOne with $inc (outside a batch each change rebuilds all indexes); observers are find().observeChanges';

// Its documents are keyed by id.
const into = ({ _id, ...d }) => ({ id: _id, ...d });

export async function create() {
  let c, watched = [];
  const inc = { $inc: { 'nested.likes': 1 } };
  const peer = {
    reset() {
      c = new Collection({ indices: [createIndex('author'), createIndex('room')], reactivity: undefined });
    },
    load(docs) {
      peer.reset();
      peer.insertMany(docs);
    },
    insertMany(docs) { c.insertMany(docs.map(into)); },
    byId: (id) => c.findOne({ id }, { reactive: false }),
    byAuthor: (author) => c.find({ author }, { reactive: false }).fetch(),
    scan: () => c.find(SELECTED, { reactive: false }).fetch(),
    newest: (room, limit) => c.find({ room }, { sort: { ts: -1 }, limit, reactive: false }).fetch(),
    inc(id) { c.updateOne({ id }, inc); },
    incBatch(ids) { c.batch(() => { for (const id of ids) c.updateOne({ id }, inc); }); },
    change(kind, d) {
      if (kind === INSERT) c.insert(into(d));
      else if (kind === REMOVE) c.removeOne({ id: d._id });
      else c.updateOne({ id: d._id }, { $set: { ts: d.ts } });
    },
    watch(field, value, newest) {
      const cursor = c.find({ [field]: value }, { ...(newest ? { sort: { ts: -1 }, limit: 50 } : {}), reactive: false });
      const w = { cursor, events: 0 };
      const seen = () => { w.events++; };
      w.stop = cursor.observeChanges({ added: seen, addedBefore: seen, changed: seen, movedBefore: seen, removed: seen });
      watched.push(w);
    },
    settle: () => new Promise((ok) => { setImmediate(ok); }),
    shown: () => watched.flatMap((w) => w.cursor.fetch()),
    unwatch() {
      for (const w of watched) w.stop();
      watched = [];
    },
  };
  peer.reset();
  return peer;
}
