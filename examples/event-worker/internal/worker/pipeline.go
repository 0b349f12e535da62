package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/event-worker/internal/reading"
)

// How many parts of messages go into the store together at most, and with how many readings no more are added: what they
// take stays far below the deadline of a statement.
const (
	partsAtOnce    = 64
	readingsAtOnce = 5000
)

var errPanic = errors.New("panic")

// job is a message on its way.
type job struct {
	message Message
	since   time.Time
	decoded sync.WaitGroup // done when batch and err are set
	batch   []reading.Reading
	err     error

	pending atomic.Int32 // parts in shards
	failed  atomic.Bool  // one of them could not be applied
}

// part is what a message has for one shard.
type part struct {
	job      *job
	readings []reading.Reading
}

// pipeline works until stop is done and everything in hand is settled, or handed over to a retry.
func (w *Worker) pipeline(ctx, stop context.Context) {
	n := w.settings.Concurrency
	// All channels have room for every message that can be in hand: only a slot is ever waited for.
	jobs, ordered := make(chan *job, w.settings.MaxInFlight), make(chan *job, w.settings.MaxInFlight)
	shards := make([]chan part, n)
	var decoders, appliers sync.WaitGroup
	for i := range n {
		shards[i] = make(chan part, w.settings.MaxInFlight)
		decoders.Go(func() {
			for j := range jobs {
				w.decode(j)
			}
		})
		appliers.Go(func() { w.apply(ctx, shards[i]) })
	}
	var router sync.WaitGroup
	router.Go(func() { w.route(ctx, ordered, shards) })
	w.intake(ctx, stop, func(j *job) {
		jobs <- j
		ordered <- j
	})
	close(jobs)
	close(ordered)
	decoders.Wait()
	router.Wait()
	for _, shard := range shards {
		close(shard)
	}
	appliers.Wait()
}

// intake takes as many messages as there are slots for.
func (w *Worker) intake(ctx, stop context.Context, hand func(*job)) {
	for failures := 0; ctx.Err() == nil; {
		room := w.takeSlots(ctx)
		messages, err := w.broker.Fetch(stop, room)
		for range room - len(messages) {
			<-w.slots
		}
		now := time.Now()
		for _, message := range messages {
			j := &job{message: message, since: now}
			j.decoded.Add(1)
			hand(j)
		}
		switch {
		case stop.Err() != nil && len(messages) == 0:
			return
		case err == nil:
			failures = 0
		default:
			w.fellBehind()
			w.logger.LogAttrs(ctx, slog.LevelWarn, "fetch messages", slog.String("error", err.Error()))
			pause(stop, backoff(failures))
			failures++
		}
	}
}

// takeSlots waits for one slot and takes all that are free.
func (w *Worker) takeSlots(ctx context.Context) (taken int) {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for taken = 1; taken < cap(w.slots); taken++ {
		select {
		case w.slots <- struct{}{}:
		default:
			return taken
		}
	}
	return taken
}

func (w *Worker) decode(j *job) {
	defer j.decoded.Done()
	j.err = w.guard(func() (err error) {
		j.batch, err = reading.Decode(j.message.Body())
		return err
	})
}

// guard makes an error of a panic.
func (w *Worker) guard(do func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			w.metrics.panics.Inc()
			err = fmt.Errorf("%w: %v\n%s", errPanic, reason, debug.Stack())
		}
	}()
	return do()
}

// route deals out what messages hold, in the order in which they came.
func (w *Worker) route(ctx context.Context, ordered <-chan *job, shards []chan part) {
	seed := maphash.MakeSeed()
	parts := make([][]reading.Reading, len(shards))
	for j := range ordered {
		j.decoded.Wait()
		if j.err != nil {
			w.retry(ctx, j, j.err)
			continue
		}
		clear(parts)
		for rest := j.batch; len(rest) > 0; {
			n := ofOneDevice(rest)
			i := maphash.String(seed, rest[0].Device) % uint64(len(shards))
			if parts[i] == nil {
				parts[i] = rest[:n:n]
			} else {
				parts[i] = append(parts[i], rest[:n]...)
			}
			rest = rest[n:]
		}
		// One more than there are, so that the message is not settled before all have been dealt out.
		j.pending.Store(1)
		for i, readings := range parts {
			if len(readings) > 0 {
				j.pending.Add(1)
				shards[i] <- part{j, readings}
			}
		}
		w.partDone(ctx, j)
	}
}

// ofOneDevice is how many readings there are before the first of another device: most messages hold those of one.
func ofOneDevice(readings []reading.Reading) int {
	n := slices.IndexFunc(readings, func(r reading.Reading) bool { return r.Device != readings[0].Device })
	if n < 0 {
		return len(readings)
	}
	return n
}

// apply puts parts into the store, as many at once as there are, within bounds.
func (w *Worker) apply(ctx context.Context, shard <-chan part) {
	batch := make([]part, 0, partsAtOnce)
	for first := range shard {
		batch = append(batch[:0], first)
		readings := len(first.readings)
	more:
		for len(batch) < partsAtOnce && readings < readingsAtOnce {
			select {
			case next, open := <-shard:
				if !open {
					break more
				}
				batch = append(batch, next)
				readings += len(next.readings)
			default:
				break more
			}
		}
		w.applyBatch(ctx, batch)
		clear(batch) // messages that are settled are not held on to
	}
}

// applyBatch finds out by itself which part of a batch is to blame for a failure.
func (w *Worker) applyBatch(ctx context.Context, batch []part) {
	readings := make([][]reading.Reading, len(batch))
	for i, p := range batch {
		readings[i] = p.readings
	}
	err := w.count(ctx, readings)
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		for i := range batch {
			w.applyBatch(ctx, batch[i:i+1])
		}
		return
	}
	for _, p := range batch {
		if err != nil {
			p.job.failed.Store(true)
			w.logger.LogAttrs(ctx, slog.LevelDebug, "apply a message", slog.String("error", err.Error()))
		}
		w.partDone(ctx, p.job)
	}
}

// partDone settles a message when all of its parts are dealt with.
func (w *Worker) partDone(ctx context.Context, j *job) {
	if j.pending.Add(-1) > 0 {
		return
	}
	if j.failed.Load() {
		w.retry(ctx, j, errors.New("could not be applied"))
		return
	}
	w.settle(ctx, j, outcomeDone)
}
