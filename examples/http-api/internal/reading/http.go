package reading

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/http-api/internal/server"
)

const (
	defaultLimit = 100
	timeRule     = "must be a time in UTC such as 2026-11-18T11:06:41.250Z"

	maxConflicts     = 100
	fullRetrySeconds = 60
)

type handler struct {
	service Service
}

// Routes is the HTTP API over a store.
func Routes(store Store) []server.Route {
	h := &handler{Service{store}}
	return []server.Route{
		{Pattern: "POST /v1/readings", Handle: h.add},
		{Pattern: "GET /v1/readings", Handle: h.list},
		{Pattern: "GET /v1/devices", Handle: h.devices},
		{Pattern: "GET /v1/devices/{device}", Handle: h.device},
	}
}

func (h *handler) add(w http.ResponseWriter, r *http.Request) error {
	if err := server.ReadQuery(r).Err(); err != nil {
		return err
	}
	var batch []Reading
	if err := server.DecodeJSON(r, func(d *server.Decoder) { batch = decodeBatch(d) }); err != nil {
		return err
	}
	accepted, err := h.service.Insert(r.Context(), batch)
	if err != nil {
		return problem(err)
	}
	return server.WriteJSON(w, http.StatusOK, struct {
		Accepted   int `json:"accepted"`
		Duplicates int `json:"duplicates"`
	}{accepted, len(batch) - accepted})
}

func decodeBatch(d *server.Decoder) (batch []Reading) {
	d.Object(func(string) {
		length := d.Array(func(i int) {
			if reading := decodeReading(d); i < MaxBatch {
				batch = append(batch, reading)
			}
		})
		if length < 1 || length > MaxBatch {
			d.Violate("", fmt.Sprintf("must hold 1 to %d readings", MaxBatch))
		}
	}, "readings")
	return batch
}

func decodeReading(d *server.Decoder) (reading Reading) {
	d.Object(func(member string) {
		switch member {
		case "device":
			reading.Device = d.String()
		case "epoch":
			reading.Epoch = d.Integer(1, MaxEpoch)
		case "sequence":
			reading.Sequence = d.Integer(1, MaxSequence)
		case "measured_at":
			at, ok := ParseTime(d.String())
			if !ok {
				d.Violate("", timeRule)
			}
			reading.MeasuredAt = at
		case "value":
			reading.Value = d.Number()
		}
	}, "device", "epoch", "sequence", "measured_at", "value")
	reading.Validate(d.Violate)
	return reading
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) error {
	params := server.ReadQuery(r, "device", "from", "to", "limit", "cursor")
	q := Query{Limit: readLimit(params)}
	params.Read("device", deviceRule, func(text string) bool {
		q.Device = text
		return ValidDevice(text)
	})
	params.Read("from", timeRule, readTime(&q.From))
	params.Read("to", timeRule, readTime(&q.To))
	if err := params.Err(); err != nil {
		return err
	}
	query := fmt.Sprintln("readings", q.Device, q.From, q.To, q.Limit)
	if err := readCursor(params, query, &q.After, &q.After.Device); err != nil {
		return err
	}
	page, more, err := h.service.List(r.Context(), q)
	if err != nil {
		return problem(err)
	}
	var next string
	if more {
		next = newCursor(query, page[len(page)-1])
	}
	return server.WriteJSON(w, http.StatusOK, struct {
		Readings []Reading `json:"readings"`
		Next     string    `json:"next,omitempty"`
	}{page, next})
}

func (h *handler) devices(w http.ResponseWriter, r *http.Request) error {
	params := server.ReadQuery(r, "limit", "cursor")
	limit := readLimit(params)
	if err := params.Err(); err != nil {
		return err
	}
	query := fmt.Sprintln("devices", limit)
	var after string
	if err := readCursor(params, query, &after, &after); err != nil {
		return err
	}
	page, more, err := h.service.Devices(r.Context(), after, limit)
	if err != nil {
		return problem(err)
	}
	var next string
	if more {
		next = newCursor(query, page[len(page)-1].Device)
	}
	return server.WriteJSON(w, http.StatusOK, struct {
		Devices []Summary `json:"devices"`
		Next    string    `json:"next,omitempty"`
	}{page, next})
}

func (h *handler) device(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("device")
	if !ValidDevice(name) {
		return problem(ErrNotFound)
	}
	if err := server.ReadQuery(r).Err(); err != nil {
		return err
	}
	device, err := h.service.Device(r.Context(), name)
	if err != nil {
		return problem(err)
	}
	return server.WriteJSON(w, http.StatusOK, device)
}

func readLimit(params *server.Query) int {
	limit := defaultLimit
	params.Read("limit", fmt.Sprintf("must be an integer from 1 to %d", MaxBatch), func(text string) bool {
		n, err := strconv.ParseUint(text, 10, 16)
		limit = int(n)
		return err == nil && text[0] != '0' && limit <= MaxBatch
	})
	return limit
}

// readTime keeps clear of the zero time, which does not restrict a query.
func readTime(t *Time) func(string) bool {
	return func(text string) (ok bool) {
		*t, ok = ParseTime(text)
		if t.IsZero() {
			t.Time = t.Add(-time.Millisecond)
		}
		return ok
	}
}

// readCursor sets position to where the page before ended, and leaves it alone for the first page.
func readCursor(params *server.Query, query string, position any, device *string) error {
	if given, ok := params.Get("cursor"); ok && !openCursor(given, query, position, device) {
		return server.Fail(http.StatusBadRequest, "bad_cursor", "The cursor is not one of this query.")
	}
	return nil
}

// problem says in terms of HTTP what went wrong.
func problem(err error) error {
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict):
		var violations []server.Violation
		for _, i := range conflict.Indexes[:min(len(conflict.Indexes), maxConflicts)] {
			pointer := "#/readings/" + strconv.Itoa(i)
			violations = append(violations, server.Violation{Pointer: pointer, Detail: "is stored with another value or time"})
		}
		return server.Fail(http.StatusConflict, "conflict", "Stored readings don't change.", violations...)
	case errors.Is(err, ErrNotFound):
		return server.Fail(http.StatusNotFound, "not_found", "No reading of this device is stored.")
	case errors.Is(err, ErrFull):
		return server.Unavailable("The store has no room for these readings.", fullRetrySeconds)
	default:
		return err
	}
}

// MarshalJSON writes all three digits of the milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// ParseTime reads a time as RFC 3339 writes it, in UTC, with upper-case T and Z and without leap
// seconds. What is finer than a millisecond is cut off.
func ParseTime(text string) (t Time, ok bool) {
	// What time.Parse takes beyond that: hours of one digit, a comma, more than nine digits after it.
	if len(text) < len("2006-01-02T15:04:05Z") || len(text) > len("2006-01-02T15:04:05.123456789Z") ||
		text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return Time{}, false
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", text)
	return Time{at.Truncate(time.Millisecond)}, err == nil
}
