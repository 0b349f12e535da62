package reading_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/http-api/internal/reading"
)

// contractCase is a request to a service with an empty store, and what must come back.
type contractCase struct {
	Name    string
	Given   []contractRequest
	Request contractRequest
	Expect  struct {
		Status     int
		Code       string
		Pointers   []string
		Parameters []string
		Headers    map[string]string
		JSON       map[string]any
	}
}

type contractRequest struct {
	Method  string
	Path    string
	Headers map[string]string
	Body    string
	Repeat  struct {
		Text  string
		Times int
	}
	Tail       string // behind the body and what is repeated
	BodyBase64 []byte `json:"body_base64"`
}

func (c contractRequest) send(api http.Handler) *httptest.ResponseRecorder {
	body := c.BodyBase64
	if body == nil {
		body = []byte(c.Body + strings.Repeat(c.Repeat.Text, c.Repeat.Times) + c.Tail)
	}
	r := httptest.NewRequest(c.Method, c.Path, bytes.NewReader(body))
	for name, value := range c.Headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

func TestContract(t *testing.T) {
	text, err := os.ReadFile("../../testdata/contract/http.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Cases []contractCase }
	if err := json.Unmarshal(text, &contract); err != nil || len(contract.Cases) == 0 {
		t.Fatalf("%d cases: %v", len(contract.Cases), err)
	}
	for _, c := range contract.Cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t) })
	}
}

func (c contractCase) run(t *testing.T) {
	api := newAPI(reading.NewMemory(10_000))
	for _, given := range c.Given {
		if w := given.send(api); w.Code != http.StatusOK {
			t.Fatalf("given %s: answered %d %s", given.Path, w.Code, w.Body)
		}
	}
	w := c.Request.send(api)
	if w.Code != c.Expect.Status {
		t.Errorf("answered %d, want %d", w.Code, c.Expect.Status)
	}
	for name, want := range c.Expect.Headers {
		if got := w.Header().Get(name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Expect.JSON)) {
		if want := c.Expect.JSON[name]; !reflect.DeepEqual(answer[name], want) {
			t.Errorf("%s is %v, want %v", name, answer[name], want)
		}
	}
	if c.Expect.Code != "" {
		c.wantProblem(t, w, answer)
	}
	if t.Failed() {
		t.Logf("answer: %s", w.Body)
	}
}

func (c contractCase) wantProblem(t *testing.T, w *httptest.ResponseRecorder, answer map[string]any) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type is %q", got)
	}
	if answer["code"] != c.Expect.Code || answer["status"] != float64(c.Expect.Status) {
		t.Errorf("code %v and status %v, want %s", answer["code"], answer["status"], c.Expect.Code)
	}
	for _, name := range []string{"type", "title", "request_id"} {
		if text, _ := answer[name].(string); text == "" {
			t.Errorf("%s is missing", name)
		}
	}
	var problem struct {
		Errors []struct{ Pointer, Parameter string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	var pointers, parameters []string
	for _, e := range problem.Errors {
		if e.Pointer != "" {
			pointers = append(pointers, e.Pointer)
		}
		if e.Parameter != "" {
			parameters = append(parameters, e.Parameter)
		}
	}
	wantSame(t, "pointers", pointers, c.Expect.Pointers)
	wantSame(t, "parameters", parameters, c.Expect.Parameters)
}

func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%s are %q, want %q", what, got, want)
	}
}
