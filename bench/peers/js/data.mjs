// The data set, the same bytes as ../../workload.go and ../../churn.go make.
import { createHash } from 'node:crypto';

export const AUTHORS = 1000, ROOMS = 100, TAGS = 50, START = 1_700_000_000_000, CHURN_ROOM = 7;

export class Rand {
  constructor(seed) { this.state = seed >>> 0; }
  next() {
    this.state = (this.state + 0x6D2B79F5) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }
  // A product below 2^53 is exact in a float; beyond that only BigInt is.
  intn(n) {
    if (n <= 1 << 21) return Math.floor(this.next() * n / 4294967296);
    return Number((BigInt(this.next()) * BigInt(n)) >> 32n);
  }
  id() {
    let s = '';
    for (let i = 0; i < 17; i++) s += ALPHABET[this.intn(ALPHABET.length)];
    return s;
  }
  text() {
    const b = Buffer.alloc(60 + this.intn(61), 32);
    for (let i = 0; i < b.length; i++) {
      const c = this.intn(32);
      if (c < 26) b[i] = 97 + c;
    }
    return b.toString('latin1');
  }
}
const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz';

// makeDoc draws document n. ts is a number of milliseconds.
export function makeDoc(r, n) {
  const d = {
    _id: r.id(), author: 'author' + r.intn(AUTHORS), room: 'room' + r.intn(ROOMS), text: r.text(),
    ts: START + r.intn(1_000_000_000), score: r.intn(1_000_000) / 1000, tags: null, n, nested: null, flag: false,
  };
  const tags = new Array(1 + r.intn(4));
  for (let i = 0; i < tags.length; i++) tags[i] = 'tag' + r.intn(TAGS);
  d.tags = tags;
  d.nested = { a: { b: r.intn(1000) }, likes: r.intn(10_000) };
  d.flag = r.intn(2) === 1;
  return d;
}

export function makeDocs(seed, n) {
  const r = new Rand(seed), docs = new Array(n);
  for (let i = 0; i < n; i++) docs[i] = makeDoc(r, i);
  return docs;
}

// ejson writes ts as the wire does.
const ejson = (d) => JSON.stringify({ ...d, ts: { $date: d.ts } });

export function digest(docs) {
  const sum = createHash('sha256');
  for (const d of docs) sum.update(ejson(d) + '\n');
  return sum.digest('hex').slice(0, 16);
}

// frames are added messages.
export function frames(docs) {
  return docs.map((d) => {
    const { _id, ...fields } = d;
    return JSON.stringify({ msg: 'added', collection: 'docs', id: _id, fields: { ...fields, ts: { $date: d.ts } } });
  });
}

// read makes a document of a frame, as a client does.
export function read(frame) {
  const m = JSON.parse(frame), d = m.fields;
  d._id = m.id;
  d.ts = d.ts.$date;
  return d;
}

export function drawParams(docs) {
  const ids = (seed) => {
    const r = new Rand(seed), out = [];
    for (let i = 0; i < 4096; i++) out.push(docs[r.intn(docs.length)]._id);
    return out;
  };
  const p = { ids: ids(2), incs: ids(6), authors: [], rooms: [] };
  const ra = new Rand(3), rr = new Rand(5);
  for (let i = 0; i < 64; i++) {
    p.authors.push('author' + ra.intn(AUTHORS));
    p.rooms.push('room' + rr.intn(ROOMS));
  }
  return p;
}

// makeChurn is the stream of W7: see ../../churn.go.
const ROUNDS = 1024;
export const INSERT = 0, UPDATE = 1, REMOVE = 2;
export function makeChurn(n, where) {
  const inWindow = where === 'in-window';
  const kept = inWindow ? 16 : 1000, alive = inWindow ? 16 : ROUNDS / 2;
  const r = new Rand(7);
  const ts = () => START + r.intn(1_000_000_000) + (inWindow ? 1_000_000_000 : 0);
  const draw = (i) => {
    const d = makeDoc(r, n + i);
    if (where !== 'anywhere') d.room = 'room' + CHURN_ROOM;
    d.ts = ts();
    return d;
  };
  const start = [], versions = [], ops = [];
  for (let i = 0; i < kept; i++) {
    const d = draw(i);
    versions.push([d, { ...d, ts: ts() }]);
    start.push(d);
  }
  const fresh = [];
  for (let i = 0; i < ROUNDS; i++) fresh.push(draw(kept + i));
  start.push(...fresh.slice(ROUNDS - alive));
  const picks = [];
  for (let i = 0; i < ROUNDS / 2; i++) picks.push(r.intn(kept));
  const now = new Array(kept).fill(0);
  for (let i = 0; i < ROUNDS; i++) {
    const k = picks[i % picks.length];
    now[k] = 1 - now[k];
    ops.push({ kind: INSERT, doc: fresh[i] }, { kind: UPDATE, doc: versions[k][now[k]] }, { kind: REMOVE, doc: fresh[(i + ROUNDS - alive) % ROUNDS] });
  }
  return { start, ops };
}

export const SELECTED = { 'nested.a.b': { $gt: 500 }, tags: { $in: ['tag3', 'tag17', 'tag40'] }, flag: true };

export class Answer {
  constructor() { this.count = 0; this.sum = 0; this.likes = 0; this.order = 0; }
  add(d) {
    this.count++;
    this.sum = (this.sum + d.n) % 4294967296;
    this.likes += d.nested.likes;
    this.order = (Math.imul(this.order, 31) + (d.ts % 4294967296)) >>> 0;
  }
  set() { return `${this.count}:${this.sum}`; }
  since(before) { return `${this.set()}+${this.likes - before.likes}`; }
  list() { return `${this.count}:${this.order}`; }
}
