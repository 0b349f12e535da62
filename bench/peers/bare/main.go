// Program bare is net/http and nothing else: no log, no metrics, no recovery. The others are measured against it.
package main

import (
	"log"
	"net/http"
	"os"

	"example.com/telemetry/internal/peer"
)

func main() {
	service := peer.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/devices/{device}", func(w http.ResponseWriter, r *http.Request) {
		device, err := service.Device(r.Context(), r.PathValue("device"))
		peer.Answer(w, device, err, http.StatusNotFound)
	})
	mux.HandleFunc("POST /v1/readings", service.AddReadings)
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}
