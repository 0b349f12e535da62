package config

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func environmentOf(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestLoadTakesFlagThenEnvironmentThenDefault(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string
		want time.Duration
	}{
		"default":     {want: 5 * time.Second},
		"environment": {env: map[string]string{"DRAIN_DELAY": "7s"}, want: 7 * time.Second},
		"flag":        {args: []string{"-drain-delay=9s"}, env: map[string]string{"DRAIN_DELAY": "7s"}, want: 9 * time.Second},
		"flag over an environment that can't be read": {
			args: []string{"-drain-delay", "9s"}, env: map[string]string{"DRAIN_DELAY": "soon"}, want: 9 * time.Second,
		},
		"empty environment is none": {env: map[string]string{"DRAIN_DELAY": ""}, want: 5 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Load(test.args, environmentOf(test.env))
			if err != nil {
				t.Fatal(err)
			}
			if c.DrainDelay != test.want {
				t.Errorf("drain delay %v, want %v", c.DrainDelay, test.want)
			}
		})
	}
}

func TestEverySettingHasATwinInTheEnvironment(t *testing.T) {
	env := map[string]string{
		"HTTP_ADDR":       ":1",
		"ADMIN_ADDR":      "[::1]:2",
		"LOG_LEVEL":       "debug",
		"REQUEST_TIMEOUT": "3s",
		"MAX_IN_FLIGHT":   "4",
		"DRAIN_DELAY":     "0s",
		"DRAIN_TIMEOUT":   "6s",
	}
	want := Config{
		HTTPAddr: ":1", AdminAddr: "[::1]:2", LogLevel: slog.LevelDebug, RequestTimeout: 3 * time.Second,
		MaxInFlight: 4, DrainDelay: 0, DrainTimeout: 6 * time.Second,
	}
	got, err := Load(nil, environmentOf(env))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	c := Default()
	settings := 0
	c.flags().VisitAll(func(*flag.Flag) { settings++ })
	if settings != len(env) {
		t.Errorf("%d settings, %d tried", settings, len(env))
	}
}

func TestLoadListsAllProblems(t *testing.T) {
	args := []string{
		"-http-addr", "localhost", "-unknown=1", "-drain-delay=-1s", "stray", "-=", "-max-in-flight", "many",
		"-request-timeout=30s", "-drain-timeout=0s",
	}
	env := map[string]string{"ADMIN_ADDR": "localhost:http", "LOG_LEVEL": "loud", "MAX_IN_FLIGHT": "0"}
	_, err := Load(args, environmentOf(env))
	var invalid *Error
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want *Error", err)
	}
	for _, part := range []string{
		"-http-addr", "-unknown", "-drain-delay (DRAIN_DELAY)", `"stray"`, "bad flag syntax: -=", `"many"`,
		"-request-timeout", "-drain-timeout", "-admin-addr", `"loud" for LOG_LEVEL`, "at least 1",
	} {
		found := 0
		for _, problem := range invalid.Problems {
			if strings.Contains(problem, part) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d problems name %s in %q", found, part, invalid.Problems)
		}
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}

func TestHelpIsAskedForByFlag(t *testing.T) {
	if _, err := Load([]string{"-unknown", "-h"}, environmentOf(nil)); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want flag.ErrHelp", err)
	}
}

func TestUsage(t *testing.T) {
	want, err := os.ReadFile("testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	Usage(&got)
	if got.String() != string(want) {
		t.Errorf("help is\n%s\nbut testdata/help.golden is\n%s", got.String(), want)
	}
}

func TestLogShowsSettingsAsTheyAreWritten(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", slog.Any("config", Default()))
	if want := `"drain-timeout":"20s"`; !strings.Contains(log.String(), want) {
		t.Errorf("%s lacks %s", log.String(), want)
	}
}
