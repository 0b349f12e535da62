package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"unicode/utf8"
)

const (
	// Capacity and capacityBytes are how much the broker in memory holds until it is settled.
	Capacity      = 10_000
	capacityBytes = 64 << 20
	// kept is how many messages of each other subject can be looked at.
	kept         = 1000
	maxBodyBytes = 1 << 20
)

// Why the broker in memory can't take another message.
var (
	ErrFull   = errors.New("the broker is full")
	ErrClosed = errors.New("the broker takes no more messages")
)

// Memory is a Broker that ends with the process. It is fed by HTTP.
type Memory struct {
	mu      sync.Mutex
	queue   []*memoryMessage
	held    int           // with those in hand
	bytes   int           // of these
	arrived chan struct{} // holds one when there may be something in the queue
	others  map[string][]json.RawMessage
	closed  bool // nobody will fetch what comes now
}

type memoryMessage struct {
	broker *Memory
	body   []byte
}

var (
	_ Broker  = (*Memory)(nil)
	_ Message = (*memoryMessage)(nil)
)

// NewMemory makes an empty broker.
func NewMemory() *Memory {
	return &Memory{arrived: make(chan struct{}, 1), others: make(map[string][]json.RawMessage)}
}

// Fetch implements Broker.
func (b *Memory) Fetch(ctx context.Context, limit int) ([]Message, error) {
	for {
		messages := b.take(limit)
		if len(messages) > 0 {
			return messages, nil
		}
		select {
		case <-b.arrived:
		case <-ctx.Done():
			return b.takeLast(limit), nil
		}
	}
}

// takeLast is for whoever goes when there is nothing: what came after that would be lost.
func (b *Memory) takeLast(limit int) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = len(b.queue) == 0
	return b.dequeue(limit)
}

func (b *Memory) take(limit int) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dequeue(limit)
}

func (b *Memory) dequeue(limit int) (messages []Message) {
	n := min(limit, len(b.queue))
	for _, message := range b.queue[:n] {
		messages = append(messages, message)
	}
	b.queue = b.queue[n:]
	return messages
}

// Publish implements Broker.
func (b *Memory) Publish(_ context.Context, subject, _, _ string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if subject != Readings {
		b.keep(subject, body)
		return nil
	}
	if b.closed {
		return ErrClosed
	}
	if b.held == Capacity || b.bytes+len(body) > capacityBytes {
		return ErrFull
	}
	b.held, b.bytes = b.held+1, b.bytes+len(body)
	b.enqueue(&memoryMessage{b, body})
	return nil
}

func (b *Memory) keep(subject string, body []byte) {
	if !json.Valid(body) || !utf8.Valid(body) {
		body, _ = json.Marshal(string(body))
	}
	others := append(b.others[subject], body)
	b.others[subject] = others[max(0, len(others)-kept):]
}

func (b *Memory) enqueue(message *memoryMessage) {
	b.queue = append(b.queue, message)
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// Lag implements Broker.
func (b *Memory) Lag(context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(b.held), nil
}

// Body implements Message.
func (m *memoryMessage) Body() []byte { return m.body }

// Origin implements Message.
func (m *memoryMessage) Origin() string { return "memory" }

// Ack implements Message.
func (m *memoryMessage) Ack() error {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	m.broker.held--
	m.broker.bytes -= len(m.body)
	return nil
}

// Nak implements Message.
func (m *memoryMessage) Nak() error {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	m.broker.enqueue(m)
	return nil
}

// Post takes the body of a request as a message: POST /v1/messages.
func (b *Memory) Post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		http.Error(w, "a message has 1 MiB at most", http.StatusRequestEntityTooLarge)
		return
	}
	if err := b.Publish(r.Context(), Readings, "", "", body); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// Get shows the latest messages of another subject: GET /v1/messages/{subject}.
func (b *Memory) Get(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	messages := append([]json.RawMessage{}, b.others[r.PathValue("subject")]...)
	b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Messages []json.RawMessage `json:"messages"`
	}{messages})
}
