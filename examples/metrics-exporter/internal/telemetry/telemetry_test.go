package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"example.com/metrics-exporter/internal/config"
)

func TestBuildIsAsTheLinkerSays(t *testing.T) {
	want := Build{Version: "v1.2.3", Revision: "abc", Go: runtime.Version()}
	if got := ReadBuild("v1.2.3", "abc"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBuildOutsideARepositoryIsADevelopmentBuild(t *testing.T) {
	if got := ReadBuild("", "").Version; got == "" {
		t.Error("there is no version")
	}
}

func TestBuildKnowsTheRevisionThatItWasMadeFrom(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.4-0.20261118110641-0123456789ab"},
		Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"},
			{Key: "vcs.revision", Value: "0123456789ab"},
		},
	}
	for given, want := range map[Build]Build{
		{}:                                   {Version: "v1.2.4-0.20261118110641-0123456789ab", Revision: "0123456789ab"},
		{Version: "v1.2.3", Revision: "abc"}: {Version: "v1.2.3", Revision: "abc"},
	} {
		if given.complete(info); given != want {
			t.Errorf("got %+v, want %+v", given, want)
		}
	}
}

func TestRegistryHasProcessRuntimeAndBuild(t *testing.T) {
	families, err := NewRegistry(Build{Version: "v1.2.3", Revision: "abc", Go: "go"}).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	for _, want := range []string{"go_goroutines", "process_start_time_seconds", "metrics_exporter_build_info"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s among %q", want, names)
		}
	}
}

// buffer can be read while another goroutine writes to it.
type buffer struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written.String()
}

// collector takes spans as they come over OTLP. Texts stand in them as they are, after the path that
// they were sent to.
type collector struct {
	*httptest.Server
	sent buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := new(collector)
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(&c.sent, r.URL.Path+"\n")
		_, _ = io.Copy(&c.sent, r.Body)
	}))
	t.Cleanup(c.Close)
	return c
}

func newTracing(t *testing.T, endpoint string, share float64) *Tracing {
	t.Helper()
	tracing, err := NewTracing(t.Context(), config.Tracing{Endpoint: endpoint, Share: share}, Build{Version: "v1.2.3"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tracing
}

func TestSpansComeToTheCollector(t *testing.T) {
	collector := newCollector(t)
	tracing := newTracing(t, collector.URL, 1)
	r, span := tracing.Start(httptest.NewRequest(http.MethodGet, "/things/7", nil))
	Describe(r.Context(), "GET", "/things/{id}", "/things/7", http.StatusServiceUnavailable)
	span.End()
	if err := tracing.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"/v1/traces\n", "metrics-exporter", "v1.2.3", "GET /things/{id}", "http.route", "/things/7"} {
		if !strings.Contains(collector.sent.String(), want) {
			t.Errorf("%q is not in %q", want, collector.sent.String())
		}
	}
}

func TestSpanWithoutARouteNamesNone(t *testing.T) {
	collector := newCollector(t)
	tracing := newTracing(t, collector.URL, 1)
	r, span := tracing.Start(httptest.NewRequest(http.MethodGet, "/nothing", nil))
	Describe(r.Context(), "GET", "", "/nothing", http.StatusNotFound)
	span.End()
	if err := tracing.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if sent := collector.sent.String(); strings.Contains(sent, "http.route") || !strings.Contains(sent, "/nothing") {
		t.Errorf("sent %q", sent)
	}
}

// The header is that of the example in W3C Trace Context, section 3.2, with both values of its last flag.
func TestCallerDecidesWhatIsRecorded(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for share, flag := range map[float64]string{0: "01", 1: "00"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Traceparent", "00-"+id+"-00f067aa0ba902b7-"+flag)
		r, _ = newTracing(t, "http://127.0.0.1:1", share).Start(r)
		seen := trace.SpanContextFromContext(r.Context())
		if seen.TraceID().String() != id || seen.TraceFlags().String() != flag {
			t.Errorf("trace %s with flag %s, want %s with %s", seen.TraceID(), seen.TraceFlags(), id, flag)
		}
	}
}

func TestWithoutCollectorNothingIsTraced(t *testing.T) {
	tracing := newTracing(t, "", 1)
	r, span := tracing.Start(httptest.NewRequest(http.MethodGet, "/", nil))
	span.End()
	if trace.SpanContextFromContext(r.Context()).IsValid() {
		t.Error("there is a span")
	}
	if err := tracing.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEnvironmentThatCannotBeReadIsAnError(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no value")
	if _, err := NewTracing(t.Context(), config.Tracing{Endpoint: "http://127.0.0.1:1"}, Build{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("attributes without values were taken")
	}
}

func TestCollectorThatIsSilentIsNoFailure(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	var log buffer
	tracing, err := NewTracing(t.Context(), config.Tracing{Endpoint: "http://" + silent.Addr().String(), Share: 1}, Build{}, NewLogger(&log, slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.Start(httptest.NewRequest(http.MethodGet, "/", nil))
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := tracing.Flush(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), `"level":"WARN","msg":"traces"`) {
		t.Errorf("logged %q", log.String())
	}
}

func TestRecordSaysWhichTraceItBelongsTo(t *testing.T) {
	var log bytes.Buffer
	logger := NewLogger(&log, slog.LevelInfo).With(slog.Int("a", 1)).WithGroup("g")
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 7}}))
	logger.InfoContext(ctx, "in a trace")
	if want := `"trace_id":"00000000000000000000000000000007"`; !strings.Contains(log.String(), want) {
		t.Errorf("%s lacks %s", log.String(), want)
	}
	log.Reset()
	logger.InfoContext(context.Background(), "outside")
	if strings.Contains(log.String(), "trace_id") {
		t.Errorf("%s names a trace", log.String())
	}
}
