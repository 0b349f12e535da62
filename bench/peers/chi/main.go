// Program chi has the middleware that chi's README begins with, and the metrics of go-chi/metrics.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/metrics"

	"example.com/telemetry/internal/peer"
)

func main() {
	service := peer.New()
	r := chi.NewRouter()
	r.Use(metrics.Collector(metrics.CollectorOpts{}))
	r.Use(middleware.RequestID)
	r.Use(middleware.Logger)
	r.Use(middleware.Recoverer)
	r.Use(middleware.Timeout(10 * time.Second))
	r.Handle("/metrics", metrics.Handler())
	r.Get("/v1/devices/{device}", func(w http.ResponseWriter, r *http.Request) {
		device, err := service.Device(r.Context(), chi.URLParam(r, "device"))
		answer(w, device, err, http.StatusNotFound)
	})
	r.Post("/v1/readings", func(w http.ResponseWriter, r *http.Request) {
		var batch peer.Batch
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stored, err := service.Add(r.Context(), batch)
		answer(w, stored, err, http.StatusUnprocessableEntity)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], r))
}

func answer(w http.ResponseWriter, value any, err error, status int) {
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
