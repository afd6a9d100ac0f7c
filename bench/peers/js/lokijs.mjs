import { join } from 'node:path';
import Loki from 'lokijs';
import { SELECTED, REMOVE, INSERT } from './data.mjs';

export const how = 'unique index on _id (by), binary index on author and room (it has no compound ones, and one on ts only for results of a tenth of all or more); one insert of a list, with indexes rebuilt after it; find and chain().find().simplesort().limit(); update in place with disableMeta and clones off, as by default; a batch is an update of a list, which rebuilds the indexes; observers are DynamicViews, whose data is read after each change; LokiFsAdapter, which saves everything at once and without fsync';

const options = { unique: ['_id'], indices: ['author', 'room'], disableMeta: true };

export function create() {
  let db, c, views = [];
  const use = (d) => { db = d; c = db.addCollection('docs', options); };
  const peer = {
    reset() { use(new Loki('bench.db', { autosave: false })); },
    load(docs) { peer.reset(); c.insert(docs, true); },
    insertMany(docs) { c.insert(docs); },
    removeMany(ids) { for (const id of ids) c.remove(c.by('_id', id)); },
    byId: (id) => c.by('_id', id),
    byAuthor: (author) => c.find({ author }),
    scan: () => c.find({ $and: [{ 'nested.a.b': { $gt: 500 } }, { tags: { $containsAny: SELECTED.tags.$in } }, { flag: true }] }),
    newest: (room, limit) => c.chain().find({ room }).simplesort('ts', true).limit(limit).data(),
    inc(id) {
      const d = c.by('_id', id);
      d.nested.likes++;
      c.update(d);
      read();
    },
    incBatch(ids) {
      const docs = ids.map((id) => c.by('_id', id));
      for (const d of docs) d.nested.likes++;
      c.update(docs);
    },
    change(kind, doc) {
      if (kind === INSERT) c.insert(doc);
      else {
        const d = c.by('_id', doc._id);
        if (kind === REMOVE) c.remove(d);
        else { d.ts = doc.ts; c.update(d); }
      }
      read();
    },
    watch(field, value, newest) {
      const v = c.addDynamicView(field + value);
      v.applyFind({ [field]: value });
      if (newest) v.applySimpleSort('ts', true);
      views.push({ v, newest });
      v.data();
    },
    shown: () => views.flatMap(({ v, newest }) => (newest ? v.data().slice(0, 50) : v.data())),
    unwatch() {
      for (const { v } of views) c.removeDynamicView(v.name);
      views = [];
    },
    async save(path, docs) {
      const saved = new Loki(join(path, 'docs.db'), { adapter: new Loki.LokiFsAdapter(), autosave: false });
      saved.addCollection('docs', options).insert(docs, true);
      await new Promise((ok, no) => saved.saveDatabase((e) => (e ? no(e) : ok())));
    },
    async open(path) {
      const d = new Loki(join(path, 'docs.db'), { adapter: new Loki.LokiFsAdapter(), autosave: false });
      await new Promise((ok, no) => d.loadDatabase({}, (e) => (e ? no(e) : ok())));
      peer.file = d.getCollection('docs');
    },
    opened: (id) => peer.file.by('_id', id),
    openedCount: () => peer.file.count(),
    async durable(path, docs) { await peer.save(path, docs); },
  };
  // What a view shows is brought up to date when it is asked; only those with a window
  // are, since a view without a sort follows changes by itself.
  function read() {
    for (const s of views) if (s.newest) s.v.data().slice(0, 50);
  }
  return peer;
}
