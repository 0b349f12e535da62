package server

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Room for a CPU profile of half a minute.
const adminWriteTimeout = 70 * time.Second

// adminHandler is for probes, Prometheus and operators; it must not be reachable for clients.
func (s *Server) adminHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(o.Build)
	})
	mux.HandleFunc("GET /log-level", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, o.Level.Level().String())
	})
	mux.HandleFunc("PUT /log-level", setLevel(o.Level, o.Logger))
	// Without cmdline: flags may carry secrets.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// readyz says whether traffic is welcome. What the service depends on has no part in it: a shared
// dependency that fails would take every replica out at once.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.draining.Load():
		reply(w, http.StatusServiceUnavailable, "draining")
	case !s.started.Load():
		reply(w, http.StatusServiceUnavailable, "starting")
	default:
		reply(w, http.StatusOK, "ok")
	}
}

func setLevel(level *slog.LevelVar, logger *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16))
		before := level.Level()
		if err == nil {
			err = level.UnmarshalText(bytes.TrimSpace(text))
		}
		if err != nil {
			reply(w, http.StatusBadRequest, "want DEBUG, INFO, WARN or ERROR")
			return
		}
		logger.LogAttrs(r.Context(), slog.LevelWarn, "log level changed",
			slog.String("from", before.String()), slog.String("to", level.Level().String()))
		reply(w, http.StatusOK, level.Level().String())
	}
}

func reply(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
