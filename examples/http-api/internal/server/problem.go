package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// statusClientGone is what proxies log for a client that did not wait; it is never sent.
const statusClientGone = 499

// Problem is an error as RFC 9457 writes it, and a Go error, so that handlers can return it.
type Problem struct { //nolint:errname // the name that the RFC gives it
	Type      string      `json:"type"`
	Title     string      `json:"title"`
	Status    int         `json:"status"`
	Code      string      `json:"code"`
	Detail    string      `json:"detail,omitempty"`
	Instance  string      `json:"instance,omitempty"`
	RequestID string      `json:"request_id"`
	Errors    []Violation `json:"errors,omitempty"`

	// RetryAfter in seconds is sent as a header.
	RetryAfter int `json:"-"`
}

// Violation is one broken rule: in the body, where Pointer says, or in a parameter of the query.
type Violation struct {
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Detail    string `json:"detail"`
}

// Fail makes a problem. Programs act on the code, people read the detail.
func Fail(status int, code, detail string, violations ...Violation) *Problem {
	title := http.StatusText(status)
	kind := "urn:problem-type:" + code
	if code == strings.ReplaceAll(strings.ToLower(title), " ", "_") {
		kind = "about:blank" // nothing that the status does not say
	}
	return &Problem{Type: kind, Title: title, Status: status, Code: code, Detail: detail, Errors: violations}
}

// errOverloaded says that as many requests are being served as may be.
var errOverloaded = Unavailable("Too many requests are being served.", 1)

// Unavailable makes a problem that passes: the client is told after how many seconds to try again.
func Unavailable(detail string, retryAfter int) *Problem {
	problem := Fail(http.StatusServiceUnavailable, "overloaded", detail)
	problem.RetryAfter = retryAfter
	return problem
}

func (p *Problem) Error() string {
	return p.Code + ": " + p.Detail
}

// problemOf says what an error means to the client; nil when there is no client any more.
func problemOf(ctx context.Context, err error) *Problem {
	var problem *Problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &tooLarge):
		return Fail(http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Fail(http.StatusServiceUnavailable, "timeout", "The request took too long.")
	case ctx.Err() != nil:
		return nil //nolint:nilerr // nobody is left to answer
	default:
		return Fail(http.StatusInternalServerError, "internal", "")
	}
}

// fail answers a request with an error. An answer that has begun is cut off, so that the client
// can't take it for complete.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(w)
	e.err = err
	if e.status != 0 {
		panic(http.ErrAbortHandler)
	}
	problem := problemOf(r.Context(), err)
	if problem == nil {
		e.status = statusClientGone
		panic(http.ErrAbortHandler)
	}
	if problem.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(problem.RetryAfter))
	}
	sent := *problem
	sent.RequestID, sent.Instance = e.id[0], r.URL.EscapedPath()
	_ = writeJSON(w, sent.Status, "application/problem+json", sent)
}

// failed says of an answer that the service is to blame.
func (e *exchange) failed() bool {
	return e.status >= http.StatusInternalServerError
}

// route hands a request to the mux. What that answers by itself, in plain text, becomes a problem,
// and so do its redirects to a tidier path: nothing is served at two paths.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	e := exchangeOf(w)
	e.routing = true
	s.mux.ServeHTTP(w, r)
	if !e.routing {
		return
	}
	e.routing = false
	header := w.Header()
	header.Del("Location")
	if e.refusal == http.StatusMethodNotAllowed {
		fail(w, r, Fail(e.refusal, "method_not_allowed", "Allowed are "+header.Get("Allow")+"."))
		return
	}
	fail(w, r, Fail(http.StatusNotFound, "not_found", "There is nothing at this path."))
}
