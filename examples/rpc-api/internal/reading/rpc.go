package reading

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetryv1 "example.com/rpc-api/internal/gen/telemetry/v1"
	"example.com/rpc-api/internal/gen/telemetry/v1/telemetryv1connect"
	"example.com/rpc-api/internal/server"
)

// ServiceName is what health and reflection know the service by.
const ServiceName = telemetryv1connect.ReadingServiceName

const defaultLimit = 100

type handler struct {
	service Service
}

// Routes is the RPC API over a store.
func Routes(store Store) []server.Route {
	_, procedures := telemetryv1connect.NewReadingServiceHandler(&handler{Service{store}}, server.HandlerOptions()...)
	return server.Procedures(procedures,
		telemetryv1connect.ReadingServiceAddReadingsProcedure,
		telemetryv1connect.ReadingServiceListReadingsProcedure,
		telemetryv1connect.ReadingServiceListDevicesProcedure,
		telemetryv1connect.ReadingServiceGetDeviceProcedure,
	)
}

// AddReadings implements telemetryv1connect.ReadingServiceHandler, as the methods below do.
func (h *handler) AddReadings(
	ctx context.Context, request *telemetryv1.AddReadingsRequest,
) (*telemetryv1.AddReadingsResponse, error) {
	batch, err := readBatch(request.GetReadings())
	if err != nil {
		return nil, err
	}
	accepted, err := h.service.Insert(ctx, batch)
	if err != nil {
		return nil, failure(err)
	}
	return &telemetryv1.AddReadingsResponse{
		Accepted:   int32(accepted),              //nolint:gosec // at most MaxBatch
		Duplicates: int32(len(batch) - accepted), //nolint:gosec // at most MaxBatch
	}, nil
}

func (h *handler) ListReadings(
	ctx context.Context, request *telemetryv1.ListReadingsRequest,
) (*telemetryv1.ListReadingsResponse, error) {
	var rules server.Violations
	q := Query{
		Device: request.GetDevice(),
		From:   readBound(&rules, "from", request.GetFrom()),
		To:     readBound(&rules, "to", request.GetTo()),
		Limit:  readLimit(&rules, request.GetLimit()),
	}
	if q.Device != "" && !ValidDevice(q.Device) {
		rules.Report("device", deviceRule)
	}
	if err := invalid(&rules); err != nil {
		return nil, err
	}
	query := fmt.Sprintln("readings", q.Device, q.From, q.To, q.Limit)
	if err := readCursor(request.GetCursor(), query, &q.After, &q.After.Device); err != nil {
		return nil, err
	}
	page, more, err := h.service.List(ctx, q)
	if err != nil {
		return nil, failure(err)
	}
	response := &telemetryv1.ListReadingsResponse{Readings: make([]*telemetryv1.Reading, len(page))}
	for i, reading := range page {
		response.Readings[i] = &telemetryv1.Reading{
			Device:     reading.Device,
			Epoch:      reading.Epoch,
			Sequence:   uint32(reading.Sequence), //nolint:gosec // at most MaxSequence
			MeasuredAt: timestamppb.New(reading.MeasuredAt.Time),
			Value:      &reading.Value,
		}
	}
	if more {
		response.Next = newCursor(query, page[len(page)-1])
	}
	return response, nil
}

func (h *handler) ListDevices(
	ctx context.Context, request *telemetryv1.ListDevicesRequest,
) (*telemetryv1.ListDevicesResponse, error) {
	var rules server.Violations
	limit := readLimit(&rules, request.GetLimit())
	if err := invalid(&rules); err != nil {
		return nil, err
	}
	query := fmt.Sprintln("devices", limit)
	var after string
	if err := readCursor(request.GetCursor(), query, &after, &after); err != nil {
		return nil, err
	}
	page, more, err := h.service.Devices(ctx, after, limit)
	if err != nil {
		return nil, failure(err)
	}
	response := &telemetryv1.ListDevicesResponse{Devices: make([]*telemetryv1.DeviceSummary, len(page))}
	for i, device := range page {
		response.Devices[i] = &telemetryv1.DeviceSummary{
			Device:   device.Device,
			LastSeen: timestamppb.New(device.LastSeen.Time),
			Readings: int64(device.Readings),
		}
	}
	if more {
		response.Next = newCursor(query, page[len(page)-1].Device)
	}
	return response, nil
}

func (h *handler) GetDevice(
	ctx context.Context, request *telemetryv1.GetDeviceRequest,
) (*telemetryv1.GetDeviceResponse, error) {
	var rules server.Violations
	if !ValidDevice(request.GetDevice()) {
		rules.Report("device", deviceRule)
		return nil, invalid(&rules)
	}
	device, err := h.service.Device(ctx, request.GetDevice())
	if err != nil {
		return nil, failure(err)
	}
	return &telemetryv1.GetDeviceResponse{
		Device:    device.Device,
		FirstSeen: timestamppb.New(device.FirstSeen.Time),
		LastSeen:  timestamppb.New(device.LastSeen.Time),
		Readings:  int64(device.Readings),
		Epoch:     device.Epoch,
		Missing:   device.Missing,
	}, nil
}

func readBatch(messages []*telemetryv1.Reading) ([]Reading, error) {
	var rules server.Violations
	if len(messages) < 1 || len(messages) > MaxBatch {
		rules.Report("readings", fmt.Sprintf("must be 1 to %d", MaxBatch))
		return nil, invalid(&rules)
	}
	batch := make([]Reading, len(messages))
	for i, message := range messages {
		batch[i] = readReading(message, func(member, detail string) {
			rules.Report(fmt.Sprintf("readings[%d].%s", i, member), detail)
		})
	}
	return batch, invalid(&rules)
}

func readReading(message *telemetryv1.Reading, report func(member, detail string)) Reading {
	reading := Reading{
		Device:     message.GetDevice(),
		Epoch:      message.GetEpoch(),
		Sequence:   int64(message.GetSequence()),
		MeasuredAt: readTime(message.GetMeasuredAt()),
		Value:      message.GetValue(),
	}
	if message.MeasuredAt == nil {
		report("measured_at", "is missing")
	}
	if message.Value == nil {
		report("value", "is missing")
	}
	reading.Validate(report)
	return reading
}

// readTime gives a time that no rule allows for one that is none.
func readTime(t *timestamppb.Timestamp) Time {
	if !t.IsValid() {
		return Time{}
	}
	return Time{t.AsTime().Truncate(time.Millisecond)}
}

// readBound keeps clear of the zero time, which does not restrict a query.
func readBound(rules *server.Violations, field string, t *timestamppb.Timestamp) Time {
	if t == nil {
		return Time{}
	}
	if !t.IsValid() {
		rules.Report(field, "must be in the years 1 to 9999")
	}
	bound := readTime(t)
	if bound.IsZero() {
		bound.Time = bound.Add(-time.Millisecond)
	}
	return bound
}

func readLimit(rules *server.Violations, limit int32) int {
	if limit < 0 || limit > MaxBatch {
		rules.Report("limit", fmt.Sprintf("must be from 1 to %d, or 0 for %d", MaxBatch, defaultLimit))
	}
	if limit == 0 {
		return defaultLimit
	}
	return int(limit)
}

// readCursor sets position to where the page before ended, and leaves it alone for the first page.
func readCursor(cursor, query string, position any, device *string) error {
	if cursor == "" || openCursor(cursor, query, position, device) {
		return nil
	}
	var rules server.Violations
	rules.Report("cursor", "is not one of this query")
	return invalid(&rules)
}

func invalid(rules *server.Violations) error {
	return rules.Err(connect.CodeInvalidArgument, "the request breaks rules")
}

// failure says in terms of RPC what went wrong.
func failure(err error) error {
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict):
		var rules server.Violations
		for _, i := range conflict.Indexes {
			rules.Report(fmt.Sprintf("readings[%d]", i), "is stored with another value or time")
		}
		return rules.Err(connect.CodeAlreadyExists, "stored readings don't change")
	case errors.Is(err, ErrNotFound):
		return server.Fail(connect.CodeNotFound, "no reading of this device is stored")
	case errors.Is(err, ErrFull):
		return server.Fail(connect.CodeResourceExhausted, "the store has no room for these readings")
	default:
		return err
	}
}
