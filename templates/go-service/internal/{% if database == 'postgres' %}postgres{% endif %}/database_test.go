package postgres

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// newSchema is the URL of a schema with nothing in it, which goes when the test ends. TEST_DATABASE_URL
// names the database; `make integration` starts one.
func newSchema(t *testing.T) string {
	t.Helper()
	rawURL := os.Getenv("TEST_DATABASE_URL")
	if rawURL == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	name := pgx.Identifier{"test_" + strings.ToLower(rand.Text())}.Sanitize()
	execute(t, rawURL, "CREATE SCHEMA "+name)
	t.Cleanup(func() { execute(t, rawURL, "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", name)
	u.RawQuery = query.Encode()
	return u.String()
}

// execute runs statements over a connection of its own, also when the test has ended.
func execute(t *testing.T, rawURL string, statements ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, rawURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func up(t *testing.T, rawURL string) {
	t.Helper()
	if err := Migrate(t.Context(), rawURL, "up", silent()); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, rawURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := Open(t.Context(), rawURL, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// newDatabase has the schema and nothing in it.
func newDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	rawURL := newSchema(t)
	up(t, rawURL)
	return connect(t, rawURL)
}
