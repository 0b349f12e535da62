//go:build !race

package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
)

// benchAnswer is what the same handler gives with and without the server around it.
func benchAnswer(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain")
	_, err := w.Write([]byte(r.PathValue("id")))
	return err
}

func bareHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) { _ = benchAnswer(w, r) })
	return mux
}

func fullHandler() http.Handler {
	s := New(testOptions(io.Discard))
	s.Handle(Route{"GET /things/{id}", benchAnswer})
	return s
}

// requester sends one request after another over a connection, without allocating.
func requester(tb testing.TB, handler http.Handler) (request func()) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: handler, BaseContext: func(net.Listener) context.Context { return tb.Context() }}
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(func() { _ = server.Close() })
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	text, answer := []byte("GET /things/7 HTTP/1.1\r\nHost: x\r\n\r\n"), make([]byte, 4096)
	return func() {
		if _, err := conn.Write(text); err != nil {
			tb.Error(err)
		}
		if _, err := conn.Read(answer); err != nil {
			tb.Error(err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, handler := range map[string]http.Handler{"bare": bareHandler(), "full": fullHandler()} {
		b.Run(name, func(b *testing.B) {
			request := requester(b, handler)
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
		})
	}
}

// What the server may cost on top of net/http with the same handler, for each request.
const (
	budgetAllocations = 10
	budgetBytes       = 1536
)

func TestAllocationBudget(t *testing.T) {
	bareAllocations, bareBytes := cost(t, bareHandler())
	fullAllocations, fullBytes := cost(t, fullHandler())
	allocations, bytes := fullAllocations-bareAllocations, fullBytes-bareBytes
	t.Logf("a request costs %.0f allocations and %.0f bytes more than the %.0f and %.0f of net/http",
		allocations, bytes, bareAllocations, bareBytes)
	if allocations > budgetAllocations || bytes > budgetBytes {
		t.Errorf("want at most %d allocations and %d bytes", budgetAllocations, budgetBytes)
	}
}

func cost(t *testing.T, handler http.Handler) (allocations, bytes float64) {
	t.Helper()
	const rounds = 2000
	request := requester(t, handler)
	allocations = testing.AllocsPerRun(rounds, request)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		request()
	}
	runtime.ReadMemStats(&after)
	return allocations, float64(after.TotalAlloc-before.TotalAlloc) / rounds
}
