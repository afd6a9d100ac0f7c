// The process of one peer from npm: answers requests, a line of JSON each, as
// ../peer/child.go does for those in Go. Arguments: name of the peer, number of documents.
import { createInterface } from 'node:readline';
import { mkdirSync, rmSync, statSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as data from './data.mjs';

const [name, size] = process.argv.slice(2);
const n = Number(size);
const print = console.log.bind(console);
console.log = console.error; // a library that talks must not talk into the protocol

const { how, create } = await import(`./${name}.mjs`);
let peer, docs, par, dir, pos = 0, files = 0, change, ingest, durable;

const CHECK = 100, DURABLE = 20_000;
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

async function hello(q) {
  dir = q.dir;
  docs = fresh();
  par = data.drawParams(docs);
  peer = await create();
  await peer.load(fresh());
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

async function watch(work, check) {
  if (work === 'W6b') for (let i = 0; i < data.ROOMS; i++) await peer.watch('room', 'room' + i, false, check);
  else if (work === 'W6c') for (let i = 0; i < data.AUTHORS; i++) await peer.watch('author', 'author' + i, false, check);
  else if (work.startsWith('W7')) await peer.watch('room', 'room' + data.CHURN_ROOM, true, check);
}

async function startChurn(work, check) {
  const c = data.makeChurn(n, where[work]);
  pos = 0;
  await wait(peer.insertMany(c.start.map((d) => structuredClone(d))));
  await watch(work, check);
  // A peer may keep or mark what it is given: each time a copy, made beforehand.
  change = { ...c, copies: [] };
}

function copies(ops) {
  change.copies = [];
  for (let i = 0; i < ops; i++) {
    const op = change.ops[(pos + i) % change.ops.length];
    change.copies.push({ kind: op.kind, doc: structuredClone(op.doc) });
  }
}

async function churned() {
  for (const op of change.copies) {
    const r = peer.change(op.kind, op.doc);
    if (later(r)) await r;
    pos++;
  }
  await peer.settle?.();
}

// endChurn stops the observer and loads everything anew, as it was.
async function endChurn() {
  await peer.unwatch();
  change = null;
  await peer.load(fresh());
}

async function check(work) {
  const a = new data.Answer();
  if (work === 'W2') {
    for (let i = 0; i < CHECK; i++) a.add(await wait(peer.byId(par.ids[i])));
    return a.set();
  }
  if (work === 'W3') {
    for (let i = 0; i < 20; i++) for (const d of await wait(peer.byAuthor(par.authors[i]))) a.add(d);
    return a.set();
  }
  if (work === 'W4') {
    for (const d of await wait(peer.scan())) a.add(d);
    return a.set();
  }
  if (work === 'W5') {
    for (let i = 0; i < 20; i++) for (const d of await wait(peer.newest(par.rooms[i], 20))) a.add(d);
    return a.list();
  }
  if (work.startsWith('W6')) {
    const observed = work === 'W6b' || work === 'W6c';
    const liked = async (a) => {
      if (observed) {
        await peer.settle?.();
        for (const d of await wait(peer.shown())) a.add(d);
      } else for (let i = 0; i < CHECK; i++) a.add(await wait(peer.byId(par.incs[i])));
    };
    const before = new data.Answer();
    await watch(work, true);
    await liked(before);
    if (work.endsWith('batch')) await wait(peer.incBatch(par.incs.slice(0, CHECK)));
    else for (let i = 0; i < CHECK; i++) await wait(peer.inc(par.incs[i]));
    await liked(a);
    if (observed) await peer.unwatch();
    return a.since(before);
  }
  if (work.startsWith('W7')) {
    await startChurn(work, true);
    copies(CHECK);
    await churned();
    for (const d of await wait(peer.shown())) a.add(d);
    await endChurn();
    return a.list();
  }
  return '';
}

async function prepare(work) {
  pos = 0;
  if (work === 'W6b' || work === 'W6c') await watch(work, false);
  else if (work.startsWith('W7')) await startChurn(work, false);
  else if (work === 'W8') {
    mkdirSync(join(dir, 'saved'), { recursive: true });
    await peer.save(join(dir, 'saved'), fresh());
  } else if (work === 'W9') ingest = data.frames(docs);
}

async function finish(work) {
  if (work === 'W6b' || work === 'W6c') await peer.unwatch();
  else if (work.startsWith('W7')) await endChurn();
  ingest = durable = null;
}

async function time(work, ops) {
  let before = 0, list = null, path = '';
  if (work === 'W1') {
    await peer.reset();
    before = heap();
    list = fresh();
  } else if (work === 'W10') {
    path = join(dir, 'w10-' + files++);
    mkdirSync(path, { recursive: true });
    durable = fresh().slice(0, DURABLE);
  } else if (work.startsWith('W7')) copies(ops);
  const ids = par.ids, incs = par.incs, authors = par.authors, rooms = par.rooms;
  globalThis.gc();
  const reply = {};
  const begin = now();
  let r;
  if (work === 'W1') await peer.load(list);
  else if (work === 'W2') for (let i = 0; i < ops; i++) { r = peer.byId(ids[pos++ & 4095]); if (later(r)) r = await r; if (!r) throw new Error('not there'); }
  else if (work === 'W3') for (let i = 0; i < ops; i++) { r = peer.byAuthor(authors[pos++ & 63]); if (later(r)) r = await r; }
  else if (work === 'W4') for (let i = 0; i < ops; i++) { r = peer.scan(); if (later(r)) r = await r; }
  else if (work === 'W5') for (let i = 0; i < ops; i++) { r = peer.newest(rooms[pos++ & 63], 20); if (later(r)) r = await r; }
  else if (work === 'W6a batch') for (let at = 0; at < ops; at += 1000) await wait(peer.incBatch(incs.slice(0, Math.min(1000, ops - at))));
  else if (work.startsWith('W6')) {
    for (let i = 0; i < ops; i++) { r = peer.inc(incs[pos++ & 4095]); if (later(r)) await r; }
    if (work !== 'W6a') await peer.settle?.();
  } else if (work.startsWith('W7')) await churned();
  else if (work === 'W8') {
    await peer.open(join(dir, 'saved'));
    if (!(await wait(peer.opened(ids[0])))) throw new Error('not there');
    reply.first = now() - begin;
    reply.answer = String(await wait(peer.openedCount()));
  } else if (work === 'W9') {
    await peer.reset();
    for (let at = 0; at < n; at += 1000) await wait(peer.insertMany(ingest.slice(at, at + 1000).map(data.read)));
  } else if (work === 'W10') await peer.durable(path, durable);
  else throw new Error('unknown workload ' + work);
  reply.ns = now() - begin;
  if (work === 'W1') {
    list = null;
    reply.bytes = (heap() - before) / n;
  } else if (work === 'W10') {
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
    else if (q.op === 'check') reply = { answer: await check(q.work) };
    else if (q.op === 'prepare') await prepare(q.work);
    else if (q.op === 'time') reply = await time(q.work, q.ops);
    else if (q.op === 'finish') await finish(q.work);
  } catch (e) {
    reply = { error: String(e?.message ?? e).slice(0, 300) };
    console.error(e);
  }
  print(JSON.stringify(reply));
}
process.exit(0);
