// Package brokertest is what every worker.Broker must pass.
package brokertest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/event-worker/internal/worker"
)

// patience is how long a broker may take to deliver.
const patience = 10 * time.Second

// Run tests empty brokers that open makes.
func Run(t *testing.T, open func(*testing.T) worker.Broker) {
	for name, test := range map[string]func(*testing.T, worker.Broker){
		"messages come in order, each once":      inOrder,
		"no more comes than was asked for":       noMoreThanAsked,
		"what is handed back comes again":        handedBack,
		"lag is what nobody has acknowledged":    lagIsUnacknowledged,
		"who waits in vain can stop":             canStop,
		"other subjects are not delivered":       otherSubjects,
		"what was fetched can be told when done": toldWhenDone,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func publish(t *testing.T, broker worker.Broker, from, to int) (bodies []string) {
	t.Helper()
	for i := from; i < to; i++ {
		body := fmt.Sprintf(`{"n":%d}`, i)
		if err := broker.Publish(t.Context(), worker.Readings, "key", "", []byte(body)); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

// fetch gets so many messages, a few at a time.
func fetch(t *testing.T, broker worker.Broker, n int) (messages []worker.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(messages) < n {
		some, err := broker.Fetch(ctx, n-len(messages))
		if err != nil {
			t.Fatal(err)
		}
		if messages = append(messages, some...); ctx.Err() != nil {
			t.Fatalf("got %d messages of %d in time", len(messages), n)
		}
	}
	return messages
}

func bodies(messages []worker.Message) (texts []string) {
	for _, message := range messages {
		texts = append(texts, string(message.Body()))
	}
	return texts
}

func acknowledge(t *testing.T, messages []worker.Message) {
	t.Helper()
	for _, message := range messages {
		if err := message.Ack(); err != nil {
			t.Error(err)
		}
	}
}

// nothing expects that nothing is delivered any more.
func nothing(t *testing.T, broker worker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	for ctx.Err() == nil {
		if messages, err := broker.Fetch(ctx, 10); len(messages) > 0 {
			t.Errorf("got %q, %v", bodies(messages), err)
		}
	}
}

func wantLag(t *testing.T, broker worker.Broker, want int64) {
	t.Helper()
	var lag int64
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(time.Millisecond) {
		if lag, err = broker.Lag(t.Context()); err == nil && lag == want {
			return
		}
	}
	t.Errorf("lag is %d, %v, want %d", lag, err, want)
}

func inOrder(t *testing.T, broker worker.Broker) {
	want := publish(t, broker, 0, 50)
	messages := fetch(t, broker, 50)
	if got := bodies(messages); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	acknowledge(t, messages)
	nothing(t, broker)
}

func noMoreThanAsked(t *testing.T, broker worker.Broker) {
	publish(t, broker, 0, 10)
	messages, err := broker.Fetch(t.Context(), 3)
	if err != nil || len(messages) == 0 || len(messages) > 3 {
		t.Errorf("got %d messages, %v", len(messages), err)
	}
}

func handedBack(t *testing.T, broker worker.Broker) {
	want := publish(t, broker, 0, 3)
	messages := fetch(t, broker, 3)
	acknowledge(t, messages[:1])
	for _, message := range messages[1:] {
		if err := message.Nak(); err != nil {
			t.Error(err)
		}
	}
	again := fetch(t, broker, 2)
	got := bodies(again)
	slices.Sort(got)
	if !slices.Equal(got, want[1:]) {
		t.Errorf("got %q", got)
	}
	acknowledge(t, again)
	wantLag(t, broker, 0)
}

func lagIsUnacknowledged(t *testing.T, broker worker.Broker) {
	wantLag(t, broker, 0)
	publish(t, broker, 0, 5)
	wantLag(t, broker, 5)
	messages := fetch(t, broker, 2)
	wantLag(t, broker, 5)
	acknowledge(t, messages)
	wantLag(t, broker, 3)
}

func canStop(t *testing.T, broker worker.Broker) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if _, err := broker.Fetch(ctx, 10); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it waits on")
	}
}

func otherSubjects(t *testing.T, broker worker.Broker) {
	for _, subject := range []string{worker.DeadLetter, worker.Aggregates} {
		if err := broker.Publish(t.Context(), subject, "key", "", []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	nothing(t, broker)
}

// toldWhenDone drains: what has been delivered to this process is not left to a timeout.
func toldWhenDone(t *testing.T, broker worker.Broker) {
	publish(t, broker, 0, 20)
	messages := fetch(t, broker, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		rest, err := broker.Fetch(ctx, 20)
		if err != nil {
			t.Fatal(err)
		}
		if len(rest) == 0 {
			break
		}
		messages = append(messages, rest...)
	}
	acknowledge(t, messages)
	wantLag(t, broker, int64(20-len(messages)))
}
