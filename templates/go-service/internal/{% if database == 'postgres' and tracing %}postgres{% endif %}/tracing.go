package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// tracer has a span for each query of a request that is recorded, under the name that sqlc knows it by.
type tracer struct{}

var _ pgx.QueryTracer = tracer{}

// TraceQueryStart implements pgx.QueryTracer.
func (tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	request := trace.SpanFromContext(ctx)
	if !request.IsRecording() {
		return ctx
	}
	ctx, _ = request.TracerProvider().Tracer("pgx").Start(ctx, queryName(data.SQL),
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql")))
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	span := trace.SpanFromContext(ctx)
	if data.Err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// queryName finds the name in the comment before a query, or else the first word of the statement.
func queryName(sql string) string {
	sql = strings.TrimPrefix(sql, "-- name: ")
	name, _, _ := strings.Cut(sql, " ")
	return name
}
