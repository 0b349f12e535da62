package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"connectrpc.com/connect"
)

// maxMessageBytes bounds a message on the wire, and what it unpacks to.
const maxMessageBytes = 1 << 20

// statusClientGone is what proxies log for a client that did not wait.
const statusClientGone = 499

// Where gRPC says how a call ended.
const (
	statusHeader  = "Grpc-Status"
	messageHeader = "Grpc-Message"
)

const unreadable = "the request could not be read to its end"

// errOverloaded says that as many requests are being served as may be.
var errOverloaded = Unavailable("too many requests are being served")

// Unavailable makes an error that passes: the client is told to try again after a second.
func Unavailable(text string) *connect.Error {
	failure := Fail(connect.CodeUnavailable, text)
	failure.Meta().Set("Retry-After", "1")
	return failure
}

// exchangeKey is for the one value in a context: procedures have no ResponseWriter to ask.
type exchangeKey struct{}

// HandlerOptions are those of every procedure.
func HandlerOptions() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(maxMessageBytes),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(settle)),
	}
}

// Procedures mounts a handler under the path of each of its procedures.
func Procedures(handler http.Handler, paths ...string) []Route {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, exchangeOf(w)))
		r.Body = body{r.Body}
		handler.ServeHTTP(w, r)
		return nil
	}
	routes := make([]Route, len(paths))
	for i, path := range paths {
		routes[i] = Route{path, serve}
	}
	return routes
}

// settle turns the error of a procedure into what its client may know. The log gets all of it.
func settle(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		response, err := next(ctx, request)
		if err == nil {
			return response, nil
		}
		if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
			e.err = err
		}
		return nil, errorOf(ctx, err)
	}
}

// errorOf says what an error means to the client.
func errorOf(ctx context.Context, err error) *connect.Error {
	var known *connect.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Fail(connect.CodeDeadlineExceeded, "the request took too long")
	case ctx.Err() != nil:
		return Fail(connect.CodeCanceled, "the client did not wait")
	default:
		return Fail(connect.CodeInternal, "internal error")
	}
}

// fail answers a request with an error, in the protocol of its client. An answer that has begun is
// cut off, so that the client can't take it for complete.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(w)
	e.err = err
	if e.status != 0 {
		panic(http.ErrAbortHandler)
	}
	answer := errorOf(r.Context(), err)
	if answer.Code() == connect.CodeCanceled {
		e.status = statusClientGone
		panic(http.ErrAbortHandler)
	}
	_ = connect.NewErrorWriter().Write(w, r, answer)
}

// route hands a request to the mux. Instead of what that answers by itself, be it a redirect to a
// tidier path, clients are told that there is no such procedure.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	e := exchangeOf(w)
	e.routing = true
	s.mux.ServeHTTP(w, r)
	if !e.routing {
		return
	}
	e.routing = false
	const reason = "there is no such procedure"
	header := w.Header()
	header.Del("Location")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		fail(w, r, Fail(connect.CodeUnimplemented, reason))
		return
	}
	// The status that the protocol of Connect wants for this, other than for what is not implemented.
	header.Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"code":"unimplemented","message":"`+reason+`"}`)
}

// Flush implements http.Flusher. Streams need it, and connect ends every answer of gRPC with it.
func (e *exchange) Flush() {
	e.blameClient()
	if e.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(e.ResponseWriter).Flush()
}

// blameClient corrects what connect says of a request that it can't take apart: that the service is
// at fault, in the words of the error it met.
func (e *exchange) blameClient() {
	if e.err != nil {
		return
	}
	header := e.Header()
	for _, prefix := range [...]string{"", http.TrailerPrefix} {
		status := header[prefix+statusHeader]
		if len(status) == 1 && (nameOf(status[0]) == "internal" || nameOf(status[0]) == "unknown") {
			status[0] = strconv.Itoa(int(connect.CodeInvalidArgument))
			header[prefix+messageHeader] = []string{unreadable}
		}
	}
}

// code is how a call ended: as gRPC says it, else by the status that the protocol of Connect has for it.
func (e *exchange) code() string {
	if e.refusal != 0 {
		return connect.CodeUnimplemented.String()
	}
	header := e.Header()
	for _, values := range [...][]string{header[statusHeader], header[http.TrailerPrefix+statusHeader]} {
		if len(values) == 1 {
			return nameOf(values[0])
		}
	}
	switch e.status {
	case http.StatusOK:
		return nameOf("0")
	case http.StatusBadRequest:
		return connect.CodeInvalidArgument.String()
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated.String()
	case http.StatusForbidden:
		return connect.CodePermissionDenied.String()
	case http.StatusNotFound:
		return connect.CodeNotFound.String()
	case http.StatusConflict:
		return connect.CodeAlreadyExists.String()
	case http.StatusTooManyRequests:
		return connect.CodeResourceExhausted.String()
	case statusClientGone:
		return connect.CodeCanceled.String()
	case http.StatusServiceUnavailable:
		return connect.CodeUnavailable.String()
	case http.StatusGatewayTimeout:
		return connect.CodeDeadlineExceeded.String()
	case http.StatusInternalServerError:
		return connect.CodeInternal.String()
	default:
		return connect.CodeUnimplemented.String()
	}
}

// failed says of a call that the service is to blame.
func (e *exchange) failed() bool {
	switch e.code() {
	case "unknown", "deadline_exceeded", "internal", "unavailable", "data_loss":
		return true
	default:
		return false
	}
}

func nameOf(number string) string {
	code, _ := strconv.ParseUint(number, 10, 32)
	if code == 0 {
		return "ok"
	}
	return connect.Code(code).String()
}

// body says of a request that breaks off that it is the client who is at fault.
type body struct {
	io.ReadCloser
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var tooLarge *http.MaxBytesError
	if err == nil || err == io.EOF || errors.As(err, &tooLarge) || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	return n, Fail(connect.CodeInvalidArgument, unreadable)
}
