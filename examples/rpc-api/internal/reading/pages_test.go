package reading_test

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetryv1 "example.com/rpc-api/internal/gen/telemetry/v1"
	"example.com/rpc-api/internal/reading"
)

func TestWalkThroughReadings(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	add(t, client, "a", 1, 25)
	request := &telemetryv1.ListReadingsRequest{Device: "a", Limit: 10}
	seen := uint32(0)
	for {
		list, err := client.ListReadings(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.GetReadings() {
			if r.GetSequence() != 25-seen {
				t.Errorf("reading %d is number %d", r.GetSequence(), seen)
			}
			seen++
		}
		if list.GetNext() == "" {
			break
		}
		add(t, client, "a", 100+seen, 100+seen)
		request.Cursor = list.GetNext()
	}
	if seen != 25 {
		t.Errorf("saw %d readings, want 25", seen)
	}
}

func TestWalkThroughDevices(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	for _, device := range []string{"c", "a", "b"} {
		add(t, client, device, 1, 1)
	}
	first, err := client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Limit: 2, Cursor: first.GetNext()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, device := range slices.Concat(first.GetDevices(), rest.GetDevices()) {
		names = append(names, device.GetDevice())
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) || rest.GetNext() != "" {
		t.Errorf("got %q, then %q", names, rest.GetNext())
	}
}

func TestCursorOfADeviceThatCanNotBeIsRefused(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	after := func(position string) error {
		sum := sha256.Sum256([]byte("devices 2\n" + position))
		cursor := base64.RawURLEncoding.EncodeToString(append(sum[:8], position...))
		_, err := client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Limit: 2, Cursor: cursor})
		return err
	}
	if err := after(`"a"`); err != nil {
		t.Fatal(err)
	}
	wantError(t, after(`"\u0000"`), connect.CodeInvalidArgument, "cursor")
}

func TestCursorIsOfNoUseForAnotherQuery(t *testing.T) {
	client := newClient(t, reading.NewMemory(1000))
	add(t, client, "a", 1, 5)
	first, err := client.ListReadings(t.Context(), &telemetryv1.ListReadingsRequest{Limit: 2, Device: "a"})
	if err != nil {
		t.Fatal(err)
	}
	next := first.GetNext()
	for _, request := range []*telemetryv1.ListReadingsRequest{
		{Limit: 2, Cursor: next},
		{Limit: 3, Device: "a", Cursor: next},
		{Limit: 2, Device: "b", Cursor: next},
		{Limit: 2, Device: "a", From: timestamppb.New(start), Cursor: next},
		{Limit: 2, Device: "a", To: timestamppb.New(start), Cursor: next},
		{Limit: 2, Device: "a", Cursor: next[:len(next)-2]},
		{Limit: 2, Device: "a", Cursor: next + "\n"},
	} {
		_, err := client.ListReadings(t.Context(), request)
		wantError(t, err, connect.CodeInvalidArgument, "cursor")
	}
	_, err = client.ListDevices(t.Context(), &telemetryv1.ListDevicesRequest{Limit: 2, Cursor: next})
	wantError(t, err, connect.CodeInvalidArgument, "cursor")
}
