package server

import (
	"errors"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

func TestViolationsAreListedOnceForEachField(t *testing.T) {
	var rules Violations
	if err := rules.Err(connect.CodeInvalidArgument, "none"); err != nil {
		t.Errorf("nothing is broken, but %v", err)
	}
	rules.Report("first", "is missing")
	rules.Report("first", "is empty")
	for i := range 100 {
		rules.Report(strings.Repeat("x", i+1), "is wrong")
	}
	failure, ok := errors.AsType[*connect.Error](rules.Err(connect.CodeInvalidArgument, "the request breaks rules"))
	if !ok || len(failure.Details()) != 1 {
		t.Fatalf("got %v", failure)
	}
	detail, err := failure.Details()[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	fields := detail.(*errdetails.BadRequest).GetFieldViolations()
	if len(fields) != maxViolations || fields[0].GetDescription() != "is missing" {
		t.Errorf("got %d: %v", len(fields), fields)
	}
}
