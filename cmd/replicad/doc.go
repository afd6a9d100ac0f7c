// Command replicad keeps a local copy of what a Meteor (DDP) server publishes,
// and lets people and programs ask it.
//
// What it promises: reads never wait for the network; what is in the file was
// once true on the server and stays there through a lost link, a killed process
// and a restart; what was left in the outbox is made, or kept with the reason why not;
// secrets (passwords, the login's token, the session) are neither printed nor served;
// nothing but the loopback interface is listened on unless asked.
//
//	replicad serve    a DDP server over a local store
//	replicad sync     the daemon: a replica of a server, and a local HTTP API
//	replicad find     a query, answered by the daemon, a file, or JSON lines
//	replicad count    how many documents it matches
//	replicad explain  how it is answered
//	replicad watch    the same query, live
//	replicad index    the indexes of a collection
//	replicad call     a method call
//	replicad do       a method call that is left in the outbox, to be made for certain
//	replicad outbox   the calls that wait there, or failed
//	replicad login, logout   who the daemon is at the server
//	replicad status   how the replica stands
//	replicad observers   what is being watched, and what it costs
//	replicad update, insert, remove   change the documents of a file
//	replicad bench    load for a DDP server
//	replicad demo     all of it at once, with a proof at the end
//
// It exits with 0 when all went well, 1 when something failed, 2 when it was called
// wrongly, and 130 when it was interrupted before it was done; serve, sync and watch
// have no other end, and exit with 0 then. Results go to standard output, everything
// else to standard error.
//
// The command composes the packages below it and has no algorithm of its own.
package main
