package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"example.com/http-api/internal/reading"
)

// asBare, in place of a program, is the same handlers without the rest of it.
const asBare = "bare"

// The budgets are for each figure the worst that is accepted.
const (
	rounds        = 5
	roundTime     = time.Second
	clients       = 64
	manyClients   = 256
	budgetFull    = 0.80
	budgetTraced  = 0.70
	budgetReadyMS = 50
	budgetIdle    = 20
	budgetBusy    = 60

	page = "/v1/readings" // of 100
)

// serveBare has the handlers of the service on net/http and nothing else.
func serveBare(ctx context.Context) error {
	mux := http.NewServeMux()
	for _, route := range reading.Routes(reading.NewMemory(reading.Capacity)) {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) { _ = route.Handle(w, r) })
	}
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	line := map[string]string{"msg": "serving", "http": listener.Addr().String(), "admin": listener.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return err
	}
	return http.Serve(listener, mux)
}

// BenchmarkService prints what the program costs beside net/http with the same handlers, both as
// processes of their own, under the same load in turns. Medians are told.
func BenchmarkService(b *testing.B) {
	fill := batch()
	var ready []float64
	for range rounds {
		start := time.Now()
		s := begin(b, asProgram+"=1")
		if err := s.get("http://" + s.admin + "/readyz"); err != nil {
			b.Fatal(err)
		}
		ready = append(ready, float64(time.Since(start).Microseconds())/1000)
		s.end()
	}
	bare, full := begin(b, asProgram+"="+asBare), begin(b, asProgram+"=1")
	idle := full.megabytes(b)
	servers := []*process{bare, full}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer collector.Close()
	servers = append(servers, begin(b, asProgram+"=1", "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_TRACES_SAMPLER_ARG=0.1"))
	for _, s := range servers {
		s.store(b, fill)
	}
	rates := make([][]float64, len(servers))
	for range rounds {
		for i, s := range servers {
			rates[i] = append(rates[i], s.load(b, clients))
		}
	}
	full.load(b, manyClients)
	busy := full.megabytes(b)

	base := median(rates[0])
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	row := func(what, figure, budget string, kept bool) {
		verdict := map[bool]string{true: "kept", false: "MISSED"}[kept]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", what, figure, budget, verdict)
	}
	fmt.Fprintf(table, "\nGET %s, %d clients, %.0f requests a second on bare net/http\tmeasured\tbudget\t\n", page, clients, base)
	ratio := func(what string, rate, budget float64) {
		row(what, fmt.Sprintf("%.2f", rate/base), fmt.Sprintf("at least %.2f", budget), rate/base >= budget)
	}
	most := func(what string, figure, budget float64, unit string) {
		row(what, fmt.Sprintf("%.1f %s", figure, unit), fmt.Sprintf("at most %.0f %s", budget, unit), figure <= budget)
	}
	ratio("requests a second, service to bare", median(rates[1]), budgetFull)
	ratio("the same, a tenth of them traced", median(rates[2]), budgetTraced)
	most("start to ready", median(ready), budgetReadyMS, "ms")
	most("memory, idle", idle, budgetIdle, "MiB")
	most(fmt.Sprintf("memory, %d clients", manyClients), busy, budgetBusy, "MiB")
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}

func median(figures []float64) float64 {
	return slices.Sorted(slices.Values(figures))[len(figures)/2]
}

// batch has a hundred readings.
func batch() []byte {
	var readings []string
	for i := range 100 {
		readings = append(readings, fmt.Sprintf(
			`{"device":"bench","epoch":1,"sequence":%d,"measured_at":"2026-11-18T11:06:41.%03dZ","value":21.875}`, i+1, i))
	}
	return []byte(`{"readings":[` + strings.Join(readings, ",") + `]}`)
}

// process is a program that is measured.
type process struct {
	*service
}

func begin(b *testing.B, environment ...string) *process {
	b.Helper()
	command := program(b)
	command.Env = append(command.Env, environment...)
	s := await(b, command)
	go func() { _, _ = io.Copy(io.Discard, s.output) }()
	return &process{s}
}

func (p *process) end() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

func (p *process) get(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (p *process) megabytes(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		b.Skipf("memory is read from the proc file system of Linux: %v", err)
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmRSS:"))
	kilobytes, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes / 1024
}

// request is as it goes over the wire.
func request(method, path string, body []byte) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: bench\r\n", method, path)
	fmt.Fprintf(&text, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return text.Bytes()
}

func (p *process) store(b *testing.B, body []byte) {
	b.Helper()
	conn := p.dial(b)
	defer conn.Close()
	if err := exchange(conn, bufio.NewReader(conn), request(http.MethodPost, "/v1/readings", body)); err != nil {
		b.Fatal(err)
	}
}

func (p *process) dial(b *testing.B) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", p.api)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// load has clients ask for the page, again as soon as they have it, and returns the rate of answers.
func (p *process) load(b *testing.B, clients int) float64 {
	b.Helper()
	text := request(http.MethodGet, page, nil)
	var answered atomic.Int64
	var running sync.WaitGroup
	conns := make([]net.Conn, clients)
	for i := range conns {
		conns[i] = p.dial(b)
	}
	start := time.Now()
	for _, conn := range conns {
		running.Go(func() {
			defer conn.Close()
			answers := bufio.NewReaderSize(conn, 32<<10)
			for time.Since(start) < roundTime {
				if err := exchange(conn, answers, text); err != nil {
					b.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	running.Wait()
	return float64(answered.Load()) / time.Since(start).Seconds()
}

// exchange is all that a client does for a request, so that it takes little from the server.
func exchange(conn net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		value, isLength := bytes.CutPrefix(line, []byte("Content-Length: "))
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %q", line)
		case isLength:
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case len(bytes.TrimSpace(line)) == 0:
			_, err := answers.Discard(length)
			return err
		}
	}
}
