package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// load counts as failed every request on an accepted connection that got no complete answer.
type load struct {
	answered, failed atomic.Int64
	reason           atomic.Value // of the last that failed
}

// keepAlive sends requests over one connection after another until no more is accepted.
func (l *load) keepAlive(address string) {
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		answers := bufio.NewReader(conn)
		for again := true; again; {
			response, err := exchangeOver(conn, answers, "GET / HTTP/1.1")
			if err != nil || response.StatusCode != http.StatusOK {
				l.failed.Add(1)
				l.reason.Store(fmt.Sprint(response, err))
				break
			}
			l.answered.Add(1)
			again = !response.Close
		}
		conn.Close()
	}
}

// exchangeOver does not retry, as http.Client would.
func exchangeOver(conn net.Conn, answers *bufio.Reader, request string) (*http.Response, error) {
	if _, err := io.WriteString(conn, request+"\r\nHost: x\r\n\r\n"); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	return response, nil
}

func TestDrainUnderLoadFailsNoRequest(t *testing.T) {
	before := runtime.NumGoroutine()
	o := testOptions(io.Discard)
	o.Config.DrainDelay = 200 * time.Millisecond
	entered, leave := make(chan struct{}), make(chan struct{})
	s, stop := serve(t, o, Route{"GET /{$}", ok}, Route{"GET /slow", func(w http.ResponseWriter, r *http.Request) error {
		close(entered)
		<-leave
		return ok(w, r)
	}})
	address := s.listener.Addr().String()

	var clients sync.WaitGroup
	var load load
	for range 200 {
		clients.Go(func() { load.keepAlive(address) })
	}
	var slow string
	clients.Go(func() {
		slow = statusOf(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, s.url("/slow"))
	})
	<-entered
	eventually(t, "clients are answered", func() bool { return load.answered.Load() > 1000 })

	stopped := make(chan error, 1)
	go func() { stopped <- stop(nil) }()
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(leave)
	clients.Wait()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if slow != "200 OK" {
		t.Errorf("the request that was under way: %s", slow)
	}
	if failed := load.failed.Load(); failed > 0 {
		t.Errorf("%d requests failed, %d were answered; the last failed with %v", failed, load.answered.Load(), load.reason.Load())
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestScrapeUnderWayDoesNotHoldUpTheEnd(t *testing.T) {
	s, stop := serve(t, testOptions(io.Discard))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	begun := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		response, err := client.Get(s.adminURL("/debug/pprof/trace?seconds=60"))
		close(begun)
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
	})
	<-begun
	if err := stop(ErrInterrupted); err != nil {
		t.Error(err)
	}
	reader.Wait()
}

func statusOf(client *http.Client, url string) string {
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	return response.Status
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func TestConnectionsInTheQueueAreServedBeforeTheListenerCloses(t *testing.T) {
	s := New(testOptions(io.Discard))
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Handle(Route{"GET /", ok})
	// Nobody accepts yet: the kernel completes these connections and keeps them.
	var queued []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		queued = append(queued, conn)
	}
	if err := s.listener.retire(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.api.Serve(s.listener) }()
	for i, conn := range queued {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		response.Body.Close()
	}
	<-done
	if conn, err := net.Dial("tcp", s.listener.Addr().String()); err == nil {
		conn.Close()
		t.Error("a new connection was accepted")
	}
	if err := s.api.Close(); err != nil {
		t.Error(err)
	}
	if err := s.adminListener.Close(); err != nil {
		t.Error(err)
	}
}

func TestHTTP2StreamUnderWayCompletes(t *testing.T) {
	o := testOptions(io.Discard)
	entered, leave := make(chan struct{}), make(chan struct{})
	s, stop := serve(t, o, Route{"GET /", func(w http.ResponseWriter, r *http.Request) error {
		close(entered)
		<-leave
		return ok(w, r)
	}})
	client := http2Client(t)
	status := make(chan string, 1)
	go func() { status <- statusOf(client, s.url("/")) }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop(ErrInterrupted) }()
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", s.listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(leave)
	if got := <-status; got != "200 OK" {
		t.Errorf("the stream that was under way: %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// The frames are of RFC 9113, sections 4.1 and 6; the header block is of RFC 7541, appendix A.
func TestHTTP2ClientIsToldToGoWhileDraining(t *testing.T) {
	const headers, goAway = 0x1, 0x7
	s, _ := serve(t, testOptions(io.Discard), Route{"GET /", ok})
	s.draining.Store(true)
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	request := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + // SETTINGS, empty
		"\x00\x00\x06\x01\x05\x00\x00\x00\x01" + // HEADERS of stream 1, complete
		"\x82\x86\x84\x41\x01x" // GET, http, /, authority x
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for !seen[goAway] || !seen[headers] {
		frame := make([]byte, 9)
		if _, err := io.ReadFull(conn, frame); err != nil {
			t.Fatalf("saw frames %v, then %v", seen, err)
		}
		seen[frame[3]] = true
		length := binary.BigEndian.Uint32(append([]byte{0}, frame[:3]...))
		if _, err := io.CopyN(io.Discard, conn, int64(length)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatHandlersUseIsGivenBackBetweenTheLastAnswerAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("could not be given back")
		var server running
		var order []string
		server = runServer(t, func(s *Server) {
			s.Handle(Route{"GET /", func(w http.ResponseWriter, r *http.Request) error {
				time.Sleep(10 * time.Second)
				order = append(order, "answer")
				return ok(w, r)
			}})
			s.OnDrained(func(context.Context) error {
				order = append(order, "first")
				return broken
			})
			s.OnDrained(func(ctx context.Context) error {
				wantStatus(t, server.admin, "/livez", "200 OK")
				order = append(order, "second")
				return ctx.Err()
			})
		})
		go statusOf(server.api, "http://server/")
		synctest.Wait()
		server.stop(nil)
		if err := <-server.done; !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if got := strings.Join(order, ", "); got != "answer, first, second" {
			t.Errorf("in the order %s", got)
		}
	})
}
