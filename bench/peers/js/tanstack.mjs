import { createCollection, createLiveQueryCollection, queryOnce, BTreeIndex, eq, gt, and } from '@tanstack/db';
import { SELECTED, REMOVE, INSERT } from './data.mjs';

export const how = 'a synced collection, rows written by the sync function as a back end would, with createIndex (BTreeIndex) on author, room and ts; questions are asked by queryOnce, a live query that is made, preloaded and cleaned up; get(key) for ids; observers are createLiveQueryCollection with where, orderBy and limit, and subscribeChanges';

export async function create() {
  let c, sync, watched = [], made = 0;
  const write = (changes) => {
    sync.begin();
    for (const ch of changes) sync.write(ch);
    sync.commit();
  };
  const query = (build) => createLiveQueryCollection({ id: 'q' + made++, startSync: true, gcTime: 1, query: (q) => build(q.from({ d: c })) });
  const once = (build) => queryOnce((q) => build(q.from({ d: c })));
  const peer = {
    async reset() {
      if (c) await c.cleanup();
      c = createCollection({
        id: 'docs' + made++, getKey: (d) => d._id, startSync: true, gcTime: 0,
        sync: { rowUpdateMode: 'full', sync: (params) => { sync = params; params.markReady(); } },
      });
      for (const f of ['author', 'room', 'ts']) c.createIndex((d) => d[f], { indexType: BTreeIndex });
      c.subscribeChanges(() => {});
    },
    async load(docs) {
      await peer.reset();
      peer.insertMany(docs);
    },
    insertMany(docs) { write(docs.map((value) => ({ type: 'insert', value }))); },
    removeMany(ids) { write(ids.map((id) => ({ type: 'delete', value: c.get(id) }))); },
    byId: (id) => c.get(id),
    byAuthor: (author) => once((q) => q.where(({ d }) => eq(d.author, author))),
    scan: () => once((q) => q.where(({ d }) => and(gt(d.nested.a.b, 500), eq(d.flag, true))).fn.where(({ d }) => d.tags.some((t) => SELECTED.tags.$in.includes(t)))),
    newest: (room, limit) => once((q) => q.where(({ d }) => eq(d.room, room)).orderBy(({ d }) => d.ts, 'desc').limit(limit)),
    inc(id) {
      const d = c.get(id);
      write([{ type: 'update', value: { ...d, nested: { ...d.nested, likes: d.nested.likes + 1 } } }]);
    },
    incBatch(ids) {
      // An id may come twice, and what was written is seen after the commit only.
      const next = new Map();
      for (const id of ids) {
        const d = next.get(id) ?? c.get(id);
        next.set(id, { ...d, nested: { ...d.nested, likes: d.nested.likes + 1 } });
      }
      write([...next.values()].map((value) => ({ type: 'update', value })));
    },
    change(kind, value) {
      if (kind === REMOVE) write([{ type: 'delete', value: c.get(value._id) }]);
      else write([{ type: kind === INSERT ? 'insert' : 'update', value }]);
    },
    async watch(field, value, newest) {
      const live = query((q) => {
        const some = q.where(({ d }) => eq(d[field], value));
        return newest ? some.orderBy(({ d }) => d.ts, 'desc').limit(50) : some;
      });
      await live.preload();
      const w = { live, events: 0 };
      w.sub = live.subscribeChanges((changes) => { w.events += changes.length; });
      watched.push(w);
    },
    settle: () => new Promise((ok) => { setImmediate(ok); }),
    shown: () => watched.flatMap((w) => w.live.toArray),
    async unwatch() {
      for (const w of watched) {
        w.sub.unsubscribe();
        await w.live.cleanup();
      }
      watched = [];
    },
  };
  await peer.reset();
  return peer;
}
