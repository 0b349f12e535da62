package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
)

func TestHealthIsReadiness(t *testing.T) {
	s, _ := testServer(t, nil)
	s.Handle(s.Discovery("test.v1.EchoService")...)
	check := func(service string) string {
		r := httptest.NewRequest(http.MethodPost, "/"+grpchealth.HealthV1ServiceName+"/Check", strings.NewReader(`{"service":"`+service+`"}`))
		r.Header.Set("Content-Type", "application/json")
		return s.answer(r).Body.String()
	}
	for _, service := range []string{"", "test.v1.EchoService"} {
		if got := check(service); !strings.Contains(got, `"SERVING_STATUS_SERVING"`) {
			t.Errorf("%q is %s", service, got)
		}
	}
	if got := check("test.v1.OtherService"); !strings.Contains(got, `"not_found"`) {
		t.Errorf("a service that is not there is %s", got)
	}
	s.draining.Store(true)
	if got := check(""); !strings.Contains(got, `"SERVING_STATUS_NOT_SERVING"`) {
		t.Errorf("while draining it is %s", got)
	}
}

func TestReflectionNamesTheServices(t *testing.T) {
	s, _ := serve(t, testOptions(io.Discard))
	s.Handle(s.Discovery("test.v1.EchoService")...)
	stream := grpcreflect.NewClient(http2Client(t), s.url(""), connect.WithGRPC()).NewStream(t.Context())
	names, err := stream.ListServices()
	if err != nil || len(names) != 1 || names[0] != "test.v1.EchoService" {
		t.Errorf("got %q, %v", names, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}
