package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/rpc-api/internal/config"
)

const echoPath = "/test.v1.EchoService/Echo"

type (
	textRequest  = connect.Request[wrapperspb.StringValue]
	textResponse = connect.Response[wrapperspb.StringValue]
	procedure    func(context.Context, *textRequest) (*textResponse, error)
)

func echo(_ context.Context, request *textRequest) (*textResponse, error) {
	return connect.NewResponse(request.Msg), nil
}

// procedureRoutes is the procedure as the server mounts it.
func procedureRoutes(p procedure) []Route {
	return Procedures(connect.NewUnaryHandler(echoPath, p, HandlerOptions()...), echoPath)
}

// protocols are those that clients speak, with one that says so.
func protocols() map[string][]connect.ClientOption {
	return map[string][]connect.ClientOption{
		"connect":      nil,
		"connect JSON": {connect.WithProtoJSON()},
		"gRPC":         {connect.WithGRPC()},
		"gRPC-Web":     {connect.WithGRPCWeb()},
	}
}

func eachProtocol(t *testing.T, s *Server, check func(t *testing.T, call func(text string) (string, error))) {
	t.Helper()
	for name, options := range protocols() {
		t.Run(name, func(t *testing.T) {
			client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http2Client(t), s.url(echoPath), options...)
			check(t, func(text string) (string, error) {
				response, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(text)))
				if err != nil {
					return "", err
				}
				return response.Msg.GetValue(), nil
			})
		})
	}
}

func serveProcedure(t *testing.T, p procedure) (*Server, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	s, _ := serve(t, testOptions(log), procedureRoutes(p)...)
	return s, log
}

func TestEachProtocolIsAnswered(t *testing.T) {
	s, _ := serveProcedure(t, echo)
	eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
		if got, err := call("hello"); got != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	if text := s.metricsText(); !strings.Contains(text, `http_route="`+echoPath+`",rpc_response_status_code="ok"} 4`+"\n") {
		t.Errorf("counted %s", text)
	}
}

func TestErrorReachesClientsOfEachProtocol(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		code    connect.Code
		message string
		level   string
	}{
		"for clients": {Fail(connect.CodeAlreadyExists, "it is there"), connect.CodeAlreadyExists, "it is there", "INFO"},
		"unexpected":  {errors.New("password is wrong"), connect.CodeInternal, "internal error", "ERROR"},
		"deadline":    {context.DeadlineExceeded, connect.CodeDeadlineExceeded, "the request took too long", "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := serveProcedure(t, func(context.Context, *textRequest) (*textResponse, error) { return nil, test.err })
			eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
				_, err := call("")
				if failure, ok := errors.AsType[*connect.Error](err); !ok || failure.Code() != test.code || failure.Message() != test.message {
					t.Errorf("got %v", err)
				}
			})
			if want := `"error":"` + test.err.Error() + `"`; strings.Count(log.String(), want) != 4 ||
				strings.Count(log.String(), `"level":"`+test.level+`","msg":"request"`) != 4 {
				t.Errorf("logged %s", log)
			}
			if want := `rpc_response_status_code="` + test.code.String() + `"`; !strings.Contains(s.metricsText(), want) {
				t.Errorf("there is no %s", want)
			}
		})
	}
}

func TestPanicOfAProcedureIsAnInternalError(t *testing.T) {
	s, log := serveProcedure(t, func(context.Context, *textRequest) (*textResponse, error) { panic("the cause") })
	eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
		_, err := call("")
		if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "the cause") {
			t.Errorf("got %v", err)
		}
	})
	if strings.Count(log.String(), "panic: the cause") != 4 {
		t.Errorf("logged %s", log)
	}
}

func TestCallsThatAreTooManyAreUnavailable(t *testing.T) {
	o := testOptions(io.Discard)
	o.Config.MaxInFlight = 1
	s, _ := serve(t, o, procedureRoutes(echo)...)
	s.slots <- struct{}{}
	eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
		if _, err := call(""); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("got %v", err)
		}
	})
}

func TestCallThatTakesTooLongIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := testServer(t, nil, procedureRoutes(func(ctx context.Context, _ *textRequest) (*textResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})...)
		start := time.Now()
		w := s.answer(post(`""`, "application/json"))
		if w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), `"deadline_exceeded"`) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func post(body, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, echoPath, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestMessageIsBounded(t *testing.T) {
	s, _ := serveProcedure(t, echo)
	eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
		if _, err := call(strings.Repeat("x", 1_048_576-16)); err != nil {
			t.Errorf("a message within the bound: %v", err)
		}
		for _, size := range []int{1_048_576, 2_097_152} {
			if _, err := call(strings.Repeat("x", size)); connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("a message of %d bytes: %v", size, err)
			}
		}
	})
}

func TestMessageThatUnpacksToTooMuchIsRefused(t *testing.T) {
	s, _ := testServer(t, nil, procedureRoutes(echo)...)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(bytes.Repeat([]byte(" "), 16*maxMessageBytes)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	r := post(packed.String(), "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	if w := s.answer(r); w.Code != http.StatusTooManyRequests {
		t.Errorf("%d bytes are answered %d %s", packed.Len(), w.Code, w.Body)
	}
}

func TestRequestThatIsNoCallIsAnswered(t *testing.T) {
	s, log := testServer(t, nil, procedureRoutes(echo)...)
	for target, want := range map[string]struct {
		contentType string
		status      int
		body        string
	}{
		"POST /test.v1.EchoService/Sing": {"application/json", http.StatusNotFound, `"unimplemented"`},
		"GET /":                          {"", http.StatusNotFound, `"unimplemented"`},
		"POST /" + echoPath:              {"application/json", http.StatusNotFound, `"unimplemented"`},
		"POST " + echoPath + "/":         {"application/json", http.StatusNotFound, `"unimplemented"`},
		"PUT " + echoPath:                {"application/json", http.StatusMethodNotAllowed, ""},
		"POST " + echoPath:               {"text/plain", http.StatusUnsupportedMediaType, ""},
	} {
		method, path, _ := strings.Cut(target, " ")
		r := httptest.NewRequest(method, path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", want.contentType)
		w := s.answer(r)
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) || w.Header().Get("Location") != "" {
			t.Errorf("%s is answered %d %v %s", target, w.Code, w.Header(), w.Body)
		}
	}
	if got := strings.Count(log.String(), `"code":"unimplemented"`); got != 6 {
		t.Errorf("%d of 6 are logged as unimplemented: %s", got, log)
	}
}

func TestProcedureThatIsNotThereIsUnimplemented(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard))
	eachProtocol(t, s, func(t *testing.T, call func(string) (string, error)) {
		if _, err := call(""); connect.CodeOf(err) != connect.CodeUnimplemented {
			t.Errorf("got %v", err)
		}
	})
}

func TestRequestThatBreaksOffIsTheClientsFault(t *testing.T) {
	for contentType, begin := range map[string]string{
		"application/json":           `{`,
		"application/proto":          "\n",
		"application/grpc":           "\x00\x00",
		"application/grpc-web+proto": "\x00\x00\x00\x00\x09\n",
	} {
		s, log := testServer(t, nil, procedureRoutes(echo)...)
		r := post("", contentType)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(begin), failingReader{io.ErrUnexpectedEOF}))
		w := s.answer(r)
		if line := log.line(t, "request"); line["code"] != "invalid_argument" || line["level"] != "INFO" {
			t.Errorf("%s is answered %d %s: %v", contentType, w.Code, w.Body, line)
		}
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// FuzzProcedure sends what no client would: whatever comes, it is not the service that is to blame.
func FuzzProcedure(f *testing.F) {
	types := []string{
		"application/json", "application/proto", "application/connect+json", "application/grpc", "application/grpc+json",
		"application/grpc-web", "application/grpc-web-text",
	}
	for _, contentType := range types {
		for _, body := range []string{"", "{}", `"x"`, "\x00\x00\x00\x00\x02\n\x00", "\x00\x00\x00\x00\x09\n", "\x01\x00\x00\x00\x01x", "\xff"} {
			f.Add(contentType, "gzip", []byte(body))
			f.Add(contentType, "", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		s, log := testServer(t, func(c *config.Config) { c.MaxInFlight = 1 }, procedureRoutes(echo)...)
		r := post(string(body), contentType)
		r.ProtoMajor, r.ProtoMinor = 2, 0
		for _, name := range []string{"Content-Encoding", "Grpc-Encoding"} {
			r.Header.Set(name, encoding)
		}
		w := s.answer(r)
		expected := []string{"ok", "invalid_argument", "unimplemented", "resource_exhausted"}
		if line := log.line(t, "request"); !slices.Contains(expected, line["code"].(string)) {
			t.Errorf("%q of %s is answered %d %v %s: %v", body, contentType, w.Code, w.Header(), w.Body, line)
		}
	})
}
