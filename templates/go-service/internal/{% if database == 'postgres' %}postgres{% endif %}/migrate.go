package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// Others that migrate are given five minutes, and asked each second.
const (
	lockPollSeconds = 1
	lockPolls       = 300
)

// Migrate connects to the database and changes its schema: "up" applies every migration that is
// missing, "down" takes the last one back, "status" logs which there are. A migration is applied as a
// whole or not at all, by one process at a time.
func Migrate(ctx context.Context, rawURL, direction string, logger *slog.Logger) error {
	return migrate(ctx, rawURL, direction, migrations(), logger)
}

func migrate(ctx context.Context, rawURL, direction string, files fs.FS, logger *slog.Logger) error {
	// Building an index takes longer than a statement of a request may.
	settings := poolSettings()
	settings["statement_timeout"] = "0"
	pool, err := open(ctx, rawURL, settings, logger)
	if err != nil {
		return err
	}
	defer pool.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPollSeconds, lockPolls))
	if err != nil {
		return fmt.Errorf("lock the schema: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(pool), files,
		goose.WithSessionLocker(locker), goose.WithSlog(logger), goose.WithVerbose(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	defer provider.Close()
	if err := run(ctx, provider, direction, logger); err != nil {
		return fmt.Errorf("migrate %s: %w", direction, err)
	}
	return nil
}

// CheckSchema returns ErrBehind when a migration of this program was not applied. That there are more,
// of a later program, is as it must be while instances are replaced one by one.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	const undefinedTable = "42P01"
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	store, err := database.NewStore(goose.DialectPostgres, goose.DefaultTablename)
	if err != nil {
		return err
	}
	connections := stdlib.OpenDBFromPool(pool)
	defer connections.Close()
	version, err := store.GetLatestVersion(ctx, connections)
	switch {
	case sqlState(err) == undefinedTable:
		return ErrBehind
	case err != nil:
		return fmt.Errorf("read the version of the schema: %w", err)
	case version < newest:
		return ErrBehind
	}
	return nil
}
