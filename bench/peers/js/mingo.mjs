import { Query, updateOne } from 'mingo';
import { SELECTED } from './data.mjs';

export const how = 'a matcher over arrays and no store: Query(selector) made once and find(array), so every question is a scan; updateOne of the array';

export function create() {
  let docs;
  const scan = new Query(SELECTED);
  return {
    plainArray: true,
    load(list) { docs = list; },
    byId: (_id) => new Query({ _id }).find(docs).limit(1).all()[0],
    byAuthor: (author) => new Query({ author }).find(docs).all(),
    scan: () => scan.find(docs).all(),
    newest: (room, limit) => new Query({ room }).find(docs).sort({ ts: -1 }).limit(limit).all(),
    inc: (_id) => updateOne(docs, { _id }, { $inc: { 'nested.likes': 1 } }),
  };
}
