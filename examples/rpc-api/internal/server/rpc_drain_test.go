package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Calls over HTTP/2 share a connection: what is under way on it when GOAWAY is sent has to be answered.
func TestDrainUnderLoadFailsNoCall(t *testing.T) {
	o := testOptions(io.Discard)
	o.Config.DrainDelay = 200 * time.Millisecond
	s, stop := serve(t, o, procedureRoutes(echo)...)
	var answered atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		transport := http2Client(t)
		for range 8 {
			client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](
				transport, s.url(echoPath), connect.WithGRPC())
			callers.Go(func() {
				err := callUntilItFails(t, client, &answered)
				if dial, ok := errors.AsType[*net.OpError](err); !ok || dial.Op != "dial" {
					t.Errorf("a call failed: %v", err)
				}
			})
		}
	}
	eventually(t, "callers are answered", func() bool { return answered.Load() > 500 })
	if err := stop(nil); err != nil {
		t.Error(err)
	}
	callers.Wait()
}

func callUntilItFails(
	t *testing.T, client *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue], answered *atomic.Int64,
) error {
	t.Helper()
	for {
		if _, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("again"))); err != nil {
			return err
		}
		answered.Add(1)
	}
}
