package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/event-worker/internal/worker"
	"example.com/event-worker/internal/worker/brokertest"
)

func TestMemory(t *testing.T) {
	brokertest.Run(t, func(*testing.T) worker.Broker { return worker.NewMemory() })
}

func TestMemoryIsFedAndShownByHTTP(t *testing.T) {
	broker := worker.NewMemory()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", broker.Post)
	mux.HandleFunc("GET /v1/messages/{subject}", broker.Get)
	ask := func(method, path, body string) string {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	if got := ask("POST", "/v1/messages", "hello"); got != "202 " {
		t.Errorf("a message is answered %s", got)
	}
	if got := ask("POST", "/v1/messages", strings.Repeat(" ", 1<<20+1)); !strings.HasPrefix(got, "413 ") {
		t.Errorf("a large message is answered %s", got)
	}
	if messages, err := broker.Fetch(t.Context(), 10); err != nil || len(messages) != 1 || string(messages[0].Body()) != "hello" {
		t.Errorf("got %d messages, %v", len(messages), err)
	}
	for _, body := range []string{`{"n":1}`, "no JSON", "\"\xff\""} {
		if err := broker.Publish(t.Context(), worker.DeadLetter, "", "", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := ask("GET", "/v1/messages/telemetry.readings.dlq", ""), `200 {"messages":[{"n":1},"no JSON","\"\ufffd\""]}`; strings.TrimSpace(got) != want {
		t.Errorf("dead letters are shown as %s", got)
	}
	if got := ask("GET", "/v1/messages/nothing", ""); strings.TrimSpace(got) != `200 {"messages":[]}` {
		t.Errorf("nothing is shown as %s", got)
	}
}

func TestMemoryTakesNoMessageThatNobodyWillFetch(t *testing.T) {
	broker := worker.NewMemory()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, fetched := range []int{1, 0} {
		if fetched == 1 {
			if err := broker.Publish(ctx, worker.Readings, "", "", []byte("a")); err != nil {
				t.Fatal(err)
			}
		}
		if messages, err := broker.Fetch(ctx, 10); err != nil || len(messages) != fetched {
			t.Errorf("got %d messages, %v, want %d", len(messages), err, fetched)
		}
	}
	w := httptest.NewRecorder()
	broker.Post(w, httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader("a")))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a message that comes after the last fetch is answered %d", w.Code)
	}
}

func TestMemoryIsBoundedByMessagesAndBytes(t *testing.T) {
	for size, most := range map[int]int{1: worker.Capacity, 1 << 20: 64} {
		broker := worker.NewMemory()
		taken := 0
		for broker.Publish(t.Context(), worker.Readings, "", "", make([]byte, size)) == nil {
			taken++
		}
		if taken != most {
			t.Errorf("%d messages of %d bytes were taken", taken, size)
		}
		messages, _ := broker.Fetch(t.Context(), 1)
		if err := messages[0].Ack(); err != nil {
			t.Error(err)
		}
		w := httptest.NewRecorder()
		broker.Post(w, httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader("a")))
		if w.Code != http.StatusAccepted {
			t.Errorf("once there is room, it is answered %d", w.Code)
		}
		if err := broker.Publish(t.Context(), worker.Readings, "", "", make([]byte, size)); !errors.Is(err, worker.ErrFull) {
			t.Errorf("above it, there is %v", err)
		}
	}
}
