package reading

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations bounds what an error lists.
const maxViolations = 100

// Decode reads a message: a JSON text with 1 to MaxBatch readings, each of which keeps every rule. The error says
// what does not, under JSON pointers.
func Decode(data []byte) (batch []Reading, err error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	d := &decoder{data: data}
	batch = d.batch()
	switch {
	case d.malformed != "":
		return nil, errors.New(d.malformed)
	case len(d.violations) > 0:
		return nil, errors.New(strings.Join(d.violations, "; "))
	default:
		return batch, nil
	}
}

func (d *decoder) batch() (batch []Reading) {
	d.object(func(string) {
		length := d.array(func(i int) {
			if reading := d.reading(); i < MaxBatch {
				batch = append(batch, reading)
			}
		})
		if length < 1 || length > MaxBatch {
			d.violate("", fmt.Sprintf("must hold 1 to %d readings", MaxBatch))
		}
	}, "readings")
	return batch
}

func (d *decoder) reading() (reading Reading) {
	d.object(func(member string) {
		switch member {
		case "device":
			reading.Device = string(d.text())
		case "epoch":
			reading.Epoch = d.integer(1, MaxEpoch)
		case "sequence":
			reading.Sequence = d.integer(1, MaxSequence)
		case "measured_at":
			at, ok := ParseTime(string(d.text()))
			if !ok {
				d.violate("", "must be a time in UTC such as 2026-11-18T11:06:41.250Z")
			}
			reading.MeasuredAt = at
		case "value":
			reading.Value = d.float()
		}
	}, "device", "epoch", "sequence", "measured_at", "value")
	reading.Validate(d.violate)
	return reading
}

// decoder walks through a valid JSON text and takes it literally: members go by their exact names,
// once each, none is missing, and null stands for nothing. What has the wrong type or shape ends the
// walk; what breaks a rule is noted under its JSON pointer and the walk goes on.
type decoder struct {
	data       []byte
	at         int // where in data the walk is
	path       []byte
	malformed  string
	violations []string
}

// violate notes a broken rule: of a member, or of the present value when no member is named. Only
// the first for each place is kept.
func (d *decoder) violate(member, detail string) {
	if len(d.violations) == maxViolations {
		return
	}
	pointer := "#" + string(d.path)
	if member != "" {
		pointer += "/" + member
	}
	if !slices.ContainsFunc(d.violations, func(v string) bool { return strings.HasPrefix(v, pointer+" ") }) {
		d.violations = append(d.violations, pointer+" "+detail)
	}
}

// object reads an object that has exactly the named members, in any order, and calls member at the
// value of each.
func (d *decoder) object(member func(name string), names ...string) {
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
			d.violate(name, "is missing")
		}
	}
}

// array reads an array, calls element at each value, and returns how many there were.
func (d *decoder) array(element func(index int)) (length int) {
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

// integer reads a number that is written as an integer and lies within bounds.
func (d *decoder) integer(least, most int64) int64 {
	n, err := strconv.ParseInt(d.number(), 10, 64)
	if err != nil || n < least || n > most {
		d.violate("", fmt.Sprintf("must be an integer from %d to %d, without fraction or exponent", least, most))
	}
	return n
}

// float reads a number that float64 can hold.
func (d *decoder) float() float64 {
	x, err := strconv.ParseFloat(d.number(), 64)
	if err != nil {
		d.violate("", "is out of range")
	}
	return x
}

func (d *decoder) number() string {
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
func (d *decoder) text() []byte {
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
func (d *decoder) more(closing byte) bool {
	d.skip(',')
	return !d.skip(closing) && d.malformed == ""
}

// skip goes past a character if it is the next one.
func (d *decoder) skip(c byte) bool {
	found := d.next() == c
	if found {
		d.at++
	}
	return found
}

// next goes past white space and returns what comes then, or 0 once the walk has ended.
func (d *decoder) next() byte {
	for d.at < len(d.data) && strings.IndexByte(" \t\r\n", d.data[d.at]) >= 0 {
		d.at++
	}
	if d.malformed != "" || d.at == len(d.data) {
		return 0
	}
	return d.data[d.at]
}

// fail keeps the first reason.
func (d *decoder) fail(reason string) {
	if d.malformed == "" {
		d.malformed = "#" + string(d.path) + " " + reason
	}
}
