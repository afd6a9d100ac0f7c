// Package sync keeps a local copy of what a Meteor server publishes, and lets you
// work on it without the server: reads are local, subscriptions and calls live
// through lost connections, and the copy lives through a restart of the program.
//
// Import it by what you get:
//
//	import replica "github.com/replicad/replicad/sync"
//
// # Who does what
//
// One goroutine per replica, the loop, owns all that the replica knows beside its
// documents: the connection, subscriptions, outstanding calls, timers. Methods of a
// [Replica] hand it what they want and wait at most until it has taken it; only what
// has a context waits for the server. The loop in turn waits for nobody: neither
// for the server to read, nor for the disk.
//
//	server ⇄ socket ⇄ client.Conn ⇄ loop → store.UpdateAs → observers, disk
//	                                  ↑
//	             Subscribe, Stop, Call, Status
//
// What the replica must remember is in its own collections, sync.meta, sync.subs,
// sync.shadow and sync.outbox, and so changes in the same commit as the documents, and is
// on disk with them or not at all. They may be read and observed like any other.
//
// # Connections
//
// A lost connection is dialed again for ever: after 10 ms, 10 ms, then 1 s × 2.2ⁿ ±
// 25 %, 5 minutes at most ([Options]). The count starts again when the server has
// said connected, and the connection has lasted a second; so neither a server that
// accepts and drops, nor one that falls over just after it said connected, is
// hammered. On a connection go first the login, then the calls that have no result yet,
// in order and under their old ids, then all subscriptions, in order and under their
// old ids.
//
// # Sessions that are taken up
//
// Servers of Meteor 3.5 and later, and those of this module, keep a session for some time
// after its connection was lost. The replica writes the session's id, and how many of its
// messages the store has, in the same commit as the documents that they brought; so each
// state of the store, and of the file, knows exactly where it stands. The next connection
// quotes that, also in the next process after a crash, and if the server goes on from
// there nothing is reset and nothing waits ([Status].Resumed). What was unanswered is sent
// again all the same, and so is the end of subscriptions that were stopped meanwhile.
//
// Nothing is quoted where the store holds more than the session's documents (while
// Catching, or while some are Stale), nor while a login is on its way. What would let the
// server know more of a session than the file does, a new subscription or a login, is
// sent when the file knows it, some milliseconds later; not on a session of which the file
// knows nothing yet. So no crash leaves a file that knows less than it must; an older
// copy of the file should not be put back while the server still keeps the session. A
// replica without a file ends its session at Close. The session's id
// and the login's token are secrets, and in sync.meta: keep it from strangers, as the file.
//
// # What a new session does to the documents
//
// A server that sends a subscription's documents anew does not say which of the old
// ones are gone. So after a reconnect or a restart with a new session, the store
// stays as it was ([Catching]), and what the server sends gathers beside it, until
// every subscription whose documents the store has in full was answered (ready or
// nosub), and every call sent at the start was updated. Then one transaction makes
// the store what the server says: a document that did not change causes no Change,
// and no document vanishes for a moment. Should the connection be lost before, the
// gathered is forgotten and the store has still not moved.
//
// If that takes longer than Options.QuiesceLimit, what has come is shown, and later
// messages are applied as they come; but nothing is removed before the rest is
// answered, since only then is it known what is gone. The same holds from the
// beginning where the store has documents, but no subscription of which it has all:
// the first sync was cut short, or the file had documents and no subscription. Those
// still unconfirmed ([Status].Stale) go when everything that could confirm them has
// been answered; for subscriptions that never were ready, Options.QuiesceLimit after
// the last confirmation, since publications exist that never say ready. Where there
// is no subscription at all, they are kept for Options.Grace, to give the program
// the time to ask, and universal publications the time to send. When such a time has
// passed, the server is first asked for a sign of life (unsub of an unknown id, which
// it answers in turn), for silence may also be that of a dead connection.
//
// A first session with an empty store holds nothing back: documents are in the store
// a few milliseconds after they came, and a first sync of any size needs no memory
// beside the store.
//
// # What arrives
//
// Data messages that follow each other within 5 ms are one transaction, 500 ms or
// 4,096 messages at most; any other message ends it. Only what comes after a rest of
// 5 ms, alone or with the few that came with it, is shown at once. So when a [Subscription] is
// ready, or a call returns, the documents that this vouches for are in the store, and
// observers have been told of the commit. Messages are taken as leniently as Meteor
// takes them: added for a present document changes it, changed for an absent one adds
// it, removed for an absent one is nothing. A document that the store refuses is
// skipped, logged and counted ([Status].Skipped), and the rest is applied.
//
// # Subscriptions in the file
//
// The next Open revives the subscriptions that were not stopped, before the program
// asks for them. An equal Subscribe takes the revived one over; what nobody has asked
// for Options.Grace after the replica went Live is dropped. So a program that wants
// to find its documents again closes the replica, and does not stop its
// subscriptions first.
//
// # Documents of an older program
//
// A program that changes the form of its documents raises Options.Schema, and brings
// those of an older file to the new form in Options.Migrate: once, in one commit with the
// number. A file of a newer program is refused.
//
// # Calls
//
// A call returns when the server has sent both its result and, in updated, that its
// writes have been sent; in either order. Calls go out at once, and may be answered
// in any order; one with Wait goes alone. Ids of calls are unique across replicas
// and restarts. No more than 1,000 are unanswered at the server at a time.
//
// What Call and Invoke call lives with the process: what waits at Close is lost, with
// ErrClosed. What Do calls lives with the file.
//
// # The outbox
//
// [Replica.Do] returns when the call is on disk, in [OutboxCollection], in one commit with
// what its stub wrote and the truth under it: they are there together after a crash, or
// not at all. Only then it is sent, and again on every connection and in every process,
// under the same id, until the server has answered. So it is run at least once; exactly
// once by a server that remembers the ids of calls for long enough, as those of this
// module can (server.Server.Recall). Meteor's forget them with the session. There a call
// whose answer was lost is run again, with the same seed: an insert then meets its own
// document, and is refused as a duplicate (409); it is Failed, with more than one attempt,
// and the document is there, once. NoRetry asks for at most once instead, at the price of
// ErrUnknownOutcome.
//
// Calls start in the order in which they were made. Where that is not enough, because
// methods run side by side at the server, those of a user that have an Entity in common
// go one after another. A call that the server refuses is kept as Failed, with the error,
// and those behind it go on; Pending.Retry sends it once more and Pending.Dismiss forgets
// it. What was refused for now is tried again later, as often and after such errors as
// Options.Retries say for the method, and only its own entity waits for it, and calls with
// Wait, on either side; what its stub foretold is not shown from then on.
//
// [Replica.Insert], [Replica.Update] and [Replica.Remove] are Do of the methods that every
// collection of a Meteor server has, with stubs that are built in.
//
// An outbox that is full refuses more (ErrOutboxFull); a call that was not sent within its
// TTL fails (ErrExpired); one that was not sent can be cancelled; and of those with the
// same Squash, which say the same thing anew, only the last is sent (ErrSuperseded).
//
// An outbox is looked at by reading OutboxCollection, and mended by Pending.Retry and
// Pending.Drop; [Replica.Export] and [Replica.Import] take calls to another one. All of
// that works without the network, on a file that is opened with Options.Offline.
//
// # Login
//
// [Replica.Login] keeps the server's token in the file. On every connection the login goes
// first; calls wait until it has been answered, and subscriptions go out behind it. A
// login that is not answered in 20s costs the connection, and the next one tries again.
// The token is renewed (getNewToken) when a tenth of its life is left, an hour at most.
//
// Where the server does not accept the token any more ([Status].NeedsLogin), the replica
// goes on in the user's name, without the server: documents stay as they are, Do takes
// calls, and nothing is sent, neither in the user's name nor in nobody's, before the next
// Login or Logout. A call of the outbox is sent only while the user is logged in who made
// it, and else is Parked, so as to hold up nobody; what nobody made waits likewise while
// somebody is logged in, but for what was made while the login was on its way.
//
// # Stubs
//
// A method with a [Stub] shows at once what the server will probably do. The stub
// runs in one transaction with its call. For every document that it writes, the
// replica keeps beside it what the server last said (the shadow, in sync.shadow) and
// the difference that the stub made, field by field. What the server says from then
// on goes to the shadow, and what is shown is the shadow with the differences of all
// pending calls replayed over it, in the order of the calls: so the server's changes
// to other fields show at once, and a field that a stub has set keeps still. When the
// server has said updated, the difference of that call goes, in the same commit as the
// data that came before: where it foretold rightly nobody hears of anything, and where
// it did not, or the call was refused, one Change puts it right. In the end the
// document is what the server says, whatever was foretold.
//
// A call that the connection lost, and that will not be sent again, keeps its
// difference until the next session's data are whole. What Do has called keeps it
// through restarts; a Call whose process ended has none when the file is opened again.
//
// A subscription is ready, and a call returns, when nothing is shown any more that
// is foretold of the calls that the server had by then: they vouch for the server's
// word, and not for a guess.
package sync
