package postgres

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// expectPages expects that a statement looks at no more than so many pages of tables and indexes. What it changes is
// rolled back.
func expectPages(t *testing.T, pool *pgxpool.Pool, name string, most int, statement string, args ...any) {
	t.Helper()
	ctx := t.Context()
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var text []byte
	if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	if pages := plans[0].Plan.Hit + plans[0].Plan.Read; pages > most {
		t.Errorf("%s looks at %d pages, where %d are enough: %s", name, pages, most, text)
	}
}
