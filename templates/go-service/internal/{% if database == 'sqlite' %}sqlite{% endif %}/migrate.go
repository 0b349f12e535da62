package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Migrate changes the schema of a file: "up" applies every migration that is missing, "down" takes the
// last one back, "status" logs which there are. A migration is applied as a whole or not at all.
func Migrate(ctx context.Context, rawURL, direction string, logger *slog.Logger) error {
	return migrate(ctx, rawURL, direction, migrations(), logger)
}

func migrate(ctx context.Context, rawURL, direction string, files fs.FS, logger *slog.Logger) error {
	writer, err := connect(ctx, rawURL, writing, 1)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, writer, files,
		goose.WithSlog(logger), goose.WithVerbose(true))
	if err != nil {
		return errors.Join(fmt.Errorf("read the migrations: %w", err), writer.Close())
	}
	defer provider.Close()
	if err := run(ctx, provider, direction, logger); err != nil {
		return fmt.Errorf("migrate %s: %w", direction, err)
	}
	return nil
}

// CheckSchema returns ErrBehind when a migration of this program was not applied.
func CheckSchema(ctx context.Context, db *Database) error {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	store, err := database.NewStore(goose.DialectSQLite3, goose.DefaultTablename)
	if err != nil {
		return err
	}
	var tables int
	const count = "SELECT count(*) FROM sqlite_schema WHERE name = ?"
	if err := db.reader.QueryRowContext(ctx, count, store.Tablename()).Scan(&tables); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if tables == 0 {
		return ErrBehind
	}
	version, err := store.GetLatestVersion(ctx, db.reader)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	if version < newest {
		return ErrBehind
	}
	return nil
}
