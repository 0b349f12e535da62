package server

import (
	"errors"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// maxViolations keeps an error within the 8 KiB of trailers that every client of gRPC takes.
const maxViolations = 20

// Fail makes an error that clients may read: programs act on the code, people read the text.
func Fail(code connect.Code, text string) *connect.Error {
	return connect.NewError(code, errors.New(text))
}

// Violations are the rules that a request breaks.
type Violations struct {
	fields []*errdetails.BadRequest_FieldViolation
}

// Report notes a broken rule under the path of its field. Only the first for each field is kept.
func (v *Violations) Report(field, detail string) {
	known := func(f *errdetails.BadRequest_FieldViolation) bool { return f.GetField() == field }
	if len(v.fields) < maxViolations && !slices.ContainsFunc(v.fields, known) {
		v.fields = append(v.fields, &errdetails.BadRequest_FieldViolation{Field: field, Description: detail})
	}
}

// Err is an error that lists them, or nil when there are none.
func (v *Violations) Err(code connect.Code, text string) error {
	if len(v.fields) == 0 {
		return nil
	}
	failure := Fail(code, text)
	detail, err := connect.NewErrorDetail(&errdetails.BadRequest{FieldViolations: v.fields})
	if err != nil {
		return err
	}
	failure.AddDetail(detail)
	return failure
}
