package collector

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// serve answers requests for devices, and makes a source of that.
func serve(t *testing.T, handler http.HandlerFunc) *Target {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /base/v1/devices", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return connect(t, server.URL+"/base")
}

func connect(t *testing.T, url string) *Target {
	t.Helper()
	target, err := NewTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.client.CloseIdleConnections)
	return target
}

// walk lists the names that a source has, up to its error.
func walk(ctx context.Context, source Source) (names string, err error) {
	for device, err := range source.Devices(ctx) {
		if err != nil {
			return names, err
		}
		names += device.Name + " "
	}
	return names, nil
}

func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, body)
}

func entry(name string) string {
	return fmt.Sprintf(`{"device":%q,"last_seen":"2026-11-18T11:06:41.250Z","readings":7}`, name)
}

func TestPagesAreWalkedThrough(t *testing.T) {
	pages := map[string]string{
		"limit=1000":                `{"devices":[` + entry("a") + `,` + entry("b") + `],"next":"1 & 2"}`,
		"cursor=1+%26+2&limit=1000": `{"devices":[` + entry("c") + `],"next":"3"}`,
		"cursor=3&limit=1000":       `{"devices":[]}`,
	}
	target := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, pages[r.URL.RawQuery]) })
	if names, err := walk(t.Context(), target); names != "a b c " || err != nil {
		t.Errorf("got %q, %v", names, err)
	}
}

func TestDeviceIsReadAsItIsWritten(t *testing.T) {
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, `{"devices":[`+entry("a")+`],"more":1}`) })
	for device, err := range target.Devices(t.Context()) {
		if want := time.Date(2026, 11, 18, 11, 6, 41, 250_000_000, time.UTC); err != nil || !device.LastSeen.Equal(want) || device.Readings != 7 {
			t.Errorf("got %v, %v", device, err)
		}
	}
}

func TestWhoeverHasHeardEnoughGetsNoMorePages(t *testing.T) {
	requests := 0
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		answer(w, `{"devices":[`+entry("a")+`,`+entry("b")+`],"next":"more"}`)
	})
	for _, err := range target.Devices(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if requests != 1 {
		t.Errorf("%d requests", requests)
	}
}

func TestAnswersThatAreNoListOfDevices(t *testing.T) {
	for name, test := range map[string]struct {
		body, want string
	}{
		"nothing":                 {``, "EOF"},
		"no JSON":                 {`<html>`, "invalid character"},
		"cut off":                 {`{"devices":[` + entry("a"), "unexpected EOF"},
		"no object":               {`[]`, "cannot unmarshal"},
		"no list":                 {`{"next":"1"}`, "no list"},
		"something after it":      {`{"devices":[]}{}`, "comes after"},
		"a name that is none":     {`{"devices":[` + entry("A") + `]}`, `"A"`},
		"a name with a line":      {`{"devices":[` + entry("a\n") + `]}`, `"a\n"`},
		"a name too long":         {`{"devices":[` + entry(strings.Repeat("a", 33)) + `]}`, "is none"},
		"a device twice":          {`{"devices":[` + entry("a") + `,` + entry("a") + `]}`, `"a" after "a"`},
		"devices out of order":    {`{"devices":[` + entry("b") + `,` + entry("a") + `]}`, `"a" after "b"`},
		"a device without a time": {`{"devices":[{"device":"a","readings":1}]}`, "not complete"},
		"a time that is none":     {`{"devices":[{"device":"a","last_seen":"now","readings":1}]}`, "parsing time"},
		"readings below none":     {`{"devices":[{"device":"a","last_seen":"2026-11-18T11:06:41Z","readings":-1}]}`, "cannot unmarshal"},
		"pages without an end":    {`{"devices":[],"next":"again"}`, "leads to another"},
		"a page too large":        {`{"devices":[` + strings.Repeat(" ", maxPageBytes) + `]}`, "too large"},
	} {
		target := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, test.body) })
		if _, err := walk(t.Context(), target); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for want, handler := range map[string]http.HandlerFunc{
		"302 Found": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.devices.String(), http.StatusFound)
		},
		"500 Internal Server Error":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"204 No Content":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		`"text/plain; charset=utf-8"`: func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "{}") },
		"server response headers exceeded": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Long", strings.Repeat("x", 1<<20))
		},
		"EOF": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		if _, err := walk(t.Context(), serve(t, handler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if _, err := walk(t.Context(), connect(t, "http://"+listener.Addr().String())); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	if _, err := NewTarget("://"); err == nil {
		t.Error("a URL without a scheme was taken")
	}
}

func TestTargetThatIsTooSlow(t *testing.T) {
	for name, send := range map[string]func(w http.ResponseWriter){
		"says nothing":     func(http.ResponseWriter) {},
		"stops in between": func(w http.ResponseWriter) { answer(w, `{"devices":[`); w.(http.Flusher).Flush() },
	} {
		target := serve(t, func(w http.ResponseWriter, r *http.Request) {
			send(w)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := walk(ctx, target); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
			t.Errorf("one that %s: got %v", name, err)
		}
	}
}

func TestTargetIsToldWhichTraceItIsAskedIn(t *testing.T) {
	told := make(chan string, 1)
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("Traceparent")
		answer(w, `{"devices":[]}`)
	})
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 7}, SpanID: trace.SpanID{7: 1}, TraceFlags: trace.FlagsSampled,
	}))
	if _, err := walk(ctx, target); err != nil {
		t.Fatal(err)
	}
	if got, want := <-told, "00-00000000000000000000000000000007-0000000000000001-01"; got != want {
		t.Errorf("Traceparent is %q, want %q", got, want)
	}
}

// What is taken from any answer must be fit for labels, and end.
func FuzzDevices(f *testing.F) {
	f.Add(`{"devices":[` + entry("a") + `,` + entry("b") + `]}`)
	f.Add(`{"devices":[` + entry("a") + `],"next":"1"}`)
	f.Add(`{"devices":null}`)
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	f.Fuzz(func(t *testing.T, body string) {
		target := connect(t, "http://target")
		target.client.Transport = always(body)
		last := ""
		for device, err := range target.Devices(t.Context()) {
			if err == nil && (!name.MatchString(device.Name) || device.Name <= last) {
				t.Errorf("took %q after %q", device.Name, last)
			}
			last = device.Name
		}
	})
}

// always is a target that has one answer for everything.
type always string

func (a always) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(string(a))),
	}, nil
}
