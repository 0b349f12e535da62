package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// box has a member of each kind that Decoder reads.
type box struct {
	Name  string    `json:"name"`
	Count int64     `json:"count"`
	Sizes []float64 `json:"sizes"`
}

func decodeBox(d *Decoder) (b box) {
	d.Object(func(member string) {
		switch member {
		case "name":
			b.Name = d.String()
		case "count":
			b.Count = d.Integer(1, 9)
		case "sizes":
			d.Array(func(int) { b.Sizes = append(b.Sizes, d.Number()) })
		}
	}, "name", "count", "sizes")
	return b
}

func decodeText(text string) (b box, err error) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	err = DecodeJSON(r, func(d *Decoder) { b = decodeBox(d) })
	return b, err
}

func TestDecodeJSONTakesWhatIsMeant(t *testing.T) {
	for _, text := range []string{
		`{"name":"x","count":7,"sizes":[1,-2.5,3e2]}`,
		" \n{ \"sizes\" : [ 1 , -2.5 , 300 ] , \"count\" : 7 , \"n\\u0061me\" : \"\\u0078\" }\t",
	} {
		b, err := decodeText(text)
		if err != nil || b.Name != "x" || b.Count != 7 || !slices.Equal(b.Sizes, []float64{1, -2.5, 300}) {
			t.Errorf("%s gives %+v, %v", text, b, err)
		}
	}
}

func TestDecodeJSONRefusesWhatItCanNotRead(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              ``,
		"syntax":               `{"name":"x","count":7,"sizes":[1,]}`,
		"trailing data":        `{"name":"x","count":7,"sizes":[]} {}`,
		"byte-order mark":      "\ufeff" + `{"name":"x","count":7,"sizes":[]}`,
		"not UTF-8":            `{"name":"` + "\xff" + `","count":7,"sizes":[]}`,
		"null":                 `null`,
		"null member":          `{"name":null,"count":7,"sizes":[]}`,
		"null element":         `{"name":"x","count":7,"sizes":[null]}`,
		"wrong type":           `{"name":7,"count":7,"sizes":[]}`,
		"number as string":     `{"name":"x","count":"7","sizes":[]}`,
		"object for array":     `{"name":"x","count":7,"sizes":{}}`,
		"array for object":     `[]`,
		"unknown member":       `{"name":"x","count":7,"sizes":[],"more":1}`,
		"wrongly cased":        `{"Name":"x","count":7,"sizes":[]}`,
		"twice":                `{"name":"x","name":"x","count":7,"sizes":[]}`,
		"twice, once escaped":  `{"name":"x","n\u0061me":"x","count":7,"sizes":[]}`,
		"unknown after a rule": `{"name":"x","count":0,"sizes":[],"more":1}`,
	} {
		_, err := decodeText(text)
		var p *Problem
		if !errors.As(err, &p) || p.Code != "bad_request" || p.Errors != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDecodeJSONListsAllBrokenRules(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`: {"#/name", "#/count", "#/sizes"},
		`{"sizes":[1,1e999,-1e999],"count":10,"name":""}`:     {"#/sizes/1", "#/sizes/2", "#/count"},
		`{"name":"","count":1.0,"sizes":[]}`:                  {"#/count"},
		`{"name":"","count":1e0,"sizes":[]}`:                  {"#/count"},
		`{"name":"","count":0}`:                               {"#/count", "#/sizes"},
		`{"name":"","count":99999999999999999999,"sizes":[]}`: {"#/count"},
	} {
		_, err := decodeText(text)
		var p *Problem
		if !errors.As(err, &p) || p.Code != "validation_failed" {
			t.Errorf("%s gives %v", text, err)
			continue
		}
		var got []string
		for _, violation := range p.Errors {
			got = append(got, violation.Pointer)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", text, got, want)
		}
	}
}

func TestProblemListsAtMostAHundredViolations(t *testing.T) {
	_, err := decodeText(`{"name":"","count":1,"sizes":[` + strings.Repeat("1e999,", 200) + `1]}`)
	var p *Problem
	if !errors.As(err, &p) || len(p.Errors) != 100 {
		t.Errorf("got %v", err)
	}
}

func TestEachPlaceIsListedOnce(t *testing.T) {
	d := new(Decoder)
	d.Violate("a", "first")
	d.Violate("a", "second")
	d.Violate("", "other")
	want := []Violation{{Pointer: "#/a", Detail: "first"}, {Pointer: "#", Detail: "other"}}
	if !slices.Equal(d.violations, want) {
		t.Errorf("got %v", d.violations)
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
		err := DecodeJSON(r, func(*Decoder) {})
		var p *Problem
		if taken && err != nil || !taken && (!errors.As(err, &p) || p.Code != "unsupported_media_type") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func decodeAny(w http.ResponseWriter, r *http.Request) error {
	if err := DecodeJSON(r, func(*Decoder) {}); err != nil {
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
	if err := DecodeJSON(r, func(*Decoder) {}); !errors.Is(err, io.ErrUnexpectedEOF) {
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

// FuzzDecodeJSON holds the decoder against encoding/json, which takes more: what is accepted here
// must be accepted there and mean the same.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","count":7,"sizes":[1,-2.5,3e2]}`,
		`{"name":"\ud83d\ude00","count":9,"sizes":[]}`,
		`{"name":"x","count":7,"sizes":[[]]}`,
		`{"name":"x","name":"y"}`,
		`[{}]`, `{`, ``, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeText(text)
		if err != nil {
			if _, ok := errors.AsType[*Problem](err); !ok {
				t.Fatalf("%q gives %v, which is no problem", text, err)
			}
			return
		}
		var want box
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%q was accepted, but: %v", text, err)
		}
		if got.Name != want.Name || got.Count != want.Count || !slices.Equal(got.Sizes, want.Sizes) {
			t.Errorf("%q gives %+v, want %+v", text, got, want)
		}
	})
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
