package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/metrics-exporter/internal/config"
	"example.com/metrics-exporter/internal/telemetry"
)

// logBuffer can be read while the server writes to it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// line returns the only line of the log with a message, decoded.
func (b *logBuffer) line(t *testing.T, message string) (found map[string]any) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for text := range strings.Lines(b.buf.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("log line %q: %v", text, err)
		}
		if line["msg"] == message {
			found = line
		}
	}
	return found
}

func testOptions(w io.Writer) Options {
	cfg := config.Default()
	cfg.AdminAddr, cfg.DrainDelay = "127.0.0.1:0", 100*time.Millisecond
	level := new(slog.LevelVar)
	return Options{
		Config:  cfg,
		Logger:  telemetry.NewLogger(w, level),
		Level:   level,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") }),
		Build:   telemetry.Build{Version: "v1.2.3", Revision: "abc", Go: "go"},
	}
}

// testServer has no connections: requests go to its handlers.
func testServer(t *testing.T, change func(*config.Config)) (*Server, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	o := testOptions(log)
	if change != nil {
		change(&o.Config)
	}
	return New(o), log
}

// serve runs a server on a free port until the test ends it with stop, which returns Serve's error.
func serve(t *testing.T, o Options) (address string, stop func(cause error) error) {
	t.Helper()
	s := New(o)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	var result error
	go func() {
		result = s.Serve(ctx)
		close(done)
	}()
	stop = func(cause error) error {
		cancel(cause)
		<-done
		return result
	}
	t.Cleanup(func() { _ = stop(ErrInterrupted) })
	return s.listener.Addr().String(), stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func status(client *http.Client, url string) string {
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	return response.Status
}

func TestListenFailsWhenThePortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := testOptions(io.Discard)
	o.Config.AdminAddr = taken.Addr().String()
	if err := New(o).Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestServeEndsWhenItsListenerBreaks(t *testing.T) {
	s := New(testOptions(io.Discard))
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.listener.Close()
	released := false
	s.OnDrained(func(ctx context.Context) error {
		released = true
		return ctx.Err()
	})
	if err := s.Serve(t.Context()); !released || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, given back %v", err, released)
	}
}

func TestDrainUnderLoadFailsNoScrape(t *testing.T) {
	before := runtime.NumGoroutine()
	o := testOptions(io.Discard)
	entered, leave, once := make(chan struct{}), make(chan struct{}), new(sync.Once)
	quick := o.Metrics
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("slow") {
			once.Do(func() { close(entered) })
			<-leave
		}
		quick.ServeHTTP(w, r)
	})
	address, stop := serve(t, o)
	var answered atomic.Int64
	var failed sync.Map
	refused := func(got string) bool { return strings.Contains(got, "connection refused") }
	var clients sync.WaitGroup
	for range 50 {
		clients.Go(func() {
			transport := new(http.Transport)
			defer transport.CloseIdleConnections()
			for {
				got := status(&http.Client{Transport: transport}, "http://"+address+"/metrics")
				if refused(got) {
					return
				}
				if got != "200 OK" {
					failed.Store(got, true)
					return
				}
				answered.Add(1)
			}
		})
	}
	var slow string
	clients.Go(func() {
		slow = status(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+address+"/metrics?slow")
	})
	<-entered
	eventually(t, "clients are answered", func() bool { return answered.Load() > 500 })
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
	if err := <-stopped; err != nil || slow != "200 OK" {
		t.Errorf("stopped with %v, and the scrape under way got %s", err, slow)
	}
	failed.Range(func(got, _ any) bool {
		t.Errorf("a scrape got %v", got)
		return true
	})
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestScrapeThatDoesNotEndIsAborted(t *testing.T) {
	o := testOptions(io.Discard)
	o.Config.DrainTimeout = time.Millisecond
	entered, cause := make(chan struct{}), make(chan error, 1)
	o.Metrics = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	})
	address, stop := serve(t, o)
	go status(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+address+"/metrics")
	<-entered
	if err := stop(ErrInterrupted); !errors.Is(err, ErrAborted) {
		t.Errorf("got %v", err)
	}
	if err := <-cause; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the scrape was told %v", err)
	}
}

func TestAnswersWhileDrainingEndTheirConnections(t *testing.T) {
	s, _ := testServer(t, nil)
	for _, draining := range []bool{false, true} {
		s.draining.Store(draining)
		if got := s.administer("GET", "/metrics", "").Header().Get("Connection"); (got == "close") != draining {
			t.Errorf("draining %v, Connection is %q", draining, got)
		}
	}
}

func TestReadinessBeginsWithServing(t *testing.T) {
	s, _ := testServer(t, nil)
	if w := s.administer("GET", "/readyz", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", w.Code)
	}
}

// The hash is of "fakepassword".
const users = "basic_auth_users:\n  prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n"

func TestWebConfigurationAsksForTLSAndAPassword(t *testing.T) {
	directory := t.TempDir()
	roots := certify(t, directory)
	o := testOptions(io.Discard)
	o.Config.ScrapeSettings.WebConfigFile = write(t, directory, "web.yml", []byte(users+"tls_server_config:\n  cert_file: tls.pem\n  key_file: tls.key\n"))
	address, _ := serve(t, o)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for url, want := range map[string]string{
		"http://" + address + "/metrics":                          "400 Bad Request",
		"https://" + address + "/metrics":                         "401 Unauthorized",
		"https://prometheus:wrong@" + address + "/metrics":        "401 Unauthorized",
		"https://somebody:fakepassword@" + address + "/metrics":   "401 Unauthorized",
		"https://prometheus:fakepassword@" + address + "/metrics": "200 OK",
		"https://prometheus:fakepassword@" + address + "/nothing": "404 Not Found",
	} {
		if got := status(client, url); got != want {
			t.Errorf("%s answers %s, want %s", url, got, want)
		}
	}
}

// certify writes a certificate for 127.0.0.1 and its key.
func certify(t *testing.T, directory string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	write(t, directory, "tls.pem", public)
	write(t, directory, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(public)
	return roots
}

func write(t *testing.T, directory, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
