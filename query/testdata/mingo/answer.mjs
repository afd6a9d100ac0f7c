// Answers the questions of TestMingoAgrees with mingo. In: one JSON document a
// line, {docs} or {find, sort, skip, limit, fields} or {doc, update, filters}.
// Out: a line for each question, {docs}, {doc} or {error}.
import { find, update } from "mingo";
import { readFileSync, writeFileSync } from "node:fs";

const revive = (_, v) =>
  v && typeof v === "object" && "$date" in v ? new Date(v.$date) : v;

// JSON.stringify would ask a Date for its text before the replacer sees it.
const plain = (v) => {
  if (v instanceof Date) return { $date: v.getTime() };
  if (Array.isArray(v)) return v.map((e) => (e === undefined ? null : plain(e)));
  if (v && typeof v === "object" && !(v instanceof RegExp))
    return Object.fromEntries(
      Object.entries(v).filter(([, e]) => e !== undefined).map(([k, e]) => [k, plain(e)]),
    );
  return v;
};

let docs = [];
const out = [];
for (const line of readFileSync(0, "utf8").split("\n")) {
  if (line === "") continue;
  const q = JSON.parse(line, revive);
  if (q.docs) {
    docs = q.docs;
    continue;
  }
  try {
    if (q.update) {
      update(q.doc, q.update, q.filters ?? []);
      out.push({ doc: plain(q.doc) });
      continue;
    }
    const cursor = find(structuredClone(docs), q.find ?? {}, q.fields ?? {});
    if (q.sort) cursor.sort(q.sort);
    if (q.skip) cursor.skip(q.skip);
    if (q.limit) cursor.limit(q.limit);
    out.push({ docs: plain(cursor.all()) });
  } catch (e) {
    out.push({ error: String(e.message ?? e) });
  }
}
writeFileSync(1, out.map((o) => JSON.stringify(o) + "\n").join(""));
