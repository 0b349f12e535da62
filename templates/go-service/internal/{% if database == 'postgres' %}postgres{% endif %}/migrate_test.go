package postgres

import (
	"errors"
	"sync"
	"testing"
	"testing/fstest"
)

func TestMigrationsGoUpAndDown(t *testing.T) {
	rawURL := newSchema(t)
	pool := connect(t, rawURL)
	if err := CheckSchema(t.Context(), pool); !errors.Is(err, ErrBehind) {
		t.Errorf("an empty database: %v", err)
	}
	for range 2 {
		up(t, rawURL)
		if err := CheckSchema(t.Context(), pool); err != nil {
			t.Errorf("after up: %v", err)
		}
	}
	if err := Migrate(t.Context(), rawURL, "status", silent()); err != nil {
		t.Errorf("status: %v", err)
	}
	if err := Migrate(t.Context(), rawURL, "down", silent()); err != nil {
		t.Errorf("down: %v", err)
	}
	if err := CheckSchema(t.Context(), pool); !errors.Is(err, ErrBehind) {
		t.Errorf("after down: %v", err)
	}
	if err := Migrate(t.Context(), rawURL, "down", silent()); err == nil {
		t.Error("there was something to take back")
	}
}

func TestInstancesThatMigrateAtOnceDoItOnce(t *testing.T) {
	rawURL := newSchema(t)
	var instances sync.WaitGroup
	for range 4 {
		instances.Go(func() {
			if err := Migrate(t.Context(), rawURL, "up", silent()); err != nil {
				t.Error(err)
			}
		})
	}
	instances.Wait()
	var times int
	row := connect(t, rawURL).QueryRow(t.Context(), "SELECT count(*) FROM goose_db_version WHERE version_id = 1")
	if err := row.Scan(&times); err != nil || times != 1 {
		t.Errorf("applied %d times, %v", times, err)
	}
}

func TestMigrationThatFailsHalfWayLeavesNothing(t *testing.T) {
	rawURL := newSchema(t)
	files := fstest.MapFS{
		"0001_half.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (n integer);\nINSERT INTO whole VALUES (1);\n")},
	}
	if err := migrate(t.Context(), rawURL, "up", files, silent()); err == nil {
		t.Fatal("it succeeded")
	}
	var tables int
	row := connect(t, rawURL).QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema AND tablename = 'half'")
	if err := row.Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v", tables, err)
	}
}

func TestMigrationTakesAsLongAsItMust(t *testing.T) {
	files := fstest.MapFS{"0001_slow.sql": {Data: []byte(
		"-- +goose Up\nDO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; END $$;\n")}}
	if err := migrate(t.Context(), newSchema(t), "up", files, silent()); err != nil {
		t.Error(err)
	}
}
