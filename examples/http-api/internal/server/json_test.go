package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/http-api/internal/strictjson"
)

func TestBodyThatCanNotBeReadIsToldApartFromOneThatBreaksRules(t *testing.T) {
	for text, want := range map[string]Problem{
		`[]`:       {Status: http.StatusBadRequest, Code: "bad_request", Detail: "# must be an object"},
		`{"a":10}`: {Status: http.StatusUnprocessableEntity, Code: "validation_failed", Detail: "The body breaks rules."},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		err := DecodeJSON(r, func(d *strictjson.Decoder) { d.Object(func(string) { d.Integer(1, 9) }, "a") })
		var p *Problem
		if !errors.As(err, &p) || p.Status != want.Status || p.Code != want.Code || p.Detail != want.Detail {
			t.Errorf("%s gives %v", text, err)
			continue
		}
		if listed := len(p.Errors) == 1 && p.Errors[0].Pointer == "#/a"; listed != (p.Code == "validation_failed") {
			t.Errorf("%s gives %v", text, p.Errors)
		}
	}
}

func TestContentTypeIsJSONWithAnyParameters(t *testing.T) {
	for given, taken := range map[string]bool{
		"application/json":                  true,
		"Application/JSON ; charset=utf-16": true,
		"application/json;":                 true,
		"":                                  false,
		"text/json":                         false,
		"application/json-patch+json":       false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", given)
		err := DecodeJSON(r, func(*strictjson.Decoder) {})
		var p *Problem
		if taken && err != nil || !taken && (!errors.As(err, &p) || p.Code != "unsupported_media_type") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func decodeAny(w http.ResponseWriter, r *http.Request) error {
	if err := DecodeJSON(r, func(*strictjson.Decoder) {}); err != nil {
		return err
	}
	return ok(w, r)
}

func TestBodyIsBounded(t *testing.T) {
	s, _ := testServer(t, nil, Route{"POST /", decodeAny})
	for size, status := range map[int]int{
		1_048_576: http.StatusOK,
		1_048_577: http.StatusRequestEntityTooLarge,
	} {
		body := "{" + strings.Repeat(" ", size-2) + "}"
		// Without a length, so that it is the reading that is bounded.
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(body)))
		r.Header.Set("Content-Type", "application/json")
		w := s.answer(r)
		if w.Code != status {
			t.Errorf("%d bytes are answered %d, want %d", size, w.Code, status)
		}
		if status != http.StatusOK {
			wantProblem(t, w, status, "body_too_large")
		}
	}
}

func TestConnectionEndsWithABodyTooLarge(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard), Route{"POST /", decodeAny})
	response, err := http.Post(s.url("/"), "application/json", strings.NewReader(strings.Repeat(" ", 1_048_577)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
		t.Errorf("answered %s, closing %v", response.Status, response.Close)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	s, _ := testServer(t, nil, Route{"POST /", decodeAny})
	for code, cause := range map[string]error{
		"bad_request": io.ErrUnexpectedEOF,
		"timeout":     os.ErrDeadlineExceeded,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("{"), failingReader{cause}))
		r.Header.Set("Content-Type", "application/json")
		w := s.answer(r)
		wantProblem(t, w, w.Code, code)
	}
}

func TestBodyOfAClientThatLeftIsNoMistake(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", failingReader{io.ErrUnexpectedEOF})
	r.Header.Set("Content-Type", "application/json")
	if err := DecodeJSON(r, func(*strictjson.Decoder) {}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestAnswerThatCanNotBeEncodedIsAnInternalError(t *testing.T) {
	s, _ := testServer(t, nil, Route{"GET /", func(w http.ResponseWriter, _ *http.Request) error {
		return WriteJSON(w, http.StatusOK, func() {})
	}})
	wantProblem(t, s.answer(get("/")), http.StatusInternalServerError, "internal")
}

func TestQueryIsTakenLiterally(t *testing.T) {
	for query, want := range map[string][]string{
		"":                   nil,
		"a=1&b=2":            nil,
		"&&a=1&":             nil,
		"a=x%20y+z":          {"a"},
		"a":                  {"a"},
		"a=":                 {"a"},
		"a=1&a=1":            {"a"},
		"a=1&a=1&a=1":        {"a"},
		"A=1":                {"A"},
		"c=1&d=2&c=3":        {"c", "d"},
		"a=%zz":              {"a"},
		"%zz=1":              {"%zz"},
		"a=1;b=2":            {"a"},
		"a=1&%62=2":          nil,
		"b=anything&a=wrong": {"a"},
	} {
		q := ReadQuery(httptest.NewRequest("GET", "/?"+query, nil), "a", "b")
		q.Read("a", "must be 1", func(text string) bool { return text == "1" })
		var got []string
		var p *Problem
		if err := q.Err(); errors.As(err, &p) {
			for _, violation := range p.Errors {
				got = append(got, violation.Parameter)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q violates %q, want %q", query, got, want)
		}
	}
}

func TestQueryValueIsDecoded(t *testing.T) {
	q := ReadQuery(httptest.NewRequest("GET", "/?a=x%2By+z", nil), "a", "b")
	if text, given := q.Get("a"); text != "x+y z" || !given {
		t.Errorf("a is %q, %v", text, given)
	}
	if text, given := q.Get("b"); text != "" || given {
		t.Errorf("b is %q, %v", text, given)
	}
}
