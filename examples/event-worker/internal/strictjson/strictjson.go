// Package strictjson reads JSON as literally as the contract is written.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxViolations bounds what Decode lists.
const MaxViolations = 100

// Violation is a rule that a value breaks. Pointer is the JSON pointer to it, as the fragment of a URI (RFC 6901).
type Violation struct {
	Pointer, Detail string
}

// Decode calls value with a decoder at the beginning of a JSON text. The error is that the text can't be read as value
// wants it; of one that can be read, it lists the rules that it breaks.
func Decode(data []byte, value func(*Decoder)) ([]Violation, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("# is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("# is not JSON: %w", json.Unmarshal(data, new(json.RawMessage)))
	}
	d := &Decoder{data: data}
	value(d)
	if d.malformed != nil {
		return nil, d.malformed
	}
	return d.violations, nil
}

// Decoder walks through a valid JSON text and takes it literally: members go by their exact names,
// once each, none is missing, and null stands for nothing. What has the wrong type or shape ends the
// walk; what breaks a rule is noted under its JSON pointer and the walk goes on.
type Decoder struct {
	data       []byte
	at         int // where in data the walk is
	path       []byte
	malformed  error
	violations []Violation
}

// Violate notes a broken rule: of a member, or of the present value when no member is named. Only
// the first for each place is kept.
func (d *Decoder) Violate(member, detail string) {
	if len(d.violations) == MaxViolations {
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
	return !d.skip(closing) && d.malformed == nil
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
	if d.malformed != nil || d.at == len(d.data) {
		return 0
	}
	return d.data[d.at]
}

// fail keeps the first reason.
func (d *Decoder) fail(reason string) {
	if d.malformed == nil {
		d.malformed = fmt.Errorf("#%s %s", d.path, reason)
	}
}
