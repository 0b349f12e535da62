// Command event-worker is the whole service: it reads the settings, puts the parts together and serves.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/event-worker/internal/aggregate"
	"example.com/event-worker/internal/config"
	"example.com/event-worker/internal/server"
	"example.com/event-worker/internal/telemetry"
	"example.com/event-worker/internal/worker"
)

const (
	exitFailure       = 1
	exitConfiguration = 78 // EX_CONFIG of sysexits.h
	exitSignal        = 128

	healthcheckTimeout = 2 * time.Second
)

// Set by the linker.
var version, revision string

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if <-signals == syscall.SIGINT {
			stop(server.ErrInterrupted)
		}
		stop(nil)
		// Not left to the runtime: process 1 of a container has no default action for signals.
		os.Exit(exitSignal + int((<-signals).(syscall.Signal)))
	}()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Getenv, os.Stdout)))
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, invalid := errors.AsType[*config.Error](err); invalid {
		return exitConfiguration
	}
	return exitFailure
}

// run is the program. An error that it returns is in the log already.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	level := new(slog.LevelVar)
	logger := telemetry.NewLogger(stdout, level)
	err := execute(ctx, args, getenv, stdout, logger, level)
	var invalid *config.Error
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, "Usage: event-worker [serve | healthcheck [URL] | version] [flag]...\n\n")
		config.Usage(stdout)
		return nil
	case errors.As(err, &invalid):
		logger.LogAttrs(ctx, slog.LevelError, "invalid configuration", slog.Any("problems", invalid.Problems))
	case err != nil:
		logger.LogAttrs(ctx, slog.LevelError, "failed", slog.String("error", err.Error()))
	}
	return err
}

func execute(
	ctx context.Context, args []string, getenv func(string) string, stdout io.Writer,
	logger *slog.Logger, level *slog.LevelVar,
) error {
	command, args := operand(args, "serve")
	switch command {
	case "serve":
		cfg, err := config.Load(args, getenv)
		if err != nil {
			return err
		}
		level.Set(cfg.LogLevel)
		return serve(ctx, cfg, logger, level)
	case "healthcheck":
		return healthcheck(ctx, args, getenv)
	case "version":
		build := telemetry.ReadBuild(version, revision)
		_, err := fmt.Fprintf(stdout, "event-worker %s (revision %s, %s)\n", build.Version, build.Revision, build.Go)
		return err
	default:
		return &config.Error{Problems: []string{fmt.Sprintf("unknown command %q", command)}}
	}
}

// operand takes the first argument away unless it is a flag.
func operand(args []string, otherwise string) (string, []string) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return otherwise, args
	}
	return args[0], args[1:]
}

func serve(ctx context.Context, cfg config.Config, logger *slog.Logger, level *slog.LevelVar) error {
	build := telemetry.ReadBuild(version, revision)
	logger.LogAttrs(ctx, slog.LevelInfo, "starting", slog.Any("build", build), slog.Any("config", cfg))
	registry := telemetry.NewRegistry(build)
	srv := server.New(server.Options{
		Config:   cfg,
		Logger:   logger,
		Level:    level,
		Registry: registry,
		Build:    build,
	})
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	return srv.Serve(ctx, func(ctx context.Context) (server.Work, error) {
		logger.LogAttrs(ctx, slog.LevelInfo, "store=memory", slog.Int("capacity", aggregate.Capacity))
		store := aggregate.NewMemory(aggregate.Capacity)
		srv.Handle("GET /v1/aggregates", aggregate.Handler(store))
		logger.LogAttrs(ctx, slog.LevelInfo, "broker=memory", slog.Int("capacity", worker.Capacity))
		broker := worker.NewMemory()
		srv.Handle("POST /v1/messages", broker.Post)
		srv.Handle("GET /v1/messages/{subject}", broker.Get)
		return worker.New(broker, store, worker.Settings(cfg.WorkerSettings), logger, registry).Run, nil
	})
}

// healthcheck is for images that have no other HTTP client.
func healthcheck(ctx context.Context, args []string, getenv func(string) string) error {
	url, args := operand(args, "")
	cfg, err := config.Load(args, getenv, "admin-addr")
	if err != nil {
		return err
	}
	url = cmp.Or(url, "http://"+cfg.AdminAddr+"/readyz")
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	// Not the default transport: a proxy of the environment is for what is outside.
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("check health: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("check health: %s answered %s", url, response.Status)
	}
	return nil
}
