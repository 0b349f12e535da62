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

	"example.com/http-api/internal/strictjson"
)

// DecodeJSON reads the body of a request. It returns a bad_request for what can't be read as value
// wants it, or a validation_failed with every broken rule.
func DecodeJSON(r *http.Request, value func(*strictjson.Decoder)) error {
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
	broken, err := strictjson.Decode(data, value)
	if err != nil {
		return Fail(http.StatusBadRequest, "bad_request", err.Error())
	}
	if len(broken) == 0 {
		return nil
	}
	violations := make([]Violation, len(broken))
	for i, rule := range broken {
		violations[i] = Violation{Pointer: rule.Pointer, Detail: rule.Detail}
	}
	return Fail(http.StatusUnprocessableEntity, "validation_failed", "The body breaks rules.", violations...)
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
	if !known && len(q.violations) < strictjson.MaxViolations {
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
