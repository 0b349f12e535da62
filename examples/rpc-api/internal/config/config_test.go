package config

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/template"
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
		"default":     {want: Default().DrainDelay},
		"environment": {env: map[string]string{"DRAIN_DELAY": "7s"}, want: 7 * time.Second},
		"flag":        {args: []string{"-drain-delay=9s"}, env: map[string]string{"DRAIN_DELAY": "7s"}, want: 9 * time.Second},
		"flag over an environment that can't be read": {
			args: []string{"-drain-delay", "9s"}, env: map[string]string{"DRAIN_DELAY": "soon"}, want: 9 * time.Second,
		},
		"empty environment is none": {env: map[string]string{"DRAIN_DELAY": ""}, want: Default().DrainDelay},
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

		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector",
		"OTEL_TRACES_SAMPLER_ARG":     "1",
	}
	want := Config{
		HTTPAddr: ":1", AdminAddr: "[::1]:2", LogLevel: slog.LevelDebug, RequestTimeout: 3 * time.Second,
		MaxInFlight: 4, DrainDelay: 0, DrainTimeout: 6 * time.Second,
	}
	want.Tracing = Tracing{Endpoint: "https://collector", Share: 1}
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

func TestSettingCanBeInAFileThatTheEnvironmentNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "level")
	if err := os.WriteFile(file, []byte("debug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		want slog.Level
	}{
		"file":             {env: map[string]string{"LOG_LEVEL_FILE": file}, want: slog.LevelDebug},
		"environment":      {env: map[string]string{"LOG_LEVEL_FILE": "nowhere", "LOG_LEVEL": "warn"}, want: slog.LevelWarn},
		"flag":             {args: []string{"-log-level=error"}, env: map[string]string{"LOG_LEVEL_FILE": "nowhere"}, want: slog.LevelError},
		"empty is no file": {env: map[string]string{"LOG_LEVEL_FILE": ""}, want: slog.LevelInfo},
	} {
		if c, err := Load(test.args, environmentOf(test.env)); err != nil || c.LogLevel != test.want {
			t.Errorf("%s: level %v, %v, want %v", name, c.LogLevel, err, test.want)
		}
	}
}

func TestOfSettingsThatACommandDoesNotNeedNothingIsWrong(t *testing.T) {
	env := map[string]string{"ADMIN_ADDR": ":7", "HTTP_ADDR": "nowhere", "LOG_LEVEL": "loud", "DRAIN_DELAY_FILE": "nowhere"}
	if c, err := Load([]string{"-max-in-flight=0"}, environmentOf(env), "admin-addr"); err != nil || c.AdminAddr != ":7" {
		t.Errorf("got %q, %v", c.AdminAddr, err)
	}
	env["ADMIN_ADDR"] = "nowhere"
	_, err := Load(nil, environmentOf(env), "admin-addr")
	var invalid *Error
	if !errors.As(err, &invalid) || len(invalid.Problems) != 1 || !strings.Contains(invalid.Problems[0], "ADMIN_ADDR") {
		t.Errorf("got %v", err)
	}
}

func TestLoadListsAllProblems(t *testing.T) {
	args := []string{"-http-addr", "localhost", "-drain-delay=-1s", "-request-timeout=30s", "stray"}
	env := map[string]string{"ADMIN_ADDR": "localhost:http", "LOG_LEVEL": "loud", "MAX_IN_FLIGHT": "0", "DRAIN_TIMEOUT_FILE": "nowhere"}
	_, err := Load(args, environmentOf(env))
	var invalid *Error
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want *Error", err)
	}
	for _, part := range []string{
		"-http-addr", "-drain-delay (DRAIN_DELAY)", "-request-timeout", "DRAIN_TIMEOUT_FILE: open nowhere", `"stray"`,
		"-admin-addr", `"loud" for LOG_LEVEL`, "at least 1",
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

func TestArgumentThatCannotBeReadIsAProblemAmongOthers(t *testing.T) {
	for arg, want := range map[string]string{
		"-unknown=1":          "-unknown",
		"-=":                  "bad flag syntax: -=",
		"-max-in-flight=many": `"many"`,
	} {
		_, err := Load([]string{arg}, environmentOf(map[string]string{"LOG_LEVEL": "loud"}))
		var invalid *Error
		if !errors.As(err, &invalid) || len(invalid.Problems) < 2 || !strings.Contains(invalid.Problems[0], want) {
			t.Errorf("%s: got %v", arg, err)
		}
	}
}

func TestHelpIsAskedForByFlag(t *testing.T) {
	if _, err := Load([]string{"-h"}, environmentOf(nil)); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want flag.ErrHelp", err)
	}
}

func TestUsage(t *testing.T) {
	golden, err := template.ParseFiles("testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	var got, want bytes.Buffer
	if err := golden.Execute(&want, Default()); err != nil {
		t.Fatal(err)
	}
	Usage(&got)
	if got.String() != want.String() {
		t.Errorf("help is\n%s\nbut testdata/help.golden is\n%s", &got, &want)
	}
}

func TestLogShowsSettingsAsTheyAreWritten(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", slog.Any("config", Config{DrainTimeout: 20 * time.Second}))
	if want := `"drain-timeout":"20s"`; !strings.Contains(log.String(), want) {
		t.Errorf("%s lacks %s", log.String(), want)
	}
}

func TestTracingNeedsAURLAndAShare(t *testing.T) {
	for _, value := range []string{"collector:4318", "://", "ftp://collector", "http://"} {
		if _, err := Load([]string{"-otel-exporter-otlp-endpoint", value}, environmentOf(nil)); err == nil {
			t.Errorf("%q was taken for a URL", value)
		}
	}
	for _, value := range []string{"-0.1", "1.1", "NaN"} {
		if _, err := Load([]string{"-otel-traces-sampler-arg=" + value}, environmentOf(nil)); err == nil {
			t.Errorf("%s was taken for a share", value)
		}
	}
}
