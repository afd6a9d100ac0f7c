import { createRxDatabase } from 'rxdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { SELECTED, REMOVE, INSERT } from './data.mjs';

export const how = 'memory storage, schema with indexes on author and [room, ts], bulkInsert (which leaves the indexes to the first question); findOne(id).exec, find({selector}).exec; incrementalModify of a document, findByIds and bulkUpsert of a batch; observers are the observable query.$ with eventReduce on, which emits the whole result; the same question again comes from its query cache, so W4 asks with another limit each time to be a scan';

const text = { type: 'string', maxLength: 200 }, name = { type: 'string', maxLength: 20 };
const schema = {
  version: 0, primaryKey: '_id', type: 'object',
  properties: {
    _id: { type: 'string', maxLength: 17 }, author: name, room: name, text,
    ts: { type: 'number', minimum: 0, maximum: 4e12, multipleOf: 1 }, score: { type: 'number' },
    tags: { type: 'array', items: { type: 'string' } }, n: { type: 'number' },
    nested: { type: 'object', properties: { a: { type: 'object', properties: { b: { type: 'number' } } }, likes: { type: 'number' } } },
    flag: { type: 'boolean' },
  },
  required: ['_id', 'author', 'room', 'ts'],
  indexes: ['author', ['room', 'ts']],
};

export async function create() {
  let db, c, made = 0, watched = [], last;
  const doc = (d) => d.toJSON();
  const like = (d) => { d.nested.likes++; return d; };
  const peer = {
    async reset() {
      if (db) await db.remove();
      db = await createRxDatabase({ name: 'bench' + made++, storage: getRxStorageMemory(), multiInstance: false, eventReduce: true });
      ({ docs: c } = await db.addCollections({ docs: { schema } }));
    },
    async load(docs) {
      await peer.reset();
      await peer.insertMany(docs);
    },
    async insertMany(docs) {
      const { error } = await c.bulkInsert(docs);
      if (error.length) throw new Error('bulkInsert: ' + error.length + ' refused');
    },
    async removeMany(ids) { await c.bulkRemove(ids); },
    byId: async (_id) => doc(await c.findOne(_id).exec()),
    byAuthor: async (author) => (await c.find({ selector: { author } }).exec()),
    scan: async () => (await c.find({ selector: { 'nested.a.b': SELECTED['nested.a.b'], $or: SELECTED.tags.$in.map((t) => ({ tags: { $elemMatch: { $eq: t } } })), flag: true }, limit: 1e7 + made++ }).exec()),
    newest: async (room, limit) => (await c.find({ selector: { room }, sort: [{ ts: 'desc' }], limit }).exec()),
    async inc(_id) {
      last = await (await c.findOne(_id).exec()).incrementalModify(like);
    },
    async incBatch(ids) {
      last = undefined;
      const times = new Map();
      for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1);
      const docs = [...(await c.findByIds([...times.keys()]).exec()).values()].map((d) => d.toMutableJSON());
      for (const d of docs) d.nested.likes += times.get(d._id);
      const { error } = await c.bulkUpsert(docs);
      if (error.length) throw new Error('bulkUpsert: ' + error.length + ' refused');
    },
    async change(kind, d) {
      last = undefined;
      if (kind === INSERT) await c.insert(d);
      else {
        const old = await c.findOne(d._id).exec();
        if (kind === REMOVE) await old.remove();
        else await old.incrementalPatch({ ts: d.ts });
      }
    },
    async watch(field, value, newest) {
      const query = c.find({ selector: { [field]: value }, ...(newest ? { sort: [{ ts: 'desc' }], limit: 50 } : {}) });
      const w = { field, value, result: null };
      await new Promise((ok) => { w.sub = query.$.subscribe((r) => { w.result = r; ok(); }); });
      watched.push(w);
    },
    // Emissions come in the order of writes, each after its write has been answered. So
    // the last incremented document is looked for, in the result that must show it; or a
    // document that the one observer must show, inserted, seen and removed, comes last.
    async settle() {
      const one = last ? watched.find((w) => last[w.field] === w.value) : watched[0];
      if (!one) return;
      if (last) {
        while (!one.result.some((d) => d._id === last._id && d.revision === last.revision)) await new Promise((ok) => { setImmediate(ok); });
        return;
      }
      const _id = 'settle' + made++;
      const likely = { _id, author: 'author0', room: 'room0', text: '', ts: 3e12, score: 0, tags: [], n: 0, nested: { a: { b: 0 }, likes: 0 }, flag: false };
      likely[one.field] = one.value;
      const shows = (yes) => new Promise((ok) => {
        const look = () => (one.result.some((d) => d._id === _id) === yes ? ok() : setImmediate(look));
        look();
      });
      await c.insert(likely);
      await shows(true);
      await (await c.findOne(_id).exec()).remove();
      await shows(false);
    },
    shown: () => watched.flatMap((w) => w.result.map(doc)),
    unwatch() {
      for (const w of watched) w.sub.unsubscribe();
      watched = [];
      last = undefined;
    },
  };
  await peer.reset();
  return peer;
}
