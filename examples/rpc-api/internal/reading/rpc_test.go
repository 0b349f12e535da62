package reading_test

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/rpc-api/internal/config"
	telemetryv1 "example.com/rpc-api/internal/gen/telemetry/v1"
	"example.com/rpc-api/internal/gen/telemetry/v1/telemetryv1connect"
	"example.com/rpc-api/internal/reading"
	"example.com/rpc-api/internal/server"
	"example.com/rpc-api/internal/telemetry"
)

// newAPI is the service as clients see it.
func newAPI(store reading.Store) *server.Server {
	level := new(slog.LevelVar)
	api := server.New(server.Options{
		Config:   config.Default(),
		Logger:   telemetry.NewLogger(io.Discard, level),
		Level:    level,
		Registry: prometheus.NewRegistry(),
	})
	api.Handle(reading.Routes(store)...)
	return api
}

// newClient calls a service with this store over HTTP/2, in Protobuf.
func newClient(t *testing.T, store reading.Store, options ...connect.ClientOption) telemetryv1connect.ReadingServiceClient {
	t.Helper()
	api := httptest.NewUnstartedServer(newAPI(store))
	api.Config.Protocols = new(http.Protocols)
	api.Config.Protocols.SetUnencryptedHTTP2(true)
	api.Start()
	transport := &http.Transport{Protocols: api.Config.Protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		api.Close()
	})
	return telemetryv1connect.NewReadingServiceClient(&http.Client{Transport: transport}, api.URL, options...)
}

var start = time.Date(2026, 11, 18, 11, 0, 0, 0, time.UTC)

// batch has readings of a device, one for each second from the first to the last.
func batch(device string, first, last uint32) *telemetryv1.AddReadingsRequest {
	request := new(telemetryv1.AddReadingsRequest)
	for i := first; i <= last; i++ {
		request.Readings = append(request.Readings, &telemetryv1.Reading{
			Device: device, Epoch: 1, Sequence: i, Value: new(float64(i)),
			MeasuredAt: timestamppb.New(start.Add(time.Duration(i) * time.Second)),
		})
	}
	return request
}

func add(t *testing.T, client telemetryv1connect.ReadingServiceClient, device string, first, last uint32) {
	t.Helper()
	if _, err := client.AddReadings(t.Context(), batch(device, first, last)); err != nil {
		t.Fatal(err)
	}
}

// wantError checks the code, and the paths of the fields that the error names.
func wantError(t *testing.T, err error, code connect.Code, fields ...string) {
	t.Helper()
	if connect.CodeOf(err) != code {
		t.Errorf("got %v, want %v", err, code)
	}
	if got := fieldsOf(t, err); !slices.Equal(got, fields) {
		t.Errorf("%v names %q, want %q", err, got, fields)
	}
}

func fieldsOf(t *testing.T, err error) (fields []string) {
	t.Helper()
	failure, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil
	}
	for _, detail := range failure.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		for _, violation := range value.(*errdetails.BadRequest).GetFieldViolations() {
			fields = append(fields, violation.GetField())
		}
	}
	return fields
}

func TestReadingComesBackInEachProtocol(t *testing.T) {
	for name, options := range map[string][]connect.ClientOption{
		"connect": nil, "JSON": {connect.WithProtoJSON()}, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, reading.NewMemory(1000), options...)
			add(t, client, "a", 7, 7)
			added, err := client.AddReadings(t.Context(), batch("a", 6, 8))
			if err != nil || added.GetAccepted() != 2 || added.GetDuplicates() != 1 {
				t.Errorf("got %v, %v", added, err)
			}
			list, err := client.ListReadings(t.Context(), &telemetryv1.ListReadingsRequest{Limit: 1})
			if want := batch("a", 8, 8).GetReadings()[0]; err != nil || !proto.Equal(list.GetReadings()[0], want) {
				t.Errorf("got %v, %v, want %v", list, err, want)
			}
			device, err := client.GetDevice(t.Context(), &telemetryv1.GetDeviceRequest{Device: "a"})
			want := &telemetryv1.GetDeviceResponse{
				Device: "a", Readings: 3, Epoch: 1, Missing: 5,
				FirstSeen: timestamppb.New(start.Add(6 * time.Second)), LastSeen: timestamppb.New(start.Add(8 * time.Second)),
			}
			if err != nil || !proto.Equal(device, want) {
				t.Errorf("got %v, %v, want %v", device, err, want)
			}
			conflict := batch("a", 5, 7)
			conflict.Readings[2].Value = new(float64(-1))
			_, err = client.AddReadings(t.Context(), conflict)
			wantError(t, err, connect.CodeAlreadyExists, "readings[2]")
			_, err = client.GetDevice(t.Context(), &telemetryv1.GetDeviceRequest{Device: "b"})
			wantError(t, err, connect.CodeNotFound)
		})
	}
}

func TestEveryBrokenRuleOfABatchIsNamed(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	for name, test := range map[string]struct {
		change func(*telemetryv1.AddReadingsRequest)
		fields []string
	}{
		"none":        {func(r *telemetryv1.AddReadingsRequest) { r.Readings = nil }, []string{"readings"}},
		"too many":    {func(r *telemetryv1.AddReadingsRequest) { r.Readings = batch("a", 1, 1001).GetReadings() }, []string{"readings"}},
		"no time":     {func(r *telemetryv1.AddReadingsRequest) { r.Readings[0].MeasuredAt = nil }, []string{"readings[0].measured_at"}},
		"no value":    {func(r *telemetryv1.AddReadingsRequest) { r.Readings[1].Value = nil }, []string{"readings[1].value"}},
		"not a value": {func(r *telemetryv1.AddReadingsRequest) { r.Readings[1].Value = new(math.NaN()) }, []string{"readings[1].value"}},
		"not a time": {
			func(r *telemetryv1.AddReadingsRequest) { r.Readings[0].MeasuredAt.Nanos = 1e9 }, []string{"readings[0].measured_at"},
		},
		"too early": {
			func(r *telemetryv1.AddReadingsRequest) { r.Readings[0].MeasuredAt.Seconds = 946684799 }, []string{"readings[0].measured_at"},
		},
		"nothing": {
			func(r *telemetryv1.AddReadingsRequest) { r.Readings[1] = new(telemetryv1.Reading) },
			[]string{
				"readings[1].measured_at", "readings[1].value", "readings[1].device", "readings[1].epoch", "readings[1].sequence",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := batch("a", 1, 2)
			test.change(request)
			_, err := client.AddReadings(t.Context(), request)
			wantError(t, err, connect.CodeInvalidArgument, test.fields...)
		})
	}
	if list, err := client.ListDevices(t.Context(), new(telemetryv1.ListDevicesRequest)); err != nil || len(list.GetDevices()) > 0 {
		t.Errorf("got %v, %v, want nothing stored", list, err)
	}
}

func TestTimesAreCutToMilliseconds(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	request := batch("a", 1, 1)
	request.Readings[0].MeasuredAt.Nanos = 250_999_999
	if _, err := client.AddReadings(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	list, err := client.ListReadings(t.Context(), &telemetryv1.ListReadingsRequest{
		From: &timestamppb.Timestamp{Seconds: request.GetReadings()[0].GetMeasuredAt().GetSeconds(), Nanos: 250_500_000},
	})
	if err != nil || len(list.GetReadings()) != 1 || list.GetReadings()[0].GetMeasuredAt().GetNanos() != 250_000_000 {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestQueryIsHeldToItsRules(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	add(t, client, "a", 1, 5)
	never := &timestamppb.Timestamp{Seconds: math.MaxInt64}
	_, err := client.ListReadings(t.Context(), &telemetryv1.ListReadingsRequest{Device: "A", From: never, To: never, Limit: 1001, Cursor: "x"})
	wantError(t, err, connect.CodeInvalidArgument, "from", "to", "limit", "device")
	_, err = client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Limit: -1, Cursor: "x"})
	wantError(t, err, connect.CodeInvalidArgument, "limit")
	_, err = client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Cursor: "x"})
	wantError(t, err, connect.CodeInvalidArgument, "cursor")
	_, err = client.GetDevice(t.Context(), &telemetryv1.GetDeviceRequest{Device: "-"})
	wantError(t, err, connect.CodeInvalidArgument, "device")
	list, err := client.ListReadings(t.Context(), &telemetryv1.ListReadingsRequest{To: timestamppb.New(time.Time{})})
	if err != nil || len(list.GetReadings()) > 0 {
		t.Errorf("before all times there is %v, %v", list, err)
	}
}

func TestStoreThatIsFullSaysSo(t *testing.T) {
	client := newClient(t, reading.NewMemory(3))
	add(t, client, "a", 1, 3)
	_, err := client.AddReadings(t.Context(), batch("a", 3, 4))
	wantError(t, err, connect.CodeResourceExhausted)
	add(t, client, "a", 1, 3)
}

func TestStoreThatFailsIsAnInternalErrorWithoutItsText(t *testing.T) {
	client := newClient(t, brokenStore{errors.New("no route to the database")})
	_, added := client.AddReadings(t.Context(), batch("a", 1, 1))
	_, readings := client.ListReadings(t.Context(), new(telemetryv1.ListReadingsRequest))
	_, devices := client.ListDevices(t.Context(), new(telemetryv1.ListDevicesRequest))
	_, device := client.GetDevice(t.Context(), &telemetryv1.GetDeviceRequest{Device: "a"})
	for _, err := range []error{added, readings, devices, device} {
		wantError(t, err, connect.CodeInternal)
		if strings.Contains(err.Error(), "database") {
			t.Errorf("got %v", err)
		}
	}
}

func TestPlainHTTPIsEnough(t *testing.T) {
	api := newAPI(reading.NewMemory(1000))
	const stored = `{"device":"a","epoch":"1795000000123","sequence":7,"measuredAt":"2026-11-18T11:06:41.250Z","value":0}`
	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "AddReadings", `{"readings":[` + stored + `]}`, `{"accepted":1}`},
		{"POST", "AddReadings", `{"readings":[` + stored + `]}`, `{"duplicates":1}`},
		{"POST", "ListReadings", `{}`, `{"readings":[` + stored + `]}`},
		{"GET", "ListReadings?encoding=json&message=%7B%22device%22:%22b%22%7D", ``, `{}`},
		{"GET", "GetDevice?encoding=json&message=%7B%22device%22:%22b%22%7D", ``, `{"code":"not_found","message":"no reading of this device is stored"}`},
	} {
		r := httptest.NewRequest(test.method, "/"+reading.ServiceName+"/"+test.path, strings.NewReader(test.body))
		if test.method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		// The JSON of Protobuf may have a space behind a colon or comma, and may not.
		if got := strings.NewReplacer(": ", ":", ", ", ",").Replace(w.Body.String()); got != test.want {
			t.Errorf("%s %s is answered %d %s, want %s", test.method, test.path, w.Code, got, test.want)
		}
	}
}
