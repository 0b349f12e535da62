// Package api describes the API to machines.
package api

import (
	_ "embed"
	"net/http"

	"example.com/http-api/internal/server"
)

//go:embed openapi.yaml
var description []byte

// Route serves the description.
func Route() server.Route {
	return server.Route{Pattern: "GET /openapi.yaml", Handle: func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/yaml")
		_, err := w.Write(description)
		return err
	}}
}
