package observe

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/replicad/replicad/store"
)

// Batches is BatchesWith with the zero Options.
func Batches[T any](ctx context.Context, q store.Query[T]) iter.Seq2[Batch[T], error] {
	return BatchesWith(ctx, q, Options{})
}

// BatchesWith yields what StartWith would pass to fn, until ctx is done or the loop
// is left. The loop's body is the callback: while it runs, batches wait, and merge
// when they become many. An error is yielded once, and ends the loop.
func BatchesWith[T any](ctx context.Context, q store.Query[T], o Options) iter.Seq2[Batch[T], error] {
	return func(yield func(Batch[T], error) bool) {
		spec, err := compile(q)
		if err != nil {
			yield(Batch[T]{}, err)
			return
		}
		for b := range follow(ctx, spec, hasOrder(spec), o) {
			t, err := convert[T](b)
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// follow yields the batches of an observation that lives as long as the loop.
func follow(ctx context.Context, spec *store.Spec, ordered bool, o Options) iter.Seq[docBatch] {
	return func(yield func(docBatch) bool) {
		if ctx.Err() != nil {
			return
		}
		h, in := begin(spec, ordered)
		defer h.quit()
		for b := range in.batches(o) {
			if !yield(b) || ctx.Err() != nil {
				return
			}
		}
		h.each(ctx, yield)
	}
}

// each calls yield for every batch until it returns false, the handle is stopped
// or ctx is done.
func (h *Handle) each(ctx context.Context, yield func(docBatch) bool) {
	for ctx.Err() == nil {
		b, number, ok := h.next(ctx)
		if !ok {
			return
		}
		begin := time.Now()
		if !yield(b) {
			return
		}
		h.finish(number, max(time.Since(begin), 1))
	}
}

// Results yields the whole result, in its order, now and after every change, as
// Batches would. Each slice is the caller's own.
func Results[T any](ctx context.Context, q store.Query[T]) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		spec, err := compile(q)
		if err != nil {
			yield(nil, err)
			return
		}
		var list []T
		for b := range follow(ctx, spec, true, Options{Chunk: usualChunk}) {
			if list, err = replay(list, b); err != nil {
				yield(nil, err)
				return
			}
			if !b.More && !yield(slices.Clone(list), nil) {
				return
			}
		}
	}
}

// replay applies the events of a batch to the result before it.
func replay[T any](list []T, b docBatch) ([]T, error) {
	for i := range b.Events {
		e := &b.Events[i]
		var t T
		if e.Kind == Added || e.Kind == Changed {
			var err error
			if t, err = decode[T](e.New); err != nil {
				return nil, err
			}
		}
		switch e.Kind {
		case Added:
			list = slices.Insert(list, e.To, t)
		case Changed:
			list[e.To] = t
		case Moved:
			t = list[e.From]
			list = slices.Insert(slices.Delete(list, e.From, e.From+1), e.To, t)
		case Removed:
			list = slices.Delete(list, e.From, e.From+1)
		}
	}
	return list, nil
}

// Chan is Results on a channel of one place, for a select: an unread result is
// replaced by a newer one. It is closed when ctx is done, and when a document
// cannot be made a T, which is logged with the store's logger.
func Chan[T any](ctx context.Context, q store.Query[T]) (<-chan []T, error) {
	spec, err := compile(q)
	if err != nil {
		return nil, err
	}
	out := make(chan []T, 1)
	var list []T
	h := &Handle{}
	h.deliver = func(_ *Handle, b docBatch) (err error) {
		if list, err = replay(list, b); err != nil || b.More {
			return err
		}
		select { // there is one writer at a time, so one place becomes free
		case <-out:
		default:
		}
		out <- slices.Clone(list)
		return nil
	}
	in := h.join(spec, true)
	unwatch := context.AfterFunc(ctx, func() { h.end(nil) })
	h.after = func() {
		unwatch()
		close(out)
	}
	if err := h.launch(in.batches(Options{Chunk: usualChunk})); err != nil {
		unwatch()
		return nil, err
	}
	return out, nil
}
