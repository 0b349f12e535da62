//go:build !race

package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"example.com/rpc-api/internal/config"
	"example.com/rpc-api/internal/telemetry"
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

// What a request may cost on top of net/http where spans have a collector, and it is none of those recorded.
const (
	budgetTracedAllocations = 20
	budgetTracedBytes       = 2048
)

func TestTracedAllocationBudget(t *testing.T) {
	o := testOptions(io.Discard)
	tracing, err := telemetry.NewTracing(t.Context(), config.Tracing{Endpoint: "http://127.0.0.1:1"}, o.Build, o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	o.Tracing = tracing
	s := New(o)
	s.Handle(Route{"GET /things/{id}", benchAnswer})
	bareAllocations, bareBytes := cost(t, bareHandler())
	tracedAllocations, tracedBytes := cost(t, http.Handler(s))
	allocations, bytes := tracedAllocations-bareAllocations, tracedBytes-bareBytes
	t.Logf("a request in a trace costs %.0f allocations and %.0f bytes more than net/http", allocations, bytes)
	if allocations > budgetTracedAllocations || bytes > budgetTracedBytes {
		t.Errorf("want at most %d allocations and %d bytes", budgetTracedAllocations, budgetTracedBytes)
	}
}

func cost(t *testing.T, handler http.Handler) (allocations, bytes float64) {
	t.Helper()
	const rounds = 2000
	request := requester(t, handler)
	for range rounds {
		request()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		request()
	}
	runtime.ReadMemStats(&after)
	// To the nearest: what else allocates meanwhile is less than one for each request.
	allocations = math.Round(float64(after.Mallocs-before.Mallocs) / rounds)
	return allocations, float64(after.TotalAlloc-before.TotalAlloc) / rounds
}

// Overload: a handler that waits, as for a database, and a limit that makes it the bottleneck.
const (
	places        = 64
	handlerTime   = 20 * time.Millisecond
	overloadTime  = 2 * time.Second
	budgetGoodput = 0.90
	budgetRefusal = 50 * time.Millisecond
)

// BenchmarkOverload prints what is left of the goodput when twice as much is asked for as can be served,
// and how soon the rest is refused.
func BenchmarkOverload(b *testing.B) {
	o := testOptions(io.Discard)
	o.Config.MaxInFlight = places
	s := New(o)
	s.Handle(Route{"GET /", func(w http.ResponseWriter, r *http.Request) error {
		select {
		case <-time.After(handlerTime):
		case <-r.Context().Done():
		}
		return benchAnswer(w, r)
	}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	web := &http.Server{Handler: s, ReadHeaderTimeout: readHeaderTimeout}
	go func() { _ = web.Serve(listener) }()
	defer web.Close()
	peak, _ := overload(b, listener.Addr().String(), places)
	goodput, refusals := overload(b, listener.Addr().String(), 2*places)
	if len(refusals) == 0 {
		b.Fatal("nothing was refused: the load was too small")
	}
	ratio, late := float64(goodput)/float64(peak), refusals[len(refusals)*99/100].Round(100*time.Microsecond)
	verdict := map[bool]string{true: "kept", false: "MISSED"}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprint(table, "\ntwice as many requests as can be served\tmeasured\tbudget\t\n")
	fmt.Fprintf(table, "goodput to its peak\t%.2f\tat least %.2f\t%s\n", ratio, budgetGoodput, verdict[ratio >= budgetGoodput])
	fmt.Fprintf(table, "time to 99 of 100 refusals\t%v\tat most %v\t%s\n", late, budgetRefusal, verdict[late <= budgetRefusal])
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}

// overload has clients send a request each in the time that one takes, for a while. It returns how many
// were answered, and the sorted times to the other answers.
func overload(b *testing.B, address string, clients int) (good int, refusals []time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	end := time.Now().Add(overloadTime)
	for range clients {
		running.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for start := time.Now(); start.Before(end); start = time.Now() {
				response, err := exchangeOver(conn, answers, "GET / HTTP/1.1")
				if err != nil {
					b.Error(err)
					return
				}
				took := time.Since(start)
				mu.Lock()
				if response.StatusCode == http.StatusOK {
					good++
				} else {
					refusals = append(refusals, took)
				}
				mu.Unlock()
				<-time.After(handlerTime - took)
			}
		})
	}
	running.Wait()
	slices.Sort(refusals)
	return good, refusals
}
