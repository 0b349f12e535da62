package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations bounds what a problem lists.
const maxViolations = 100

// DecodeJSON reads the body of a request. It returns a bad_request for what can't be read as value
// wants it, or a validation_failed with every broken rule.
func DecodeJSON(r *http.Request, value func(*Decoder)) error {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return Fail(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be application/json.")
	}
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
	case errors.As(err, &tooLarge), errors.Is(err, os.ErrDeadlineExceeded), r.Context().Err() != nil:
		return err
	default:
		return Fail(http.StatusBadRequest, "bad_request", "The body could not be read to its end.")
	}
	if !utf8.Valid(data) {
		return Fail(http.StatusBadRequest, "bad_request", "The body is not UTF-8.")
	}
	if !json.Valid(data) {
		err := json.Unmarshal(data, new(json.RawMessage))
		return Fail(http.StatusBadRequest, "bad_request", fmt.Sprintf("The body is not JSON: %v.", err))
	}
	d := &Decoder{data: data}
	value(d)
	switch {
	case d.malformed != "":
		return Fail(http.StatusBadRequest, "bad_request", d.malformed)
	case len(d.violations) > 0:
		return Fail(http.StatusUnprocessableEntity, "validation_failed", "The body breaks rules.", d.violations...)
	default:
		return nil
	}
}

// Decoder walks through a valid JSON text and takes it literally: members go by their exact names,
// once each, none is missing, and null stands for nothing. What has the wrong type or shape ends the
// walk; what breaks a rule is noted under its JSON pointer and the walk goes on.
type Decoder struct {
	data       []byte
	at         int // where in data the walk is
	path       []byte
	malformed  string
	violations []Violation
}

// Violate notes a broken rule: of a member, or of the present value when no member is named. Only
// the first for each place is kept.
func (d *Decoder) Violate(member, detail string) {
	if len(d.violations) == maxViolations {
		return
	}
	pointer := "#" + string(d.path)
	if member != "" {
		pointer += "/" + member
	}
	if !slices.ContainsFunc(d.violations, func(v Violation) bool { return v.Pointer == pointer }) {
		d.violations = append(d.violations, Violation{Pointer: pointer, Detail: detail})
	}
}

// Object reads an object that has exactly the named members, in any order, and calls member at the
// value of each.
func (d *Decoder) Object(member func(name string), names ...string) {
	if !d.skip('{') {
		d.fail("must be an object")
	}
	seen := make([]bool, len(names))
	for outer := len(d.path); d.more('}'); d.path = d.path[:outer] {
		text := d.text()
		i := slices.IndexFunc(names, func(name string) bool { return name == string(text) })
		switch {
		case i < 0:
			d.fail(fmt.Sprintf("has an unknown member %.40q", text))
		case seen[i]:
			d.fail(fmt.Sprintf("has the member %q twice", text))
		default:
			seen[i] = true
			d.path = append(append(d.path, '/'), text...)
			d.skip(':')
			member(names[i])
		}
	}
	for i, name := range names {
		if !seen[i] {
			d.Violate(name, "is missing")
		}
	}
}

// Array reads an array, calls element at each value, and returns how many there were.
func (d *Decoder) Array(element func(index int)) (length int) {
	if !d.skip('[') {
		d.fail("must be an array")
	}
	for outer := len(d.path); d.more(']'); d.path = d.path[:outer] {
		d.path = strconv.AppendInt(append(d.path, '/'), int64(length), 10)
		element(length)
		length++
	}
	return length
}

// String reads a string.
func (d *Decoder) String() string {
	return string(d.text())
}

// Integer reads a number that is written as an integer and lies within bounds.
func (d *Decoder) Integer(least, most int64) int64 {
	n, err := strconv.ParseInt(d.number(), 10, 64)
	if err != nil || n < least || n > most {
		d.Violate("", fmt.Sprintf("must be an integer from %d to %d, without fraction or exponent", least, most))
	}
	return n
}

// Number reads a number that float64 can hold.
func (d *Decoder) Number() float64 {
	x, err := strconv.ParseFloat(d.number(), 64)
	if err != nil {
		d.Violate("", "is out of range")
	}
	return x
}

func (d *Decoder) number() string {
	if c := d.next(); c != '-' && (c < '0' || c > '9') {
		d.fail("must be a number")
		return ""
	}
	from := d.at
	for d.at < len(d.data) && strings.IndexByte("+-.0123456789Ee", d.data[d.at]) >= 0 {
		d.at++
	}
	return string(d.data[from:d.at])
}

// text returns what a string says.
func (d *Decoder) text() []byte {
	if d.next() != '"' {
		d.fail("must be a string")
		return nil
	}
	from, escaped := d.at, false
	for d.at++; d.data[d.at] != '"'; d.at++ {
		if d.data[d.at] == '\\' {
			d.at, escaped = d.at+1, true
		}
	}
	d.at++
	if !escaped {
		return d.data[from+1 : d.at-1]
	}
	var text string
	_ = json.Unmarshal(d.data[from:d.at], &text)
	return []byte(text)
}

// more goes to the next value of an array, or the next name of an object, and otherwise past the
// closing bracket.
func (d *Decoder) more(closing byte) bool {
	d.skip(',')
	return !d.skip(closing) && d.malformed == ""
}

// skip goes past a character if it is the next one.
func (d *Decoder) skip(c byte) bool {
	found := d.next() == c
	if found {
		d.at++
	}
	return found
}

// next goes past white space and returns what comes then, or 0 once the walk has ended.
func (d *Decoder) next() byte {
	for d.at < len(d.data) && strings.IndexByte(" \t\r\n", d.data[d.at]) >= 0 {
		d.at++
	}
	if d.malformed != "" || d.at == len(d.data) {
		return 0
	}
	return d.data[d.at]
}

// fail keeps the first reason.
func (d *Decoder) fail(reason string) {
	if d.malformed == "" {
		d.malformed = "#" + string(d.path) + " " + reason
	}
}

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

// WriteJSON answers with a value.
func WriteJSON(w http.ResponseWriter, status int, value any) error {
	return writeJSON(w, status, "application/json", value)
}

func writeJSON(w http.ResponseWriter, status int, mediaType string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}
