package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func query(ctx context.Context, sql string, err error) {
	ctx = tracer{}.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: sql})
	tracer{}.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{Err: err})
}

func TestQueryIsASpanBelowItsRequest(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, request := provider.Tracer("").Start(t.Context(), "GET /v1/devices")
	query(ctx, "-- name: ListDevices :many\nselect 1", nil)
	query(ctx, "begin isolation level serializable", errors.New("broken"))
	spans := recorder.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans have ended", len(spans))
	}
	for i, want := range []struct {
		name string
		code codes.Code
	}{
		{"ListDevices", codes.Unset},
		{"begin", codes.Error},
	} {
		if got := spans[i]; got.Name() != want.name || got.Status().Code != want.code ||
			got.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("got %s with %v below %v", got.Name(), got.Status().Code, got.Parent().SpanID())
		}
	}
}

func TestQueryOfARequestThatIsNotRecordedIsNone(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx, _ := provider.Tracer("").Start(t.Context(), "GET /v1/devices")
	query(ctx, "select 1", nil)
	query(t.Context(), "select 1", nil)
	if spans := recorder.Started(); len(spans) != 0 {
		t.Errorf("%d spans", len(spans))
	}
}
