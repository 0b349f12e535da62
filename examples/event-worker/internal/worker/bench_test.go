package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/event-worker/internal/aggregate"
)

func BenchmarkWorker(b *testing.B) {
	broker := NewMemory()
	w := New(broker, aggregate.NewMemory(aggregate.Capacity), Settings{256, 4, 10 * time.Second}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	stop, stopped := context.WithCancel(b.Context())
	done := make(chan int)
	go func() { done <- w.Run(b.Context(), stop) }()
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		body := []byte(message(i, i/1000, "a"))
		for errors.Is(broker.Publish(b.Context(), Readings, "", "", body), ErrFull) {
			<-time.After(time.Millisecond)
		}
	}
	stopped()
	if aborted := <-done; aborted != 0 {
		b.Fatal(aborted)
	}
}
