package reading

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// Store keeps readings. Package storetest says in code what each method promises.
type Store interface {
	// Insert stores the readings that it does not hold yet and returns how many those were, or
	// stores none and returns a *ConflictError, or ErrFull.
	Insert(ctx context.Context, batch []Reading) (inserted int, err error)
	// List returns the readings that the query wants, latest first.
	List(ctx context.Context, q Query) ([]Reading, error)
	// Devices returns up to limit devices whose names come after the given one, by name.
	Devices(ctx context.Context, after string, limit int) ([]Summary, error)
	// Device returns one device, or ErrNotFound.
	Device(ctx context.Context, name string) (Device, error)
}

// Query selects readings. What is zero does not restrict.
type Query struct {
	Device string
	From   Time    // inclusive
	To     Time    // exclusive
	After  Reading // the last one of the page before
	Limit  int
}

// End is what every wanted reading comes before. Device, epoch and sequence are nothing in it when it
// is a time alone: all readings of that time come after it.
func (q *Query) End() Reading {
	end := Reading{MeasuredAt: q.To}
	if q.To.IsZero() {
		end.MeasuredAt.Time = time.Date(maxYear+1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if q.After.Device != "" && q.After.Compare(&end) < 0 {
		return q.After
	}
	return end
}

// Service adds to a store what does not depend on where readings are kept.
type Service struct {
	Store
}

// List returns a page of readings, latest first, and whether there is another after it.
func (s Service) List(ctx context.Context, q Query) (page []Reading, more bool, err error) {
	limit := q.Limit
	q.Limit++
	page, err = s.Store.List(ctx, q)
	page, more = cut(page, limit)
	return page, more, err
}

// Devices returns a page of devices by name, and whether there is another after it.
func (s Service) Devices(ctx context.Context, after string, limit int) (page []Summary, more bool, err error) {
	page, err = s.Store.Devices(ctx, after, limit+1)
	page, more = cut(page, limit)
	return page, more, err
}

// cut takes off what was asked for only to learn whether it is there.
func cut[T any](page []T, limit int) ([]T, bool) {
	if len(page) <= limit {
		return page, false
	}
	return page[:limit], true
}

// cursorSum is how many bytes of the hash a cursor has.
const cursorSum = 8

// newCursor says where a page ended. It begins with a hash over the query and that position, so that
// it is of no use for another query, and one that was changed is noticed.
func newCursor(query string, position any) string {
	text, _ := json.Marshal(position)
	sum := sha256.Sum256(append([]byte(query), text...))
	return base64.RawURLEncoding.EncodeToString(append(sum[:cursorSum:cursorSum], text...))
}

// openCursor sets position, and the device in it, to where the page ended that a cursor came with, and
// reports whether it was a page of this query. Who knows how cursors are made can make one of a device
// that can't be.
func openCursor(cursor, query string, position any, device *string) bool {
	if text, _ := base64.RawURLEncoding.DecodeString(cursor); len(text) > cursorSum {
		_ = json.Unmarshal(text[cursorSum:], position)
	}
	// Whatever could not be read does not make the same cursor again.
	return newCursor(query, position) == cursor && ValidDevice(*device)
}
