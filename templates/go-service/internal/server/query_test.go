package server

import (
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
)

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
