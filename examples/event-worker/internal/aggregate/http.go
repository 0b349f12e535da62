package aggregate

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"example.com/event-worker/internal/reading"
)

const (
	defaultPage  = 100
	answerWithin = 5 * time.Second
)

// Handler answers what the windows of a store are:
// GET /v1/aggregates?device=&from=&to=&limit=, by device and start.
func Handler(store Store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, problem := readQuery(r)
		if problem != "" {
			http.Error(w, problem, http.StatusUnprocessableEntity)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		windows, err := store.Windows(ctx, q)
		if err != nil {
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			Aggregates []Window `json:"aggregates"`
		}{windows})
	}
}

func readQuery(r *http.Request) (q Query, problem string) {
	q.Limit = defaultPage
	for name, values := range r.URL.Query() {
		text, ok := values[0], len(values) == 1
		switch {
		case name == "device":
			q.Device = text
			ok = ok && reading.ValidDevice(text)
		case name == "from" && ok:
			q.From, ok = reading.ParseTime(text)
		case name == "to" && ok:
			q.To, ok = reading.ParseTime(text)
		case name == "limit" && ok:
			n, err := strconv.Atoi(text)
			q.Limit, ok = n, err == nil && n >= 1 && n <= MaxPage
		default:
			ok = false
		}
		if !ok {
			return q, "want device, from, to (times such as 2026-11-18T11:06:41.250Z) and limit (1 to 1000), each once at most: " + name
		}
	}
	return q, ""
}
