// The process of one peer from npm: answers requests, a line of JSON each, as
// ../peer/child.go does for those in Go. Arguments: name of the peer, number of documents.
import { createInterface } from 'node:readline';
import { existsSync, mkdirSync, rmSync, statSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as data from './data.mjs';

const [name, size] = process.argv.slice(2);
const n = Number(size);
const print = console.log.bind(console);
console.log = console.error; // a library that talks must not talk into the protocol

const { how, create } = await import(`./${name}.mjs`);
let peer, docs, par, dir, pos = 0, files = 0, batches = 0, churn, watching = false, ingest, durable;

const STEPS = [1, 10, 100], ASKED = 20, DURABLE = 20_000;
const where = { 'W7': 'anywhere', 'W7 in-room': 'in-room', 'W7 in-window': 'in-window' };
// What some return can be waited for and is no Promise: a cursor.
const later = (v) => typeof v?.then === 'function';
const wait = async (v) => (later(v) ? await v : v);
const now = () => Number(process.hrtime.bigint());
const fresh = () => data.makeDocs(1, n);
const heap = () => {
  for (let i = 0; i < 4; i++) globalThis.gc();
  const m = process.memoryUsage();
  return m.heapUsed + m.external;
};
const bytes = (path) => {
  const s = statSync(path);
  return s.isDirectory() ? readdirSync(path).reduce((t, f) => t + bytes(join(path, f)), 0) : s.size;
};

// hello makes the data and tells what the peer can do. It loads nothing: that is to
// time W1.
async function hello(q) {
  dir = q.dir;
  docs = fresh();
  par = data.drawParams(docs);
  peer = await create();
  const has = (m) => typeof peer[m] === 'function';
  const works = [];
  const add = (work, ...methods) => methods.every(has) && works.push(work);
  if (!peer.plainArray) add('W1', 'load');
  add('W2', 'byId'); add('W3', 'byAuthor'); add('W4', 'scan'); add('W5', 'newest');
  add('W6a', 'inc'); add('W6a batch', 'incBatch');
  add('W6b', 'inc', 'watch'); add('W6c', 'inc', 'watch');
  for (const w of Object.keys(where)) add(w, 'change', 'watch');
  add('W8', 'save', 'open');
  if (!peer.plainArray) add('W9', 'insertMany', 'reset');
  add('W10', 'durable');
  return { how, digest: data.digest(docs), works };
}

// watch starts the observers, if they are not there yet.
async function watch(work, check) {
  if (watching) return;
  if (work === 'W6b') for (let i = 0; i < data.ROOMS; i++) await peer.watch('room', 'room' + i, false, check);
  else if (work === 'W6c') for (let i = 0; i < data.AUTHORS; i++) await peer.watch('author', 'author' + i, false, check);
  else if (work.startsWith('W7')) await peer.watch('room', 'room' + data.CHURN_ROOM, true, check);
  else return;
  watching = true;
}

async function startChurn(work) {
  churn = { ...data.makeChurn(n, where[work]), copies: [], alive: new Set() };
  pos = 0;
  await wait(peer.insertMany(churn.start.map((d) => structuredClone(d))));
  for (const d of churn.start) churn.alive.add(d._id);
}

// copies prepares changes: a peer may keep or mark what it is given.
function copies(ops) {
  churn.copies = [];
  for (let i = 0; i < ops; i++) {
    const { kind, doc } = churn.ops[(pos + i) % churn.ops.length];
    churn.copies.push({ kind, doc: structuredClone(doc) });
    if (kind === data.REMOVE) churn.alive.delete(doc._id);
    else churn.alive.add(doc._id);
  }
}

async function churned() {
  for (const op of churn.copies) {
    const r = peer.change(op.kind, op.doc);
    if (later(r)) await r;
    pos++;
  }
  await peer.settle?.();
}

async function check(work, within) {
  const a = new data.Answer();
  if (work === 'W3') {
    for (let i = 0; i < ASKED; i++) for (const d of await wait(peer.byAuthor(par.authors[i]))) a.add(d);
    return [{ ops: ASKED, text: a.set() }];
  }
  if (work === 'W4') {
    for (const d of await wait(peer.scan())) a.add(d);
    return [{ ops: 1, text: a.set() }];
  }
  if (work === 'W5') {
    for (let i = 0; i < ASKED; i++) for (const d of await wait(peer.newest(par.rooms[i], 20))) a.add(d);
    return [{ ops: ASKED, text: a.list() }];
  }
  const shown = async () => {
    const s = new data.Answer();
    if (work.startsWith('W6a')) for (let i = 0; i < STEPS.at(-1); i++) s.add(await wait(peer.byId(par.incs[i])));
    else {
      await peer.settle?.();
      for (const d of await wait(peer.shown())) s.add(d);
    }
    return s;
  };
  if (work.startsWith('W7')) await startChurn(work);
  await watch(work, true);
  const before = work.startsWith('W6') ? await shown() : null;
  const answers = [], begin = now();
  let done = 0;
  for (const upTo of STEPS) {
    if ((now() - begin) * 9 > within) break; // a step is ten times the one before
    let text;
    if (work === 'W2') {
      for (let i = done; i < upTo; i++) a.add(await wait(peer.byId(par.ids[i])));
      text = a.set();
    } else if (work.startsWith('W7')) {
      copies(upTo - done);
      await churned();
      text = (await shown()).list();
    } else {
      if (work === 'W6a batch') await wait(peer.incBatch(par.incs.slice(done, upTo)));
      else for (let i = done; i < upTo; i++) await wait(peer.inc(par.incs[i]));
      text = (await shown()).since(before);
    }
    answers.push({ ops: done = upTo, text });
  }
  return answers;
}

async function prepare(work) {
  if (work.startsWith('W7') && !churn) await startChurn(work);
  await watch(work, false);
  if (work === 'W8') {
    const path = join(dir, 'saved');
    if (existsSync(path)) return; // made before
    mkdirSync(path, { recursive: true });
    await peer.save(path, fresh());
  } else if (work === 'W9') ingest = data.frames(docs);
}

// finish ends what check and prepare have begun.
async function finish() {
  if (watching) await peer.unwatch();
  if (churn) {
    // Where removing takes longer than loading everything anew, there is no removeMany.
    if (peer.removeMany) await wait(peer.removeMany([...churn.alive]));
    else await peer.load(fresh());
  }
  watching = false;
  ingest = durable = churn = null;
}

// readable asks a question of each index: one that is built when it is first needed
// belongs to the load. One without indexes is asked for an id only.
async function readable() {
  if (!peer.unindexed) {
    if ((await wait(peer.byAuthor(par.authors[0]))).length === 0) throw new Error('nothing of an author');
    if ((await wait(peer.newest(par.rooms[0], 20))).length === 0) throw new Error('nothing in a room');
  }
  if (!(await wait(peer.byId(par.ids[0])))) throw new Error('not there');
}

// time runs a workload. W1 is how everything is loaded at first, too.
async function time(work, ops) {
  let before = 0, list = null, path = '';
  if (work === 'W1') {
    await peer.reset?.();
    before = heap();
    list = fresh();
  } else if (work === 'W10') {
    path = join(dir, 'w10-' + files++);
    mkdirSync(path, { recursive: true });
    durable = data.makeDocs(1, Math.min(n, DURABLE));
  } else if (work.startsWith('W7')) copies(ops);
  const ids = par.ids, incs = par.incs, authors = par.authors, rooms = par.rooms;
  globalThis.gc();
  const reply = {};
  const begin = now();
  let r;
  if (work === 'W1') {
    await peer.load(list);
    if (!peer.plainArray) await readable();
  } else if (work === 'W2') for (let i = 0; i < ops; i++) { r = peer.byId(ids[pos++ & 4095]); if (later(r)) r = await r; if (!(r.n >= 0)) throw new Error('not there'); }
  else if (work === 'W3') for (let i = 0; i < ops; i++) { r = peer.byAuthor(authors[pos++ & 63]); if (later(r)) r = await r; }
  else if (work === 'W4') for (let i = 0; i < ops; i++) { r = peer.scan(); if (later(r)) r = await r; }
  else if (work === 'W5') for (let i = 0; i < ops; i++) { r = peer.newest(rooms[pos++ & 63], 20); if (later(r)) r = await r; }
  else if (work === 'W6a batch') for (let at = 0; at < ops; at += 1000) {
    const from = ++batches % 4 * 1000;
    await wait(peer.incBatch(incs.slice(from, from + Math.min(1000, ops - at))));
  }
  else if (work.startsWith('W6')) {
    for (let i = 0; i < ops; i++) { r = peer.inc(incs[pos++ & 4095]); if (later(r)) await r; }
    if (work !== 'W6a') await peer.settle?.();
  } else if (work.startsWith('W7')) await churned();
  else if (work === 'W8') {
    await peer.open(join(dir, 'saved'));
    if (!(await wait(peer.opened(ids[0])))) throw new Error('not there');
    reply.first = now() - begin;
    reply.count = await wait(peer.openedCount());
  } else if (work === 'W9') {
    await peer.reset();
    for (let at = 0; at < n; at += 1000) await wait(peer.insertMany(ingest.slice(at, at + 1000).map(data.read)));
    await readable();
  } else if (work === 'W10') await peer.durable(path, durable);
  else throw new Error('unknown workload ' + work);
  reply.ns = now() - begin;
  if (work === 'W1') {
    list = null;
    reply.bytes = (heap() - before) / n;
  } else if (work === 'W8') peer.close?.();
  else if (work === 'W10') {
    reply.bytes = bytes(path) / durable.length;
    rmSync(path, { recursive: true });
  }
  return reply;
}

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let reply = {};
  try {
    if (q.op === 'hello') reply = await hello(q);
    else if (q.op === 'check') reply = { answers: await check(q.work, q.within) };
    else if (q.op === 'prepare') await prepare(q.work);
    else if (q.op === 'time') reply = await time(q.work, q.ops);
    else if (q.op === 'finish') await finish();
  } catch (e) {
    reply = { error: String(e?.message ?? e).slice(0, 300) };
    console.error(e);
  }
  print(JSON.stringify(reply));
}
process.exit(0);
