package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Query is what a request asks for after the question mark.
type Query struct {
	values     map[string]string
	violations []Violation
}

// ReadQuery takes the query of a request as literally as DecodeJSON takes a body: a parameter that
// is not among the names, is there twice or can't be decoded is a violation.
func ReadQuery(r *http.Request, names ...string) *Query {
	q := &Query{values: make(map[string]string)}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		value, err := url.QueryUnescape(value)
		_, repeated := q.values[name]
		switch {
		case !slices.Contains(names, name):
			q.violate(name, "is unknown")
		case repeated:
			q.violate(name, "is there twice")
		case err != nil:
			q.violate(name, "is not encoded properly")
		}
		q.values[name] = value
	}
	return q
}

// Read hands a parameter that is there to parse. The rule tells the client what it must be.
func (q *Query) Read(name, rule string, parse func(text string) bool) {
	if text, given := q.values[name]; given && !parse(text) {
		q.violate(name, rule)
	}
}

// Get returns the value of a parameter as it is.
func (q *Query) Get(name string) (text string, given bool) {
	text, given = q.values[name]
	return text, given
}

// Err is a validation_failed with all violations, or nil.
func (q *Query) Err() error {
	if len(q.violations) == 0 {
		return nil
	}
	return Fail(http.StatusUnprocessableEntity, "validation_failed", "The query breaks rules.", q.violations...)
}

// violate keeps the first violation of each parameter.
func (q *Query) violate(name, detail string) {
	known := slices.ContainsFunc(q.violations, func(v Violation) bool { return v.Parameter == name })
	if !known && len(q.violations) < maxViolations {
		q.violations = append(q.violations, Violation{Parameter: name, Detail: detail})
	}
}
