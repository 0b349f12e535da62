// Program chi has the middleware that chi's README begins with, and the metrics of go-chi/metrics.
package main

import (
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
		peer.Answer(w, device, err, http.StatusNotFound)
	})
	r.Post("/v1/readings", service.AddReadings)
	log.Fatal(http.ListenAndServe(os.Args[1], r))
}
