// Package sqlite keeps readings in a file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	_ "modernc.org/sqlite" // the driver
)

const (
	// Readers go on while one writes, a lock is waited for, and what was committed outlives a loss of power.
	pragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)"
	// A transaction that first reads and then writes could not wait for the lock.
	writing = pragmas + "&_txlock=immediate"
	looking = pragmas + "&_pragma=query_only(ON)"

	readers = 8
)

// Database is an open file. There is one writer at a time in SQLite, so there is one connection that
// writes: who waits for it waits in order.
type Database struct {
	writer, reader *sql.DB
}

// Open opens a file, and makes it when it is not there.
func Open(ctx context.Context, rawURL string) (*Database, error) {
	writer, err := connect(ctx, rawURL, writing, 1)
	if err != nil {
		return nil, err
	}
	reader, err := connect(ctx, rawURL, looking, readers)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	return &Database{writer, reader}, nil
}

func connect(ctx context.Context, rawURL, settings string, connections int) (*sql.DB, error) {
	separator := "?"
	if strings.Contains(rawURL, "?") {
		separator = "&"
	}
	db, err := sql.Open("sqlite", rawURL+separator+settings)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), db.Close())
	}
	return db, nil
}

// Close waits for what is under way.
func (d *Database) Close() error {
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// Register adds the metrics of the connections.
func (d *Database) Register(registry prometheus.Registerer) {
	registry.MustRegister(
		collectors.NewDBStatsCollector(d.writer, "writer"),
		collectors.NewDBStatsCollector(d.reader, "reader"),
	)
}
