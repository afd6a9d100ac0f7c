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
//	replicad reconnect   to dial the server now
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
// # The local API
//
// The daemon answers programs on this machine over HTTP. Bodies are EJSON, and those of
// requests say Content-Type: application/json. A QUERY is {collection, selector, sort,
// fields, skip, limit, hint}, of which only the collection must be there; sort and fields
// are lists of names, with "-" as for 'replicad find'.
//
//	GET  /status                                    one object
//	POST /find      a QUERY                         a document a line
//	POST /count     a QUERY                         {count}
//	POST /distinct  a QUERY and {path}              {values}
//	POST /explain   a QUERY                         {plan, examined, returned, of, micros}
//	POST /watch     a QUERY                         an event a line, until the client leaves
//	GET  /observers                                 a live result a line
//	POST /index     {collection, keys, name, unique, sparse, partial, ttlSeconds},
//	                or {collection, drop}           {indexes}
//	POST /call      {method, params}                {result}
//	POST /do        {method, params, entity, squash, ttlSeconds, noRetry, wait}
//	                                                {id}, and {result} if wait is true
//	GET  /outbox                                    a call a line
//	GET  /outbox/watch                              an event a line, as of watch
//	POST /outbox    {retry: id} or {drop: id, force}  {}
//	POST /outbox/export  {ids}                      a call a line
//	POST /outbox/import  calls as exported          {imported}
//	POST /login     {user, password, code} or {token}  {user}
//	POST /logout    {}                              {}
//	POST /reconnect {}                              {}
//
// A fault found before the first line is {error: {code, reason, details}} with a status of
// 400 (the asker's), 404, 502 (the server's, with its code), 503 (no connection to the
// server) or 500; one found later ends the answer with such a line.
//
// The command composes the packages below it and has no algorithm of its own.
package main
