// Command frail is a service that keeps all promises but the one that DEFECT names.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	draining atomic.Bool
	hoard    [][]byte
	level    = "info"
)

func has(defect string) bool { return os.Getenv("DEFECT") == defect }

func main() {
	if len(os.Args) == 3 && os.Args[1] == "remove" {
		if os.Remove(os.Args[2]) != nil {
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	delay, timeout := settings()
	if has("plain first line") {
		fmt.Println("Listening on :8080")
	}
	slog.Info("starting")
	if has("writes to disk") {
		if err := os.WriteFile("/cache", nil, 0o600); err != nil {
			slog.Error(err.Error())
			os.Exit(1)
		}
	}
	os.Exit(serve(delay, timeout))
}

func settings() (delay, timeout time.Duration) {
	problems := []string{}
	if addr := os.Getenv("HTTP_ADDR"); addr != "" && !has("ignores bad settings") {
		problems = append(problems, "HTTP_ADDR: "+addr)
	}
	parse := func(name, otherwise string) time.Duration {
		value := os.Getenv(name)
		if value == "" {
			value = otherwise
		}
		duration, err := time.ParseDuration(value)
		if err != nil && !has("names one problem only") {
			problems = append(problems, name+": "+err.Error())
		}
		return duration
	}
	delay, timeout = parse("DRAIN_DELAY", "2s"), parse("DRAIN_TIMEOUT", "2s")
	if len(problems) > 0 && !has("ignores bad settings") {
		slog.Error("invalid configuration", "problems", problems)
		if has("exit code 1 for bad settings") {
			os.Exit(1)
		}
		os.Exit(78)
	}
	return delay, timeout
}

func serve(delay, timeout time.Duration) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	server := &http.Server{
		Handler: http.HandlerFunc(handle), ReadHeaderTimeout: time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	if has("no header timeout") {
		server.ReadHeaderTimeout = 0
	}
	if has("no header limit") {
		server.MaxHeaderBytes = 1 << 20
	}
	pending := &pending{}
	server.ConnState = pending.note
	admin := &http.Server{Addr: ":9090", Handler: http.HandlerFunc(administer)}
	plain, err := net.Listen("tcp", ":8080")
	if err != nil {
		slog.Error(err.Error())
		return 1
	}
	listener := &listener{TCPListener: plain.(*net.TCPListener)}
	go func() { _ = admin.ListenAndServe() }()
	accepted := make(chan error, 1)
	go func() { accepted <- server.Serve(listener) }()
	received := <-signals
	for has("ignores SIGTERM") && received == syscall.SIGTERM {
		received = <-signals
	}
	go func() {
		second := (<-signals).(syscall.Signal)
		switch {
		case has("ignores a second signal"):
		case has("exit code 2 for a second signal"):
			os.Exit(2)
		default:
			os.Exit(128 + int(second))
		}
	}()
	announce(admin, received, delay)
	if has("drops connections") {
		_ = server.Close()
	} else if !has("shuts down as net/http does") {
		_ = listener.SetDeadline(time.Unix(1, 0))
		<-accepted
		pending.wait(time.Second)
	}
	return finish(server, timeout)
}

func announce(admin *http.Server, received os.Signal, delay time.Duration) {
	draining.Store(!has("ready while draining"))
	if has("admin closes first") {
		_ = admin.Close()
	}
	if has("delays for SIGINT") {
		time.Sleep(4 * time.Second)
	} else if !has("no delay") && received != syscall.SIGINT {
		time.Sleep(delay)
	}
}

func finish(server *http.Server, timeout time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if has("plain last line") {
		fmt.Println("Bye")
	}
	switch {
	case has("exit code 3"):
		return 3
	case err != nil && !has("exit code 0 for aborted work"):
		return 1
	}
	return 0
}

// pending counts connections over which a request may come: Shutdown drops those that it reads late.
type pending struct {
	sync.Mutex
	connections map[net.Conn]bool
}

func (p *pending) note(conn net.Conn, state http.ConnState) {
	p.Lock()
	defer p.Unlock()
	if p.connections == nil {
		p.connections = map[net.Conn]bool{}
	}
	if state == http.StateNew || state == http.StateActive {
		p.connections[conn] = true
	} else {
		delete(p.connections, conn)
	}
}

func (p *pending) wait(bound time.Duration) {
	for end := time.Now().Add(bound); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p.Lock()
		count := len(p.connections)
		p.Unlock()
		if count == 0 {
			return
		}
	}
}

// listener is retired by a deadline: then it takes what is queued before it closes.
type listener struct {
	*net.TCPListener
	retired bool
	queue   []net.Conn
}

func (l *listener) Accept() (net.Conn, error) {
	for !l.retired {
		conn, err := l.TCPListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		l.retired = true
		for err = nil; err == nil; conn, err = l.TCPListener.Accept() {
			if conn != nil {
				l.queue = append(l.queue, conn)
			}
			_ = l.SetDeadline(time.Now().Add(20 * time.Millisecond))
		}
		_ = l.Close()
	}
	if len(l.queue) == 0 {
		return nil, net.ErrClosed
	}
	conn := l.queue[0]
	l.queue = l.queue[1:]
	return conn, nil
}

func handle(w http.ResponseWriter, r *http.Request) {
	if draining.Load() && !has("keeps connections") {
		w.Header().Set("Connection", "close")
	}
	switch {
	case has("500 for other methods") && r.Method != "GET" && r.Method != "POST":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case has("dies of other methods") && r.Method != "GET" && r.Method != "POST":
		os.Exit(1)
	case has("hoards memory"):
		block := make([]byte, 256<<10)
		for i := range block {
			block[i] = 1
		}
		hoard = append(hoard, block)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/" {
		w.WriteHeader(http.StatusNotFound)
	}
}

func administer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/readyz":
		if draining.Load() || has("never ready") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case "/livez":
	case "/version":
		version := "1.2.3"
		if has("tells another version") {
			version = "dev"
		}
		fmt.Fprintf(w, `{"version":%q,"revision":"abcdef"}`, version)
	case "/log-level":
		if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPut && !has("fixed log level") {
			level = string(body)
		}
		fmt.Fprint(w, level)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
