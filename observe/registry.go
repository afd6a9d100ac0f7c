package observe

import (
	"sync"

	"github.com/replicad/replicad/store"
)

// registry knows the hubs of all stores that are observed. A store that nobody
// observes, and that is not paused, is not in it.
var registry = struct {
	mu     sync.Mutex // guards what is below it, and users of every hub
	stores map[*store.Store]*observed
}{stores: map[*store.Store]*observed{}}

// observed is what the registry knows of one store.
type observed struct {
	hubs   map[string]*hub
	paused int // pauses that have not been resumed
}

// enlist returns the hub of a collection, with one user more.
func enlist(s *store.Store, collection string) *hub {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	o := registry.stores[s]
	if o == nil {
		o = &observed{hubs: map[string]*hub{}}
		registry.stores[s] = o
	}
	h := o.hubs[collection]
	if h == nil {
		h = newHub(s, collection)
		h.paused = o.paused > 0
		o.hubs[collection] = h
	}
	h.users++
	return h
}

// forget takes a user from a hub, which ends with the last.
func forget(h *hub) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if h.users--; h.users > 0 {
		return
	}
	o := registry.stores[h.store]
	delete(o.hubs, h.collection)
	o.trimLocked(h.store)
	h.close()
}

func (o *observed) trimLocked(s *store.Store) {
	if len(o.hubs) == 0 && o.paused == 0 {
		delete(registry.stores, s)
	}
}

// Pause holds back the deliveries of all observations of a store, those that
// start later included, until resume is called: a callback that runs goes on,
// and none starts. At resume each observation whose result has changed gets one
// batch with the difference. What waits is bounded by the results. Pauses add up,
// and each resume counts once, however often it is called.
func Pause(s *store.Store) (resume func()) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	o := registry.stores[s]
	if o == nil {
		o = &observed{hubs: map[string]*hub{}}
		registry.stores[s] = o
	}
	if o.paused++; o.paused == 1 {
		for _, h := range o.hubs {
			h.pause(true)
		}
	}
	return sync.OnceFunc(func() {
		registry.mu.Lock()
		defer registry.mu.Unlock()
		if o.paused--; o.paused == 0 {
			for _, h := range o.hubs {
				h.pause(false)
			}
			o.trimLocked(s)
		}
	})
}

// pause pauses or resumes all handles, after all that was committed before.
func (h *hub) pause(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.workLocked() {
	}
	h.paused = on
	for _, r := range h.all {
		for _, hd := range r.handles {
			if on {
				hd.pause()
			} else {
				hd.resume()
			}
		}
	}
}
