package reading_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/http-api/internal/config"
	"example.com/http-api/internal/reading"
	"example.com/http-api/internal/server"
	"example.com/http-api/internal/telemetry"
)

// newAPI is the service as clients see it.
func newAPI(store reading.Store) http.Handler {
	level := new(slog.LevelVar)
	api := server.New(server.Options{
		Config:   config.Default(),
		Logger:   telemetry.NewLogger(io.Discard, level),
		Level:    level,
		Registry: prometheus.NewRegistry(),
	})
	api.Handle(reading.Routes(store)...)
	return api
}

func send(api http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

// post stores readings of a device, one for each second from the first to the last.
func post(t *testing.T, api http.Handler, device string, first, last int) {
	t.Helper()
	var readings []string
	for i := first; i <= last; i++ {
		readings = append(readings, fmt.Sprintf(
			`{"device":%q,"epoch":1,"sequence":%d,"measured_at":"2026-11-18T11:%02d:%02dZ","value":%d}`,
			device, i, i/60, i%60, i))
	}
	w := send(api, http.MethodPost, "/v1/readings", `{"readings":[`+strings.Join(readings, ",")+`]}`)
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
}

// page is the answer to either list.
type page struct {
	Readings []struct{ Sequence int }
	Devices  []struct{ Device string }
	Next     string
}

func getPage(t *testing.T, api http.Handler, path string) (p page) {
	t.Helper()
	w := send(api, http.MethodGet, path, "")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s is answered %d %s", path, w.Code, w.Body)
	}
	return p
}

func TestWalkThroughReadings(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	post(t, api, "a", 1, 25)
	seen := 0
	for path := "/v1/readings?device=a&limit=10"; ; {
		p := getPage(t, api, path)
		for _, r := range p.Readings {
			if r.Sequence != 25-seen {
				t.Errorf("reading %d is number %d", r.Sequence, seen)
			}
			seen++
		}
		if p.Next == "" {
			break
		}
		post(t, api, "a", 100+seen, 100+seen)
		path = "/v1/readings?limit=10&device=a&cursor=" + url.QueryEscape(p.Next)
	}
	if seen != 25 {
		t.Errorf("saw %d readings, want 25", seen)
	}
}

func TestLastPageThatIsFullHasNoNext(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	post(t, api, "a", 1, 10)
	post(t, api, "b", 1, 1)
	if p := getPage(t, api, "/v1/readings?device=a&limit=10"); len(p.Readings) != 10 || p.Next != "" {
		t.Errorf("got %+v", p)
	}
	if p := getPage(t, api, "/v1/devices?limit=2"); len(p.Devices) != 2 || p.Next != "" {
		t.Errorf("got %+v", p)
	}
}

func TestWalkThroughDevices(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	for _, device := range []string{"c", "a", "b"} {
		post(t, api, device, 1, 1)
	}
	first := getPage(t, api, "/v1/devices?limit=2")
	rest := getPage(t, api, "/v1/devices?limit=2&cursor="+first.Next)
	got := fmt.Sprint(first.Devices, rest.Devices)
	if got != "[{a} {b}] [{c}]" || rest.Next != "" {
		t.Errorf("got %s, %q", got, rest.Next)
	}
}

func TestCursorOfADeviceThatCanNotBeIsRefused(t *testing.T) {
	api := newAPI(reading.NewMemory(10))
	for position, status := range map[string]int{`"a"`: http.StatusOK, `"\u0000"`: http.StatusBadRequest} {
		sum := sha256.Sum256([]byte("devices 2\n" + position))
		cursor := base64.RawURLEncoding.EncodeToString(append(sum[:8], position...))
		if w := send(api, http.MethodGet, "/v1/devices?limit=2&cursor="+cursor, ""); w.Code != status {
			t.Errorf("after %s: answered %d %s", position, w.Code, w.Body)
		}
	}
}

func TestCursorIsOfNoUseForAnotherQuery(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	post(t, api, "a", 1, 5)
	post(t, api, "b", 1, 5)
	const query = "/v1/readings?limit=2&device=a"
	next := getPage(t, api, query).Next
	for _, path := range []string{
		"/v1/readings?limit=2&cursor=" + next,
		"/v1/readings?limit=3&device=a&cursor=" + next,
		"/v1/readings?limit=2&device=b&cursor=" + next,
		query + "&from=2026-01-01T00:00:00Z&cursor=" + next,
		query + "&to=2027-01-01T00:00:00Z&cursor=" + next,
		query + "&cursor=" + next[:len(next)-2],
		query + "&cursor=" + strings.ToLower(next),
		query + "&cursor=" + next + "%0A",
		query + "&cursor=AAAA",
		query + "&cursor=*",
		query + "&cursor=",
		"/v1/devices?limit=2&cursor=" + next,
	} {
		if w := send(api, http.MethodGet, path, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"bad_cursor"`) {
			t.Errorf("%s is answered %d %s", path, w.Code, w.Body)
		}
	}
}

func TestProblemNamesAtMostAHundredConflicts(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	post(t, api, "a", 1, 200)
	var readings []string
	for i := 1; i <= 200; i++ {
		readings = append(readings, fmt.Sprintf(
			`{"device":"a","epoch":1,"sequence":%d,"measured_at":"2026-11-18T11:00:00Z","value":-1}`, i))
	}
	w := send(api, http.MethodPost, "/v1/readings", `{"readings":[`+strings.Join(readings, ",")+`]}`)
	if got := strings.Count(w.Body.String(), "#/readings/"); w.Code != http.StatusConflict || got != 100 {
		t.Errorf("answered %d with %d conflicts", w.Code, got)
	}
}

func TestNothingIsBeforeTheFirstOfAllTimes(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	post(t, api, "a", 1, 1)
	if p := getPage(t, api, "/v1/readings?to=0001-01-01T00:00:00Z"); len(p.Readings) > 0 {
		t.Errorf("got %+v", p)
	}
}

func TestStoreThatIsFullSaysSo(t *testing.T) {
	api := newAPI(reading.NewMemory(3))
	post(t, api, "a", 1, 3)
	w := send(api, http.MethodPost, "/v1/readings",
		`{"readings":[{"device":"a","epoch":1,"sequence":9,"measured_at":"2026-11-18T11:00:00Z","value":0}]}`)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"overloaded"`) {
		t.Errorf("answered %d %v %s", w.Code, w.Header(), w.Body)
	}
	post(t, api, "a", 1, 3)
}

func TestStoreThatFails(t *testing.T) {
	broken := errors.New("no route to the database")
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
		retry  string
	}{
		"is an internal error without its text": {broken, http.StatusInternalServerError, "internal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(brokenStore{test.err})
			const body = `{"readings":[{"device":"a","epoch":1,"sequence":1,"measured_at":"2026-11-18T11:00:00Z","value":0}]}`
			for target, body := range map[string]string{
				"POST /v1/readings":  body,
				"GET /v1/readings":   "",
				"GET /v1/devices":    "",
				"GET /v1/devices/a":  "",
				"HEAD /v1/devices/a": "",
			} {
				method, path, _ := strings.Cut(target, " ")
				w := send(api, method, path, body)
				if w.Code != test.status || w.Header().Get("Retry-After") != test.retry ||
					!strings.Contains(w.Body.String(), test.code) || strings.Contains(w.Body.String(), "route") {
					t.Errorf("%s is answered %d %v %s", target, w.Code, w.Header(), w.Body)
				}
			}
		})
	}
}

func TestParseTimeCutsMilliseconds(t *testing.T) {
	got, ok := reading.ParseTime("2026-11-18T11:06:41.250999999Z")
	if want := time.Date(2026, 11, 18, 11, 6, 41, 250e6, time.UTC); !ok || !got.Equal(want) {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
}

// FuzzParseTime holds ParseTime against the pattern of the contract.
func FuzzParseTime(f *testing.F) {
	pattern := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$`)
	for _, seed := range []string{
		"2026-11-18T11:06:41Z", "2026-11-18T11:06:41.1Z", "2026-11-18T11:06:41.123456789Z",
		"2026-11-18T11:06:41.1234567890Z", "2026-11-18T11:06:41.Z", "2026-11-18T11:06:41,5Z", "2026-11-18T1:06:41Z",
		"2026-11-18t11:06:41Z", "2026-11-18T11:06:41z", "2026-11-18T11:06:41+00:00", "2026-11-18 11:06:41Z",
		"2026-02-30T11:06:41Z", "2026-11-18T24:00:00Z", "2026-11-18T11:06:60Z", "2026-11-18T1:06:41.1Z", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := reading.ParseTime(text)
		if !pattern.MatchString(text) {
			if ok {
				t.Errorf("%q was taken for %v", text, got)
			}
			return
		}
		// The pattern is right: what is left is whether there is such a day and time.
		day, err := time.Parse(time.RFC3339Nano, text)
		if ok != (err == nil) || ok && got.UnixMilli() != day.UnixMilli() {
			t.Errorf("%q gives %v, %v, want %v, %v", text, got, ok, day, err)
		}
	})
}
