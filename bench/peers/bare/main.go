// Program bare is net/http and nothing else: no log, no metrics, no recovery. The others are measured against it.
package main

import (
	"encoding/json"
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
		answer(w, device, err, http.StatusNotFound)
	})
	mux.HandleFunc("POST /v1/readings", func(w http.ResponseWriter, r *http.Request) {
		var batch peer.Batch
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stored, err := service.Add(r.Context(), batch)
		answer(w, stored, err, http.StatusUnprocessableEntity)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}

func answer(w http.ResponseWriter, value any, err error, status int) {
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
